"""Scaling, and the grid of time steps, there and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egem.data.preparation import MAX_STEPS, Preparation, fit_preparation, stretched


def make_cases(lengths, n_channels=2, seed=0):
    rng = np.random.default_rng(seed)
    offset, spread = rng.normal(size=(2, n_channels, 1)) * [[[10.0]], [[3.0]]]
    return [offset + spread * rng.normal(size=(n_channels, n)) for n in lengths]


@given(st.lists(st.integers(1, MAX_STEPS), min_size=1, max_size=5), st.integers(0, 99))
def test_cases_that_fit_the_grid_are_restored_unchanged(lengths, seed):
    cases = make_cases(lengths, seed=seed)
    preparation = fit_preparation(cases, shared_scale=False)
    batch = preparation.apply(cases)
    restored = preparation.restore(batch.values)
    assert restored.shape == (len(cases), 2, max(lengths))
    for case, mask, back in zip(cases, batch.mask, restored, strict=True):
        n = case.shape[1]
        np.testing.assert_allclose(back[:, :n], case, rtol=1e-4, atol=1e-4)
        assert mask[:n].all() and not mask[n:].any()


def test_each_channel_is_standardised_over_its_observed_values():
    cases = make_cases([9, 30, 21])
    cases[1][0, 4:9] = np.nan
    batch = fit_preparation(cases, shared_scale=False).apply(cases)
    for channel in (0, 1):
        seen = batch.values[:, :, channel][batch.mask[:, :, channel]]
        np.testing.assert_allclose([seen.mean(), seen.std()], [0, 1], atol=1e-5)
    assert (batch.values[~batch.mask] == 0).all()


def test_images_share_one_scale():
    cases = make_cases([8, 8], n_channels=3)
    preparation = fit_preparation(cases, shared_scale=True)
    assert len(set(preparation.mean)) == len(set(preparation.scale)) == 1
    values = preparation.apply(cases).values
    np.testing.assert_allclose([values.mean(), values.std()], [0, 1], atol=1e-5)


def test_unscaled_values_stay_as_they_are():
    cases = make_cases([8, 8])
    preparation = fit_preparation(cases, shared_scale=False, standardise=False)
    expected = np.stack([case.T for case in cases])
    np.testing.assert_allclose(preparation.apply(cases).values, expected, rtol=1e-6)


def test_scaling_does_not_depend_on_the_order_of_cases():
    cases = make_cases([9, 30, 21, 17, 5])
    forth = fit_preparation(cases, shared_scale=False)
    back = fit_preparation(cases[::-1], shared_scale=False)
    assert (forth.mean == back.mean).all() and (forth.scale == back.scale).all()


def test_only_missing_values_are_masked():
    cases = make_cases([12])
    cases[0][1, [0, 5]] = np.nan
    mask = fit_preparation(cases, shared_scale=False).apply(cases).mask[0]
    expected = np.ones((12, 2), bool)
    expected[[0, 5], 1] = False
    np.testing.assert_array_equal(mask[:12], expected)


def test_long_sequences_become_means_over_blocks():
    cases = [np.arange(10.0)[None], np.arange(3.0)[None]]
    preparation = Preparation(np.zeros(1), np.ones(1), n_timepoints=10, block=3, n_steps=4)
    cases[0][0, 4] = np.nan
    batch = preparation.apply(cases)
    np.testing.assert_allclose(batch.values[0, :, 0], [1, 4, 7, 9])  # means of what is seen
    np.testing.assert_allclose(batch.values[1, :, 0], [1, 0, 0, 0])
    np.testing.assert_array_equal(batch.mask[1, :, 0], [True, False, False, False])
    # A straight line comes back straight, between the first block's centre and the last one's.
    line = preparation.restore(np.array([1.0, 4.0, 7.0, 9.0]).reshape(1, 4, 1))
    np.testing.assert_allclose(line[0, 0], np.clip(np.arange(10.0), 1, 9))


@pytest.mark.parametrize(
    ("length", "max_steps", "block", "n_steps"),
    [(1, None, 1, 4), (64, None, 1, 64), (65, None, 2, 36), (205, None, 4, 52), (205, 500, 1, 205)],
)
def test_the_grid_has_as_many_steps_as_it_needs(length, max_steps, block, n_steps):
    preparation = fit_preparation([np.zeros((1, length))], False, max_steps=max_steps)
    assert (preparation.block, preparation.n_steps) == (block, n_steps)
    assert preparation.steps_used == -(-length // block)


def test_constant_and_unobserved_channels_become_zero():
    cases = [np.stack([np.full(6, 1e9), np.full(6, np.nan), np.arange(6.0)])]
    preparation = fit_preparation(cases, shared_scale=False)
    assert preparation.scale[:2].tolist() == [1, 1]
    batch = preparation.apply(cases)
    assert (batch.values[:, :, :2] == 0).all() and not batch.mask[:, :, 1].any()


def test_values_far_beyond_the_training_cases_are_refused():
    preparation = fit_preparation([np.arange(6.0)[None]], shared_scale=False)
    cases = [np.arange(6.0)[None], np.array([[0.0, 1e9, np.nan]])]
    with pytest.raises(ValueError, match=r"X: case 41 holds 1e\+09, .*same units as at fit"):
        preparation.apply(cases, first=40)


def test_parts_of_a_batch_are_batches():
    batch = fit_preparation(cases := make_cases([5, 6, 7]), False).apply(cases)
    part = batch[[2, 0]]
    assert part.n_cases == 2
    np.testing.assert_array_equal(part.values, batch.values[[2, 0]])
    np.testing.assert_array_equal(part.mask, batch.mask[[2, 0]])


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_stretching_keeps_straight_lines_and_end_points(n, length, seed):
    rng = np.random.default_rng(seed)
    slope, start = rng.normal(size=(2, 3, 1))
    case = start + slope * np.linspace(0, 1, n)
    found = stretched(case, length)
    assert found.shape == (3, length)
    assert (case.min(axis=1) - 1e-9 <= found.min(axis=1)).all()
    assert (found.max(axis=1) <= case.max(axis=1) + 1e-9).all()
    if n <= length and length > 1 and n > 1:
        np.testing.assert_allclose(found, start + slope * np.linspace(0, 1, length), atol=1e-9)


def test_a_gap_stays_a_gap_when_stretched():
    case = np.array([[0.0, 1.0, np.nan, np.nan, 4.0, 5.0], np.arange(6.0)])
    longer = stretched(case, 11)
    np.testing.assert_array_equal(np.isnan(longer[0]), (np.arange(11) > 2) & (np.arange(11) < 8))
    assert not np.isnan(longer[1]).any()
    np.testing.assert_array_equal(np.isnan(stretched(case, 3)[0]), [False, True, False])


@given(st.integers(2, 40), st.integers(1, 40), st.integers(0, 99))
def test_no_observation_is_lost_in_stretching(n, length, seed):
    rng = np.random.default_rng(seed)
    case = rng.normal(size=(1, n))
    alone = int(rng.integers(n))
    sparse = np.where(np.arange(n) == alone, case, np.nan)
    found = stretched(sparse, length)[0]
    assert found[~np.isnan(found)].tolist() == case[0, [alone]].tolist()
    np.testing.assert_allclose(
        np.flatnonzero(~np.isnan(found)), alone * (length - 1) / (n - 1), atol=1
    )
    gappy = np.where(rng.random(n) < 0.5, case, np.nan)
    assert np.isnan(stretched(gappy, length)).all() == np.isnan(gappy).all()


def test_stretched_cases_fill_the_grid_at_any_pace():
    slow, fast = (np.sin(np.linspace(0, 6, n))[None] for n in (90, 30))
    preparation = fit_preparation([slow, fast], shared_scale=False, stretch=True)
    assert preparation.n_timepoints == 60
    batch = preparation.apply([slow, fast])
    assert batch.mask[:, : preparation.steps_used].all()
    np.testing.assert_allclose(batch.values[0], batch.values[1], atol=0.05)
