"""Held-out cases are scored as experts would score them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egem import EGEMClassifier
from egem.calibration.conformal import p_values
from egem.calibration.yardstick import STEEPEST, Line, as_experts_would
from helpers import QUICK


@given(st.floats(-3, 3), st.floats(0.6, 1.8), st.integers(0, 99))
def test_a_line_is_found(at, slope, seed):
    x = np.random.default_rng(seed).normal(-1.0, 1.0, 3000)
    line = Line.through(x, at + slope * x)
    there = np.linspace(-4, -1, 7)[:, None]
    np.testing.assert_allclose(line(there), at + slope * there, atol=0.1)


@pytest.mark.parametrize("own", [[], [-40.0], [-40.0, -40.0]])
def test_few_pairs_move_little(own):
    line = Line.through(np.zeros(len(own)), np.array(own))
    there = np.array([[-2.0, 0.0, 1.0]])
    assert np.isfinite(line(there)).all()
    assert np.abs(line(there) - there).max() <= 4.0


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=1, max_size=60))
def test_order_is_kept_and_no_slope_is_extreme(pairs):
    line = Line.through(*np.array(pairs).T)
    assert 1.0 / STEEPEST <= line.slope <= STEEPEST


def unevenness(p):
    """Largest distance of p-values from those of cases like the held-out ones."""
    p = np.sort(p)
    return np.abs(p - (np.arange(len(p)) + 0.5) / len(p)).max()


def test_new_cases_rank_more_evenly_than_with_the_stand_in(digits):
    X, y, X_test, _ = digits
    seen = []

    def kept(measured, *others):
        seen.append(measured.held_out)
        return as_experts_would(measured, *others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("egem.classifier.as_experts_would", kept)
        clf = EGEMClassifier(**QUICK).fit(X, y)
    strange = clf.invert(X_test).strangeness
    by_stand_in = p_values(strange, seen[0].strangeness)
    assert unevenness(p_values(strange, clf.held_out_.strangeness)) < unevenness(by_stand_in)
    np.testing.assert_array_equal(clf.held_out_.truth, seen[0].truth)


def test_one_class_alone_keeps_its_stand_in(digits):
    X, y, X_test, _ = digits
    clf = EGEMClassifier(**QUICK).fit(X[y == 3], y[y == 3])
    assert np.isfinite(clf.held_out_.log_scores).all()
    assert ((clf.novelty(X_test) > 0) & (clf.novelty(X_test) <= 1)).all()
