"""What tests share: real digits, waves of unequal length, and models fitted to them once."""

import jax
import numpy as np
import pytest
from hypothesis import settings

from egem import EGEMClassifier, few_shot_split, load_dataset

settings.register_profile("egem", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("egem")

QUICK = {"n_cells": 8, "n_updates": 100, "random_state": 0}


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


def make_waves(n_a_class, seed=0, labels=("down", "still", "up")):
    """Two channels, 12 to 24 time points: ramps that fall, stay or rise, on a cosine."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for slope, label in zip(np.linspace(-1, 1, len(labels)), labels, strict=True):
        for _ in range(n_a_class):
            t = np.linspace(0, 1, rng.integers(12, 25))
            ramp = 5 + slope * t + 0.1 * rng.normal()
            wave = 100 * np.cos((6 + slope) * t + 0.2 * rng.normal())
            X.append(np.stack([ramp, wave]) + rng.normal(size=(2, len(t))) * [[0.02], [2.0]])
            y.append(label)
    return X, np.array(y)


@pytest.fixture(scope="session")
def waves():
    """Training and test waves, lists of unequal length with text labels."""
    return *make_waves(4, seed=0), *make_waves(5, seed=1)


@pytest.fixture(scope="session")
def digit_model(digits):
    return EGEMClassifier(**QUICK).fit(*digits[:2])


@pytest.fixture(scope="session")
def wave_model(waves):
    return EGEMClassifier(**QUICK).fit(*waves[:2])


@pytest.fixture(scope="session")
def paper_model(digits):
    """The published setting, cut short, on three classes of digits."""
    X, y, *_ = digits
    three = y < 3
    model = EGEMClassifier.paper("mnist", n_cells=8, n_updates=200, random_state=0)
    return model.fit(X[three], y[three])
