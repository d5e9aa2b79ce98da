"""Labelled cases on a small grid."""

import numpy as np

from egem.data.preparation import Batch

STEPS, CHANNELS = 6, 2
P = STEPS * CHANNELS
CLASSES = np.repeat([0, 1, 2], 4)


def make_batch(classes, seed=0, missing=0.0, noise=0.5):
    """Class means far apart; members differ by ``noise`` a value."""
    rng = np.random.default_rng(seed)
    means = np.random.default_rng(99).normal(size=(classes.max() + 1, STEPS, CHANNELS))
    values = means[classes] + noise * rng.normal(size=(len(classes), STEPS, CHANNELS))
    mask = rng.random(values.shape) >= missing
    mask[:, 0] = True
    return Batch(np.where(mask, values, 0).astype(np.float32), mask)
