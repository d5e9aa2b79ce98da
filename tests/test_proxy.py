"""The proxy for experts that are not trained again, and its correction by trained ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egem import EGEMClassifier
from egem.calibration.fit import Calibrated
from egem.calibration.folds import held_out
from egem.calibration.proxy import MAX_SLOPE, ProxyCorrection, ProxySettings, nearest_pairs
from egem.calibration.scatter import class_scatter
from egem.core.classify import p_values
from egem.data.augment import deform, n_coordinates
from egem.data.preparation import Batch
from helpers import QUICK

CLASSES = np.repeat(np.arange(4), 5)


def pictures(spread, seed=0):
    """Smooth blobs, a place a class; members are deformed copies."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:12, 0:12]
    middles = np.random.default_rng(7).uniform(2, 9, size=(4, 2, 2))
    values = np.array(
        [sum(np.exp(-((y - a) ** 2 + (x - b) ** 2) / 3) for a, b in middles[c]) for c in CLASSES]
    ).astype(np.float32)
    by = spread * rng.normal(size=(len(CLASSES), n_coordinates("image", 12)))
    return deform(Batch(values, np.ones(values.shape, bool)), by, "image", 12)


def test_deformed_cases_are_near_to_deformed_training_pairs():
    batch, folds = pictures(spread=1.5), held_out(CLASSES)
    truth = np.concatenate([CLASSES[fold] for fold in folds])
    own = {}
    for augmentation in ("none", "image"):
        losses = nearest_pairs(batch, CLASSES, folds, ProxySettings(augmentation, 12, 1.0))
        assert losses.shape == (20, 4)
        own[augmentation] = losses[np.arange(20), truth].mean()
    assert own["image"] < own["none"] - 0.3


@pytest.mark.parametrize("hidden", [0, 3])
def test_distances_are_those_of_the_metric(hidden):
    """With nothing deformed, by hand: mse to the nearest training case."""
    batch = pictures(spread=0.5)
    batch.mask[:2, :hidden] = False
    batch.values[~batch.mask] = 0.0
    folds = held_out(CLASSES)
    losses = nearest_pairs(batch, CLASSES, folds, ProxySettings("none", 12, 1.0))
    fold = folds[0]
    for row, i in enumerate(np.flatnonzero(fold)):
        for c in range(4):
            rest = batch[~fold & (c == CLASSES)]
            misses = (rest.values - batch.values[i])[:, batch.mask[i]]
            nearest = (misses**2).mean(axis=1).min()
            # Shrinkage 1 is mse in units of the mean variance; mixtures of two may be nearer.
            unit = class_scatter(batch[~fold], CLASSES[~fold]).mean_variance
            least = min(to_segment(a, b) for a in misses for b in misses)
            assert 0.999 * least <= np.exp(losses[row, c]) * unit <= 1.001 * nearest


def to_segment(a, b):
    """Mean square from the origin to the segment between two points."""
    along = b - a
    part = np.clip(-a @ along / max(along @ along, 1e-12), 0, 1)
    return np.mean((a + part * along) ** 2)


@given(st.floats(-3, 3), st.floats(0.6, 1.8), st.integers(0, 99))
def test_a_line_is_found(at, slope, seed):
    x = np.random.default_rng(seed).normal(-1.0, 1.0, 3000)
    line = ProxyCorrection.fit(x, at + slope * x)
    there = np.linspace(-4, -1, 7)[:, None]
    np.testing.assert_allclose(line(there), at + slope * there, atol=0.1)


@pytest.mark.parametrize("own", [[], [-40.0], [-40.0, -40.0]])
def test_few_pairs_move_little(own):
    line = ProxyCorrection.fit(np.zeros(len(own)), np.array(own))
    there = np.array([[-2.0, 0.0, 1.0]])
    assert np.isfinite(line(there)).all()
    assert np.abs(line(there) - there).max() <= 4.0


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=1, max_size=60))
def test_order_is_kept_and_no_slope_is_extreme(pairs):
    line = ProxyCorrection.fit(*np.array(pairs).T)
    assert 1.0 / MAX_SLOPE <= line.slope <= MAX_SLOPE


def unevenness(p):
    """Largest distance of p-values from those of cases like the held-out ones."""
    p = np.sort(p)
    return np.abs(p - (np.arange(len(p)) + 0.5) / len(p)).max()


def test_new_cases_rank_more_evenly_with_corrected_scores(digits):
    X, y, X_test, _ = digits
    with_proxy = []

    def corrected(self, *others):
        with_proxy.append(self.held_out)
        return correct(self, *others)

    correct = Calibrated.corrected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Calibrated, "corrected", corrected)
        clf = EGEMClassifier(**QUICK).fit(X, y)
    nonconformity = clf.invert(X_test).nonconformity
    ones = np.ones(len(clf.held_out_.truth))
    by_proxy = p_values(nonconformity, with_proxy[0].nonconformity, ones)
    corrected = p_values(nonconformity, clf.held_out_.nonconformity, ones)
    assert unevenness(corrected) < unevenness(by_proxy)
    np.testing.assert_array_equal(clf.held_out_.truth, with_proxy[0].truth)


def test_one_class_alone_keeps_the_scores_of_its_proxy(digits):
    X, y, X_test, _ = digits
    clf = EGEMClassifier(**QUICK).fit(X[y == 3], y[y == 3])
    assert np.isfinite(clf.held_out_.log_scores).all()
    assert ((clf.p_value(X_test) > 0) & (clf.p_value(X_test) <= 1)).all()
