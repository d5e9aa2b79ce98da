"""The normal form of drawings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egem.apps.web.errors import ApiError
from egem.apps.web.models.strokes import (
    N_POINTS,
    PenPath,
    are_drawings,
    cumulative_length,
    fit_to_square,
)
from pens import symbols


@pytest.fixture(scope="module")
def spiral():
    points = symbols("spiral", 1)[0]
    when = np.linspace(0, 1, points.shape[1])
    return np.stack([np.interp(np.linspace(0, 1, 400), when, row) for row in points])


def test_form_is_a_curve_of_length_one_from_the_origin(spiral):
    case = PenPath.of(*spiral.tolist()).case()
    assert case.shape == (2, N_POINTS)
    assert case[:, 0].tolist() == [0.0, 0.0]
    steps = np.diff(cumulative_length(case))
    # Chords are a little shorter than the curve they cut off.
    assert steps.sum() == pytest.approx(1.0, abs=0.02)
    assert steps == pytest.approx(1.0 / (N_POINTS - 1), rel=0.15)
    assert are_drawings([case])


@given(
    scale=st.floats(1e-3, 1e3),
    shift=st.tuples(st.floats(-10, 10), st.floats(-10, 10)),
    pace=st.floats(0.5, 2.0),
)
def test_place_size_and_pace_do_not_count(spiral, scale, shift, pace):
    n = spiral.shape[1]
    when = np.linspace(0, 1, n)
    again = np.stack([np.interp(when**pace, when, row) for row in spiral])
    moved = scale * again + np.array(shift)[:, None] * scale
    whole, other = PenPath.of(*spiral.tolist()).case(), PenPath.of(*moved.tolist()).case()
    # Where the pen was fast there are few points, and lines between them.
    assert np.abs(whole - other).max() < 0.01
    assert np.abs(whole - PenPath.of(*(scale * spiral).tolist()).case()).max() < 1e-6


def test_y_points_down_and_x_right():
    case = PenPath.of([0.0, 1.0, 1.0], [0.0, 0.0, 1.0]).case()
    assert case[0, N_POINTS // 2] == pytest.approx(0.5, abs=0.03)
    assert case[1, -1] == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("share", [0.1, 0.35, 0.8])
def test_of_a_known_whole_the_form_of_a_part_is_part_of_the_form(spiral, share):
    whole = PenPath.of(*spiral.tolist())
    n = int(share * spiral.shape[1])
    part = PenPath.of(*spiral[:, :n].tolist())
    case = part.case(whole.length)
    assert case.shape[1] == part.n_points(whole.length) < N_POINTS
    assert np.abs(case - whole.case()[:, : case.shape[1]]).max() < 0.01


def test_onto_the_page_is_the_way_back(spiral):
    path = PenPath.of(*(3.0 * spiral + 7.0).tolist())
    on_page = path.to_page(path.case())
    nearest = np.hypot(*(on_page[:, :, None] - path.points[:, None, :])).min(axis=1)
    assert nearest.max() < 0.01 * path.length
    assert on_page[:, 0] == pytest.approx(path.start)


def test_a_tremor_adds_little_length(spiral):
    shaking = spiral + np.random.default_rng(0).normal(0, 0.005, spiral.shape)
    length = cumulative_length(spiral)[-1]
    added = cumulative_length(shaking)[-1] - length
    assert added > 0.2 * length
    assert PenPath.of(*shaking.tolist()).length - length < 0.3 * added


@pytest.mark.parametrize("points", [([0.3], [0.3]), ([0.3] * 9, [0.1] * 9)])
def test_a_dot_is_refused_with_a_remedy(points):
    with pytest.raises(ApiError) as refusal:
        PenPath.of(*points)
    assert "dot" in refusal.value.problem and "Draw" in refusal.value.remedy


def test_fitted_keeps_the_shape_and_leaves_a_margin(spiral):
    made = fit_to_square(5.0 * spiral - 2.0)
    assert made.min() == pytest.approx(0.1) and made.max() == pytest.approx(0.9)
    before, after = np.ptp(spiral, axis=1), np.ptp(made, axis=1)
    assert after[0] / after[1] == pytest.approx(before[0] / before[1])


def test_other_cases_are_not_taken_for_drawings(spiral):
    case = PenPath.of(*spiral.tolist()).case()
    assert not are_drawings([case, 2.0 * case])
    assert not are_drawings([case + 0.1])
    assert not are_drawings([case[:1]])
