"""egem leaves the process that it runs in as it was: pools, forks, and global settings."""

import os
import subprocess
import sys

import pytest

START = """
import multiprocessing, sys, warnings
import numpy as np
from joblib import Parallel, delayed, parallel_config
from sklearn.model_selection import cross_val_score
from egem import EGEMClassifier, LSTMDecoder, Training

rng = np.random.default_rng(0)
X, y = rng.normal(size=(12, 1, 20)).cumsum(axis=2), np.repeat([0, 1, 2], 4)
quick = dict(decoder=LSTMDecoder(4), training=Training(n_updates=20), random_state=0)
"""

LOKY = """
with parallel_config(backend="loky", n_jobs=2):
    clf = EGEMClassifier(**quick).fit(X, y)
    clf.predict(X)
    clf.add_class(X[:4] + 1, 3)
assert Parallel(n_jobs=2)(delayed(abs)(i) for i in (-1, -2)) == [1, 2]
assert len(cross_val_score(EGEMClassifier(views=("linear",)), X, y, n_jobs=2, cv=2)) == 2
with parallel_config(backend="loky", n_jobs=2):
    again = EGEMClassifier(**quick).fit(X, y)
np.testing.assert_array_equal(again.losses(X), clf.remove_class(3).losses(X))
"""

FORK = """
warnings.simplefilter("ignore", RuntimeWarning)  # of JAX, that a fork may hang
views, n = sys.argv[1].split(","), int(sys.argv[2])
many = np.tile(X, (n, 1, 1))
clf = EGEMClassifier(**quick | {"decoder": None}, views=views).fit(X, y)
expected = clf.predict(many)
with multiprocessing.get_context("fork").Pool(2) as pool:
    try:
        for answer in pool.map(clf.predict, [many, many]):
            np.testing.assert_array_equal(answer, expected)
        print("answered")
    except RuntimeError as error:
        print(error)
"""

SETTINGS = """
import json, logging
import jax, joblib, matplotlib

def settings():
    flags = {name: str(value) for name, value in jax.config.values.items()}
    own = {"jax_compilation_cache_dir", "jax_compilation_cache_max_size",
           "jax_persistent_cache_min_compile_time_secs",
           "jax_persistent_cache_min_entry_size_bytes"}
    return {
        "jax": {name: value for name, value in flags.items() if name not in own},
        "numpy errors": np.geterr(),
        "numpy state": str(np.random.get_state()),
        "print options": str(np.get_printoptions()),
        "warnings": [str(f) for f in warnings.filters],
        "log": [logging.root.level, str(logging.root.handlers), logging.getLogger("egem").level],
        "matplotlib": str(sorted(matplotlib.rcParams.items())),
        "joblib": str(joblib.parallel.get_active_backend()).split(" at ")[0],
        "blas": sorted((i["filepath"], i["num_threads"]) for i in pools()),
    }

def pools():
    from threadpoolctl import threadpool_info
    return [i for i in threadpool_info() if i["user_api"] == "blas"]

before = settings()
clf = EGEMClassifier(**quick).fit(X, y)
clf.predict_proba(X), clf.predict_set(X), clf.complete(X[:, :, :9]), clf.sample(0)
clf.add_class(X[:4] + 1, 3).remove_class(3)
clf.save(sys.argv[1])
EGEMClassifier.load(sys.argv[1]).explain(X[:1])
after = settings()
assert before == after, {k: (before[k], after[k]) for k in before if before[k] != after[k]}
"""


def run(code, *arguments):
    """Run code in a process of its own, which nothing else has touched."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", START + code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_joblibs_own_pool_works_after_a_fit_on_it():
    run(LOKY)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize("n", [1, 100])
def test_a_fork_predicts_by_linear_views(n):
    assert run(FORK, "linear,features", n) == "answered\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_fork_that_would_wait_for_ever_is_refused():
    assert "was forked from one that had used JAX" in run(FORK, "recurrent,linear", 1)


def test_global_settings_stay_as_they_were(tmp_path):
    run(SETTINGS, tmp_path / "model")
