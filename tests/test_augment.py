"""Deformations of cases, and the training pairs made with them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egem import load_dataset
from egem.data.augment import (
    GAIN,
    deform,
    deformed_copies,
    guess_augmentation,
    make_pairs,
    n_coordinates,
)
from egem.data.preparation import Batch

KINDS = ("none", "series", "pen", "image")


def make_batch(n=4, n_steps=10, n_channels=2, seed=0, missing=0.0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, n_steps, n_channels)).cumsum(axis=1).astype(np.float32)
    mask = rng.random(values.shape) >= missing
    mask[:, 0] = True
    return Batch(np.where(mask, values, 0), mask)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_coordinates_of_zero_deform_nothing(kind, missing):
    batch = make_batch(missing=missing)
    by = np.zeros((4, n_coordinates(kind, 2)))
    deformed = deform(batch, by, kind, 10)
    np.testing.assert_allclose(deformed.values, batch.values, atol=1e-5)
    np.testing.assert_array_equal(deformed.mask, batch.mask)


@pytest.mark.parametrize("kind", KINDS[1:])
@given(st.integers(0, 1000))
def test_deformations_interpolate_and_leave_the_padding_alone(kind, seed):
    batch, used = make_batch(seed=seed), 7
    by = np.random.default_rng(seed).normal(size=(4, n_coordinates(kind, 2)))
    deformed = deform(batch, by, kind, used)
    assert deformed.values.shape == batch.values.shape
    assert not deformed.mask[:, used:].any() and (deformed.values[:, used:] == 0).all()
    assert (deformed.values[~deformed.mask] == 0).all() and deformed.mask[:, :used].all()
    if kind == "image":  # values move, none are new
        low, high = batch.values[:, :used].min((1, 2)), batch.values[:, :used].max((1, 2))
        assert (deformed.values[:, :used].min((1, 2)) >= low - 1e-5).all()
        assert (deformed.values[:, :used].max((1, 2)) <= high + 1e-5).all()


def test_a_series_keeps_its_ends_and_is_scaled_by_its_gain():
    batch = make_batch()
    by = np.random.default_rng(1).normal(size=(4, 4))
    deformed = deform(batch, by, "series", 10)
    gain = 1 + GAIN * by[:, 3][:, None]
    for end in (0, -1):  # warps vanish at both ends
        np.testing.assert_allclose(deformed.values[:, end], gain * batch.values[:, end], rtol=1e-4)
    assert np.abs(deformed.values[:, 5] - gain * batch.values[:, 5]).max() > 1e-3


def test_channels_of_a_pen_are_mapped_linearly():
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


def test_an_image_is_shifted_down_and_sideways():
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


def test_a_deformed_value_is_observed_only_where_its_sources_were():
    batch = make_batch()
    batch.mask[:, 4] = False
    by = np.zeros((4, 4))
    by[:, 0] = 1.0
    deformed = deform(batch, by, "series", 10)
    filled = Batch(np.where(batch.mask, batch.values, 1e6).astype(np.float32), batch.mask)
    poisoned = deform(filled, by, "series", 10)
    assert 1 <= (~deformed.mask[0, :, 0]).sum() <= 3
    np.testing.assert_array_equal(poisoned.values[deformed.mask], deformed.values[deformed.mask])


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_begin_with_the_cases_and_mix_two(kind):
    batch = make_batch()
    pairs = make_pairs(batch, kind, 64, 10, np.random.default_rng(0))
    np.testing.assert_allclose(pairs.values[:4], batch.values, atol=1e-5)
    np.testing.assert_array_equal(pairs.mix[:4], 1)
    assert (pairs.warp[:4] == 0).all() and pairs.warp.shape == (64, n_coordinates(kind, 2))
    mix = pairs.mix[:, None, None]
    mixed = mix * batch.values[pairs.first] + (1 - mix) * batch.values[pairs.second]
    low = np.minimum(batch.values[pairs.first], batch.values[pairs.second])
    high = np.maximum(batch.values[pairs.first], batch.values[pairs.second])
    assert (mixed >= low - 1e-5).all() and (mixed <= high + 1e-5).all()
    of_two = pairs.mix < 1
    assert 0.3 < of_two[4:].mean() < 0.7 and (pairs.first == pairs.second)[~of_two].all()
    expected = deform(Batch(mixed, pairs.mask), pairs.warp, kind, 10)
    np.testing.assert_allclose(pairs.values, expected.values, atol=1e-4)


def test_mixup_can_be_left_out():
    pairs = make_pairs(make_batch(), "none", 64, 10, np.random.default_rng(0), mixup=False)
    assert (pairs.mix == 1).all() and (pairs.first == pairs.second).all()


def test_every_pair_has_an_observed_value():
    batch = make_batch(n=2)
    batch.mask[0, :5], batch.mask[1, 5:] = False, False  # nothing is seen in both
    pairs = make_pairs(batch, "series", 64, 10, np.random.default_rng(0))
    assert pairs.mask.any(axis=(1, 2)).all()
    assert (pairs.first == pairs.second)[pairs.mix < 1].all()  # mixed with itself only


def test_the_augmentation_is_guessed_from_shape_and_smoothness():
    rng = np.random.default_rng(0)
    digits = load_dataset("digits")[0][:40].astype(float)
    assert guess_augmentation(list(digits)) == "image"
    shuffled = digits[:, rng.permutation(8)]
    assert guess_augmentation(list(shuffled)) == "series"
    assert guess_augmentation([rng.normal(size=(2, 30))]) == "pen"
    assert guess_augmentation([rng.normal(size=(1, 30))]) == "series"
    assert guess_augmentation([rng.normal(size=(12, 30)) for _ in range(5)]) == "series"
    assert guess_augmentation([x[:, : 4 + i % 5] for i, x in enumerate(digits)]) == "series"
    assert guess_augmentation([np.full((9, 9), np.nan), np.zeros((9, 9))]) == "series"


@pytest.mark.parametrize(("kind", "n"), [("none", 0), ("series", 4), ("pen", 12), ("image", 6)])
def test_each_augmentation_has_its_number_of_coordinates(kind, n):
    assert n_coordinates(kind, 3) == n


@pytest.mark.parametrize("kind", KINDS[1:])
@given(st.integers(0, 1000))
def test_deformed_copies_have_the_units_and_length_of_their_case(kind, seed):
    rng = np.random.default_rng(seed)
    cases = [rng.normal(size=(2, n)).cumsum(axis=1) for n in (9, 17)]
    cases[1][0, 4] = np.nan
    nothing, one = np.zeros(2), np.ones(2)
    copies = deformed_copies(cases, kind, 3, nothing, one, np.random.default_rng(seed))
    assert [x.shape for x in copies] == [(2, 9)] * 3 + [(2, 17)] * 3
    assert all(np.isfinite(x).any() for x in copies)
    assert any(np.isnan(x).any() for x in copies[3:])
    assert all((copy != cases[0]).any() for copy in copies[:3])
    # In other units the copies are the same: the standardised case is deformed.
    mean, scale = np.array([500.0, -3.0]), np.array([10.0, 0.1])
    moved = [x * scale[:, None] + mean[:, None] for x in cases]
    again = deformed_copies(moved, kind, 3, mean, scale, np.random.default_rng(seed))
    for x, y in zip(copies, again, strict=True):
        np.testing.assert_allclose((y - mean[:, None]) / scale[:, None], x, atol=1e-3)
