"""Folds: which cases are held out together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egem.calibration import folds
from egem.calibration.folds import held_out, holding, holding_from_all


@given(st.lists(st.integers(1, 12), min_size=1, max_size=4))
def test_every_case_is_held_out_once_but_never_a_whole_class(sizes):
    classes = np.repeat(np.arange(len(sizes)), sizes)
    found = held_out(classes)
    if max(sizes) < 2:
        assert found == []
        return
    alone = np.isin(classes, np.flatnonzero(np.array(sizes) == 1))
    np.testing.assert_array_equal(np.sum(found, axis=0), ~alone)
    for held in found:
        assert held.any() and set(classes[~held]) == set(classes)
    assert len(found) <= 5


@given(st.lists(st.integers(1, 60), min_size=1, max_size=5), st.integers(0, 9))
def test_few_are_held_out_and_no_class_loses_its_last_case(counts, seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folds, "MAX_CASES", 30)
        classes = np.random.default_rng(seed).permutation(np.repeat(range(len(counts)), counts))
        held = holding_from_all(classes)
        if len(folds.selection(classes)) == len(classes):
            assert all(map(np.array_equal, held.folds, holding(classes).folds))
            return
        times = np.sum(held.folds, axis=0)
        assert len(held.some) == len(classes) and times.max() <= 1 and 1 <= times.sum() <= 30
        for fold in held.folds:
            assert set(classes[~fold]) == set(classes)
            assert fold.sum() <= len(classes) / 5 + len(counts)
