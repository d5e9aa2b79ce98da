"""Cases on a grid: uneven times, and times that repeat."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egem import on_grid
from timed import NAN, observations, series, steps


@given(series(), steps, st.integers(-1000, 1000))
def test_dropping_points_is_masking_them(drawn, step, first):
    x, kept = drawn
    times = (first + np.arange(x.shape[1])) * step
    masked = np.where(kept, x, NAN)
    np.testing.assert_array_equal(on_grid([times], [masked], step)[0], masked)
    np.testing.assert_array_equal(on_grid([times[kept]], [x[:, kept]], step)[0], masked)


@given(series(), steps)
def test_from_a_given_start_not_even_the_first_point_needs_to_be_there(drawn, step):
    x, kept = drawn
    kept[0] = False
    times = np.arange(x.shape[1]) * step
    dropped = on_grid([times[kept]], [x[:, kept]], step, start=0)[0]
    np.testing.assert_array_equal(dropped, np.where(kept, x, NAN))


@given(observations(), st.floats(0.05, 20), st.randoms())
def test_the_order_of_rows_does_not_matter(drawn, step, random):
    times, x = drawn
    order = random.sample(range(len(times)), len(times))
    np.testing.assert_array_equal(
        on_grid([times[order]], [x[:, order]], step), on_grid([times], [x], step)
    )


@given(observations(), st.floats(0.05, 20))
def test_each_point_is_the_mean_of_what_lies_nearest(drawn, step):
    times, x = drawn
    start = times.min() - step / 3  # so that no case is taken for an even one
    found = on_grid([times], [x], step, start=start)[0]
    points = start + step * np.arange(found.shape[1])
    nearest = np.abs(times[:, None] - points).argmin(axis=1)
    off_borders = np.abs(np.abs(times - points[nearest]) - step / 2) > 1e-3 * step
    for p in set(nearest) - set(nearest[~off_borders]) - set(nearest[~off_borders] + 1):
        for row, there in zip(x[:, nearest == p], found[:, p], strict=True):
            seen = row[~np.isnan(row)]
            np.testing.assert_allclose(there, seen.mean() if len(seen) else NAN, atol=1e-9)
    assert len(points) == 1 + nearest.max()


@given(st.integers(3, 200), steps, st.integers(0, 99))
def test_a_drifting_clock_is_even(n, step, seed):
    rng = np.random.default_rng(seed)
    drift = 1 + 0.009 * np.sign(np.arange(n - 1) - n // 2)
    times = np.append(0, np.cumsum(step * drift))
    x = rng.normal(size=(2, n))
    gap = np.diff(times).mean()
    np.testing.assert_array_equal(on_grid([times], [x], gap)[0][:, :: n - 1], x[:, :: n - 1])
    if abs(drift / drift.mean() - 1).max() < 0.01:
        np.testing.assert_array_equal(on_grid([times], [x], gap)[0], x)


def test_midway_goes_to_the_later_point_whatever_the_noise_of_floats():
    times = np.arange(1, 40, 2) * 0.1
    found = on_grid([times], [times], step=0.2, start=0)[0, 0]
    np.testing.assert_array_equal(found, [NAN, *times])


@pytest.mark.parametrize(
    ("times", "values", "options", "says"),
    [
        ([[0, 1]], [[1, 2]], {"step": 0}, "step must be a positive number, not 0"),
        ([[0, 1]], [[1, 2]], {"step": "1 s"}, "step must be a positive number, not '1 s'"),
        ([[0, 1]], [[1, 2]], {"step": 1, "start": NAN}, "start must be a finite number"),
        ([[0, 1]], [[1, 2]], {"step": 1, "start": 0.5}, "case 0 has a row of time 0, before start"),
        ([[0, 1], [0]], [[1, 2]], {"step": 1}, "times holds 2 cases and values 1; give the same"),
        ([[0, 1], [0]], [[1, 2], [3, 4]], {"step": 1}, "case 1 has times of shape"),
        ([[0, NAN]], [[1, 2]], {"step": 1}, "case 0 holds NaN or infinity; give every row"),
        ([[0, 1]], [[1, np.inf]], {"step": 1}, "infinite value in channel 0, at time 1"),
        (
            [[0, 1, 9]],
            [[1, 2, 3]],
            {"step": 1e-9},
            "case 0 runs from time 0 to 9: 9e+09 points",
        ),
        ([[0, 1e300]], [[1, 2]], {"step": 1e-300}, "Give a larger step"),
    ],
)
def test_what_cannot_be_laid_is_explained(times, values, options, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        on_grid(times, values, **options)
