"""Classes of many cases in pieces, and which cases are then held out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egem import EGEMClassifier
from egem.calibration import folds
from egem.calibration.folds import few_of_all, holding
from egem.ensemble import pieces
from egem.ensemble.linear import Candidate, hull, log_losses
from egem.ensemble.metric import class_scatter
from egem.ensemble.pieces import n_pieces, span
from egem.ensemble.views import as_batch
from helpers import QUICK, make_waves

WAY = [Candidate(0.5, 1.0, 1.0)]


def two_kinds(rng, n):
    """Cases of one class about two far points; the middle between them is none of its cases."""
    far = np.zeros(6)
    far[0] = 10.0
    return np.concatenate([rng.normal(size=(n, 6)) + far, rng.normal(size=(n, 6)) - far])


def test_what_lies_between_two_kinds_is_far_from_both():
    rng = np.random.default_rng(0)
    cases = as_batch(two_kinds(rng, 40))
    scatter = class_scatter(cases, np.repeat([0, 1], 40))
    new = as_batch(np.concatenate([two_kinds(rng, 20), 0.1 * rng.normal(size=(20, 6))]))
    cut, whole = (log_losses(scatter, [span(cases, n)], new, WAY)[0, :, 0] for n in (2, 1))
    assert cut[:40].max() < cut[40:].min()
    assert whole[40:].mean() < whole[:40].mean()  # what pieces are there for


def test_the_nearest_piece_counts():
    rng = np.random.default_rng(1)
    cases, new = as_batch(rng.normal(size=(30, 6))), as_batch(rng.normal(size=(9, 6)))
    scatter = class_scatter(cases, np.zeros(30, int))
    parts = span(cases, 4)
    other = (hull(cases[:3]),)
    together = log_losses(scatter, [parts, other, parts[:1]], new, WAY)[0]
    alone = log_losses(scatter, [(part,) for part in parts], new, WAY)[0]
    np.testing.assert_allclose(together[:, 0], alone.min(axis=1))
    np.testing.assert_allclose(together[:, 2], alone[:, 0])
    np.testing.assert_allclose(together[:, 1], log_losses(scatter, [other], new, WAY)[0, :, 0])


@pytest.mark.parametrize("n", [1, 3, 8, 9])
def test_pieces_are_of_one_size_and_hold_each_case_once(n):
    rng = np.random.default_rng(4)
    for cases in (rng.normal(size=(8, 3)), np.ones((8, 3))):  # all alike is no trouble
        found = span(as_batch(cases), n)
        sizes = [len(piece.basis) for piece in found]  # few cases: a row for each
        assert len(found) == min(n, 8) and sum(sizes) == 8 and max(sizes) - min(sizes) <= 1
        assert all(np.isfinite(piece.mean).all() for piece in found)


def test_missing_values_count_as_the_mean():
    rng = np.random.default_rng(2)
    cases = as_batch(two_kinds(rng, 20))
    cases.mask[::5, 2:4] = False
    cases.values[~cases.mask] = 0.0
    means = sorted(float(piece.mean[0]) for piece in span(cases, 2))
    assert means[0] < -8 and means[1] > 8


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=20))
def test_classes_of_the_same_size_are_cut_alike_and_larger_ones_no_less(counts):
    found = n_pieces(np.array(counts))
    assert found.min() >= 1
    order = np.argsort(counts)
    assert (np.diff(found[order]) >= 0).all()
    assert len(set(zip(counts, found.tolist(), strict=True))) == len(set(counts))


@given(st.lists(st.integers(1, 60), min_size=1, max_size=5), st.integers(0, 9))
def test_few_are_held_out_and_no_class_loses_its_last_case(counts, seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folds, "MOST_CASES", 30)
        classes = np.random.default_rng(seed).permutation(np.repeat(range(len(counts)), counts))
        held = few_of_all(classes)
        if len(folds.selection(classes)) == len(classes):
            assert all(map(np.array_equal, held.folds, holding(classes).folds))
            return
        times = np.sum(held.folds, axis=0)
        assert len(held.some) == len(classes) and times.max() <= 1 and 1 <= times.sum() <= 30
        for fold in held.folds:
            assert set(classes[~fold]) == set(classes)
            assert fold.sum() <= len(classes) / 5 + len(counts)


@pytest.fixture(scope="module")
def in_pieces():
    """A model whose classes of eight cases are cut in two."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "CASES_OF_A_PIECE", 4)
        patch.setattr(folds, "MOST_CASES", 15)  # so that some are never held out
        return EGEMClassifier(**QUICK).fit(*make_waves(8, seed=4))


def test_a_model_in_pieces_tells_classes_apart_and_comes_back_the_same(in_pieces, tmp_path):
    X, y = make_waves(4, seed=5)
    assert {len(piece) for of in in_pieces.hulls_ for piece in of} == {2}
    assert in_pieces.score(X, y) == 1.0
    assert len(in_pieces.held_out_.truth) <= 15
    in_pieces.save(tmp_path / "model")
    again = EGEMClassifier.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(X), in_pieces.predict_proba(X))
