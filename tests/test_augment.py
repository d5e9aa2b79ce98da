"""Deformations and mixup: what they change, what they keep, what they mask."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egem import load_dataset
from egem.data.augment import GAIN, bent_copies, deform, guess_kind, make_pool, n_coordinates
from egem.data.preparation import Batch

AUGMENTATIONS = ("none", "series", "pen", "image")


def make_batch(n=4, n_steps=10, n_channels=2, seed=0, missing=0.0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, n_steps, n_channels)).cumsum(axis=1).astype(np.float32)
    mask = rng.random(values.shape) >= missing
    mask[:, 0] = True
    return Batch(np.where(mask, values, 0), mask)


@pytest.mark.parametrize("kind", AUGMENTATIONS)
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_zero_coordinates_are_the_identity(kind, missing):
    batch = make_batch(missing=missing)
    by = np.zeros((4, n_coordinates(kind, 2)))
    deformed = deform(batch, by, kind, 10)
    np.testing.assert_allclose(deformed.values, batch.values, atol=1e-5)
    np.testing.assert_array_equal(deformed.mask, batch.mask)


@pytest.mark.parametrize("kind", AUGMENTATIONS[1:])
@given(st.integers(0, 1000))
def test_deformations_interpolate_and_keep_the_padding_masked(kind, seed):
    batch, used = make_batch(seed=seed), 7
    by = np.random.default_rng(seed).normal(size=(4, n_coordinates(kind, 2)))
    deformed = deform(batch, by, kind, used)
    assert deformed.values.shape == batch.values.shape
    assert not deformed.mask[:, used:].any() and (deformed.values[:, used:] == 0).all()
    assert (deformed.values[~deformed.mask] == 0).all() and deformed.mask[:, :used].all()
    if kind == "image":  # moves values, within their range
        low, high = batch.values[:, :used].min((1, 2)), batch.values[:, :used].max((1, 2))
        assert (deformed.values[:, :used].min((1, 2)) >= low - 1e-5).all()
        assert (deformed.values[:, :used].max((1, 2)) <= high + 1e-5).all()


def test_a_series_keeps_its_ends_and_scales_by_its_gain():
    batch = make_batch()
    by = np.random.default_rng(1).normal(size=(4, 4))
    deformed = deform(batch, by, "series", 10)
    gain = 1 + GAIN * by[:, 3][:, None]
    for end in (0, -1):  # warps vanish at both ends
        np.testing.assert_allclose(deformed.values[:, end], gain * batch.values[:, end], rtol=1e-4)
    assert np.abs(deformed.values[:, 5] - gain * batch.values[:, 5]).max() > 1e-3


def test_a_pen_is_mapped_linearly():
    batch = make_batch()
    by = np.zeros((4, 7))
    by[:, 3:] = np.random.default_rng(1).normal(size=(4, 4))
    deformed = deform(batch, by, "pen", 10)
    maps = np.eye(2) + GAIN * by[:, 3:].reshape(-1, 2, 2)
    np.testing.assert_allclose(deformed.values, batch.values @ maps, atol=1e-4)
    batch.mask[:, 3, 1] = False  # every channel of a mapped point needs both
    deformed = deform(batch, by, "pen", 10)
    assert (
        not deformed.mask[:, 3].any() and deformed.mask[:, :3].all() and deformed.mask[:, 4:].all()
    )


def test_a_picture_is_shifted_down_and_sideways():
    picture = np.zeros((1, 20, 20), np.float32)
    picture[0, 10, 12] = 1.0
    by = np.zeros((1, 6))
    by[0, 4] = 1 / 0.05 / 20 * 3  # three rows, as sds of 0.05 of the height
    deformed = deform(Batch(picture, np.ones_like(picture, bool)), by, "image", 20)
    assert np.unravel_index(deformed.values[0].argmax(), (20, 20)) == (7, 12)
    by = np.zeros((1, 6))
    by[0, 5] = -1 / 0.05 / 20 * 2
    deformed = deform(Batch(picture, np.ones_like(picture, bool)), by, "image", 20)
    assert np.unravel_index(deformed.values[0].argmax(), (20, 20)) == (10, 14)


def test_a_deformed_value_is_observed_only_where_its_sources_are():
    batch = make_batch()
    batch.mask[:, 4] = False
    by = np.zeros((4, 4))
    by[:, 0] = 1.0
    deformed = deform(batch, by, "series", 10)
    filled = Batch(np.where(batch.mask, batch.values, 1e6).astype(np.float32), batch.mask)
    poisoned = deform(filled, by, "series", 10)
    assert 1 <= (~deformed.mask[0, :, 0]).sum() <= 3
    np.testing.assert_array_equal(poisoned.values[deformed.mask], deformed.values[deformed.mask])


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_pairs_begin_with_the_cases_and_are_mixtures_of_two(kind):
    batch = make_batch()
    pool = make_pool(batch, kind, 64, 10, np.random.default_rng(0))
    np.testing.assert_allclose(pool.values[:4], batch.values, atol=1e-5)
    np.testing.assert_array_equal(pool.share[:4], 1)
    assert (pool.bend[:4] == 0).all() and pool.bend.shape == (64, n_coordinates(kind, 2))
    share = pool.share[:, None, None]
    mixed_values = share * batch.values[pool.first] + (1 - share) * batch.values[pool.second]
    low = np.minimum(batch.values[pool.first], batch.values[pool.second])
    high = np.maximum(batch.values[pool.first], batch.values[pool.second])
    assert (mixed_values >= low - 1e-5).all() and (mixed_values <= high + 1e-5).all()
    mixed = pool.share < 1
    assert 0.3 < mixed[4:].mean() < 0.7 and (pool.first == pool.second)[~mixed].all()
    expected = deform(Batch(mixed_values, pool.mask), pool.bend, kind, 10)
    np.testing.assert_allclose(pool.values, expected.values, atol=1e-4)


def test_mixup_can_be_left_out():
    pool = make_pool(make_batch(), "none", 64, 10, np.random.default_rng(0), blend=False)
    assert (pool.share == 1).all() and (pool.first == pool.second).all()


def test_every_pair_has_observed_values():
    batch = make_batch(n=2)
    batch.mask[0, :5], batch.mask[1, 5:] = False, False  # nothing is observed in both
    pool = make_pool(batch, "series", 64, 10, np.random.default_rng(0))
    assert pool.mask.any(axis=(1, 2)).all()
    assert (pool.first == pool.second)[pool.share < 1].all()  # only of a case with itself


def test_the_augmentation_follows_from_shape_and_smoothness():
    rng = np.random.default_rng(0)
    digits = load_dataset("digits")[0][:40].astype(float)
    assert guess_kind(list(digits)) == "image"
    shuffled = digits[:, rng.permutation(8)]
    assert guess_kind(list(shuffled)) == "series"
    assert guess_kind([rng.normal(size=(2, 30))]) == "pen"
    assert guess_kind([rng.normal(size=(1, 30))]) == "series"
    assert guess_kind([rng.normal(size=(12, 30)) for _ in range(5)]) == "series"
    assert guess_kind([x[:, : 4 + i % 5] for i, x in enumerate(digits)]) == "series"
    assert guess_kind([np.full((9, 9), np.nan), np.zeros((9, 9))]) == "series"


@pytest.mark.parametrize(("kind", "n"), [("none", 0), ("series", 4), ("pen", 12), ("image", 6)])
def test_each_augmentation_has_its_number_of_coordinates(kind, n):
    assert n_coordinates(kind, 3) == n


@pytest.mark.parametrize("kind", AUGMENTATIONS[1:])
@given(st.integers(0, 1000))
def test_copies_are_near_their_case_in_its_own_units_and_length(kind, seed):
    rng = np.random.default_rng(seed)
    cases = [rng.normal(size=(2, n)).cumsum(axis=1) for n in (9, 17)]
    cases[1][0, 4] = np.nan
    nothing, one = np.zeros(2), np.ones(2)
    copies = bent_copies(cases, kind, 3, nothing, one, np.random.default_rng(seed))
    assert [x.shape for x in copies] == [(2, 9)] * 3 + [(2, 17)] * 3
    assert all(np.isfinite(x).any() for x in copies) and np.isnan(copies[-1]).any()
    assert all((copy != cases[0]).any() for copy in copies[:3])
    # Other units, the same copies: the standardised case is deformed.
    mean, scale = np.array([500.0, -3.0]), np.array([10.0, 0.1])
    moved = [x * scale[:, None] + mean[:, None] for x in cases]
    again = bent_copies(moved, kind, 3, mean, scale, np.random.default_rng(seed))
    for x, y in zip(copies, again, strict=True):
        np.testing.assert_allclose((y - mean[:, None]) / scale[:, None], x, atol=1e-3)
