"""What stands in for experts that are not trained again: bends and blends are known to it."""

import numpy as np
import pytest

from egem.calibration.folds import held_out
from egem.calibration.proxy import Imagination, nearest_shown
from egem.data.augment import deform, n_coordinates
from egem.data.preparation import Batch
from egem.ensemble.metric import class_scatter

CLASSES = np.repeat(np.arange(4), 5)


def pictures(bend, seed=0):
    """Smooth blobs, a place a class; members are bent copies."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:12, 0:12]
    middles = np.random.default_rng(7).uniform(2, 9, size=(4, 2, 2))
    values = np.array(
        [sum(np.exp(-((y - a) ** 2 + (x - b) ** 2) / 3) for a, b in middles[c]) for c in CLASSES]
    ).astype(np.float32)
    by = bend * rng.normal(size=(len(CLASSES), n_coordinates("image", 12)))
    return deform(Batch(values, np.ones(values.shape, bool)), by, "image", 12)


def test_bent_cases_are_near_to_what_was_shown_bent():
    batch, folds = pictures(bend=1.5), held_out(CLASSES)
    truth = np.concatenate([CLASSES[fold] for fold in folds])
    own = {}
    for kind in ("none", "image"):
        losses = nearest_shown(batch, CLASSES, folds, Imagination(kind, 12, 1.0))
        assert losses.shape == (20, 4)
        own[kind] = losses[np.arange(20), truth].mean()
    assert own["image"] < own["none"] - 0.3


@pytest.mark.parametrize("hidden", [0, 3])
def test_distances_are_those_of_the_metric(hidden):
    """With nothing bent or blended, by hand: mse to the nearest kept case."""
    batch = pictures(bend=0.5)
    batch.mask[:2, :hidden] = False
    batch.values[~batch.mask] = 0.0
    folds = held_out(CLASSES)
    losses = nearest_shown(batch, CLASSES, folds, Imagination("none", 12, 1.0))
    fold = folds[0]
    for row, i in enumerate(np.flatnonzero(fold)):
        for c in range(4):
            kept = batch[~fold & (c == CLASSES)]
            misses = (kept.values - batch.values[i])[:, batch.mask[i]]
            nearest = (misses**2).mean(axis=1).min()
            # Shrinkage 1 is mse in units of the mean variance; blends may come nearer still.
            unit = class_scatter(batch[~fold], CLASSES[~fold]).mean_variance
            least = min(to_segment(a, b) for a in misses for b in misses)
            assert 0.999 * least <= np.exp(losses[row, c]) * unit <= 1.001 * nearest


def to_segment(a, b):
    """Mean square from the origin to the segment between two points."""
    along = b - a
    share = np.clip(-a @ along / max(along @ along, 1e-12), 0, 1)
    return np.mean((a + share * along) ** 2)
