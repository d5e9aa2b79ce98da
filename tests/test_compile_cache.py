"""Compiled programs are cached where the user wants them, and new processes load them."""

import os
import subprocess
import sys

import pytest

FIT = """
import jax
import numpy as np
hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event))
from egem import EGEMClassifier, LSTMDecoder, Training
X = np.random.default_rng(0).normal(size=(6, 1, 12)).cumsum(axis=2)
# Seed and thread are fixed: the experts determine which programs a search needs.
clf = EGEMClassifier(views=("recurrent",), metric="mse", decoder=LSTMDecoder(4),
                     training=Training(n_updates=20), random_state=0, n_jobs=1)
clf.fit(X, [0, 1] * 3).predict(X)
print(hits.count("/jax/compilation_cache/cache_hits"))
"""

DOUBLE = """
import jax
from egem.runtime.compile_cache import enable_compile_cache
enable_compile_cache()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
print(jax.jit(lambda x: 2 * x)(3))
"""


def run(script, **environment):
    own = {k: v for k, v in os.environ.items() if not k.startswith(("EGEM_COMPILED", "JAX_"))}
    own["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    out = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env=own | environment,
        capture_output=True,
        text=True,
    )
    assert out.returncode == 0, out.stderr
    return int(out.stdout)


def cached(folder):
    return list(folder.rglob("*-cache"))


@pytest.mark.slow
def test_programs_are_compiled_once(tmp_path):
    run(FIT, EGEM_COMPILED=str(tmp_path))
    n_cached = len(cached(tmp_path))  # depends on the machine: programs that compiled slowly
    assert n_cached
    assert run(FIT, EGEM_COMPILED=str(tmp_path)) >= n_cached
    run(DOUBLE, EGEM_COMPILED=str(tmp_path))
    assert len(cached(tmp_path)) > n_cached


@pytest.mark.parametrize("reason", ["off", "configured", "not writable"])
def test_the_cache_can_be_off_the_users_own_or_impossible(tmp_path, reason):
    default = {"XDG_CACHE_HOME": str(tmp_path / "default")}
    environment = {
        "off": {"EGEM_COMPILED": "off"} | default,
        "configured": {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "configured")} | default,
        "not writable": {"EGEM_COMPILED": "/proc/nowhere"},
    }
    assert run(DOUBLE, **environment[reason]) == 6
    assert not cached(tmp_path / "default")
    assert bool(cached(tmp_path / "configured")) == (reason == "configured")
