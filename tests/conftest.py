"""What tests share: real digits, waves of unequal length, and models fitted to them once."""

import os
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import settings

from egem import EGEMClassifier, few_shot_split, load_dataset
from helpers import QUICK, make_waves

# Most of the suite's time goes into compiling small programs, each of which runs briefly: they are
# compiled the quickest way, and kept beside the tests. `make test-slow` runs what users run.
QUICK_TO_COMPILE = "--xla_backend_optimization_level=0"
if jax.__version_info__ < (0, 11):  # later ones do not know the flag, and end the process for it
    QUICK_TO_COMPILE += " --xla_cpu_use_fusion_emitters=false"
os.environ.setdefault("XLA_FLAGS", QUICK_TO_COMPILE)
os.environ.setdefault("EGEM_COMPILED", str(Path(__file__).parents[1] / ".pytest_cache/compiled"))
# Workers share the cores: threads that wait busily for small products would take a third of them.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

settings.register_profile("egem", deadline=None, max_examples=25, derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=1000, derandomize=True)
settings.load_profile("egem")  # `make invariances` asks for the other


@pytest.fixture
def float64():
    """Let a test compute in double precision."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="session")
def digits():
    """Four training and thirty test cases a class: X_train, y_train, X_test, y_test."""
    X, y = load_dataset("digits")
    train, test = few_shot_split(y, k=4, seed=0)
    test = np.sort(np.concatenate([test[y[test] == c][:30] for c in range(10)]))
    return X[train], y[train], X[test], y[test]


@pytest.fixture(scope="session")
def waves():
    """Training and test waves, lists of unequal length with text labels."""
    return *make_waves(4, seed=0), *make_waves(5, seed=1)


@pytest.fixture(scope="session")
def digit_model(digits):
    return EGEMClassifier(**QUICK).fit(*digits[:2])


@pytest.fixture(scope="session")
def wave_model(waves):
    return EGEMClassifier(**QUICK, align="start").fit(*waves[:2])


@pytest.fixture(scope="session")
def paper_model(digits):
    """The published setting, cut short, on three classes of digits."""
    X, y, *_ = digits
    three = y < 3
    model = EGEMClassifier.paper("mnist", n_cells=8, n_updates=200, random_state=0)
    return model.fit(X[three], y[three])
