"""Data and settings that tests share."""

import numpy as np

QUICK = {"n_cells": 8, "n_updates": 100, "random_state": 0}


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
