"""Compiled programs are kept where the user wants them, and spare the next process the work."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import jax
import numpy as np
hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event))
from egem import EGEMClassifier
X = np.random.default_rng(0).normal(size=(6, 1, 12)).cumsum(axis=2)
# Seed and thread are fixed: which programs a search asks for depends on the experts it meets.
clf = EGEMClassifier(n_cells=4, n_updates=20, metric="mse", random_state=0, n_jobs=1)
clf.fit(X, [0, 1] * 3).predict(X)
print(hits.count("/jax/compilation_cache/cache_hits"))
"""


ANY_PROGRAM = """
import jax
from egem.runtime.compile_cache import keep_compiled
keep_compiled()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
print(jax.jit(lambda x: 2 * x)(3))
"""


def run(script=SCRIPT, **environment):
    own = {k: v for k, v in os.environ.items() if not k.startswith(("EGEM_COMPILED", "JAX_"))}
    out = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env={**own, **environment},
        capture_output=True,
        text=True,
    )
    assert out.returncode == 0, out.stderr
    return int(out.stdout)


def files(folder):
    return list(folder.rglob("*-cache"))


@pytest.mark.slow
def test_programs_are_compiled_once(tmp_path):
    run(EGEM_COMPILED=str(tmp_path))
    kept = len(files(tmp_path))  # how many depends on the machine: those that compiled slowly
    assert kept
    assert run(EGEM_COMPILED=str(tmp_path)) >= kept
    run(ANY_PROGRAM, EGEM_COMPILED=str(tmp_path))
    assert len(files(tmp_path)) > kept


@pytest.mark.parametrize("why", ["off", "theirs", "nowhere"])
def test_nothing_is_kept_where_that_is_not_wanted_or_not_possible(tmp_path, why):
    environment = {
        "off": {"EGEM_COMPILED": "off", "XDG_CACHE_HOME": str(tmp_path / "own")},
        "theirs": {
            "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "theirs"),
            "XDG_CACHE_HOME": str(tmp_path / "own"),
        },
        "nowhere": {"EGEM_COMPILED": "/proc/nowhere"},
    }
    assert run(ANY_PROGRAM, **environment[why]) == 6
    assert not list((tmp_path / "own").rglob("*-cache"))
