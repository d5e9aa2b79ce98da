"""What comes in, in all its forms, becomes one list of cases, or one clear error."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from egem.data.cases import as_cases, is_table
from egem.data.validation import as_labels, check_spread

VALUES = np.arange(12.0).reshape(2, 1, 6)


@pytest.mark.parametrize(
    "X",
    [
        VALUES,
        VALUES[:, 0],
        list(VALUES),
        list(VALUES[:, 0]),
        tuple(VALUES[:, 0]),
        VALUES[:, 0].tolist(),
        VALUES.astype(np.float32),
        VALUES.astype(int),
        VALUES.astype(object),
        pd.DataFrame(VALUES[:, 0]),
    ],
)
def test_every_form_is_understood(X):
    cases = as_cases(X)
    assert [x.dtype for x in cases] == [np.float64] * 2
    np.testing.assert_array_equal(np.stack(cases), VALUES)


@pytest.mark.parametrize(
    "X",
    [
        [np.arange(3.0), np.arange(5)],
        [[0.0, 1.0, 2.0], [0, 1, 2, 3, 4]],
        np.array([np.arange(3.0), np.arange(5.0)], object),
        [np.arange(3.0)[None], np.arange(5.0)[None]],
    ],
)
def test_unequal_lengths_are_kept(X):
    assert [x.tolist() for x in as_cases(X)] == [[[0, 1, 2]], [[0, 1, 2, 3, 4]]]


@given(
    arrays(np.float64, (3, 2, 5), elements=st.floats(-1e6, 1e6)),
    st.lists(st.integers(0, 4), min_size=3, max_size=3),
)
def test_trailing_nan_is_the_end_of_a_case(X, n_missing):
    padded = X.copy()
    for row, n in zip(padded, n_missing, strict=True):
        row[:, 5 - n :] = np.nan
    for case, x, n in zip(as_cases(padded), X, n_missing, strict=True):
        np.testing.assert_array_equal(case, x[:, : 5 - n])


def test_nan_inside_and_in_one_channel_alone_stays():
    case = np.array([[np.nan, 1, np.nan, 2], [1, 1, 1, np.nan]])
    np.testing.assert_array_equal(as_cases([case, case])[0], case)


def test_input_is_left_alone():
    X = VALUES.copy()
    for case in as_cases(X):
        case += 1
        break
    as_cases(list(X))
    assert X.shape == VALUES.shape


@pytest.mark.parametrize(
    ("X", "says"),
    [
        ([[np.inf, 1.0], [1.0]], r"Z: case 0 holds an infinite value \(channel 0, time point 0\)"),
        ([np.full(3, np.nan), np.ones(2)], r"Z: case 0 holds only NaN \(missing values\); remove"),
        ([np.ones((2, 3)), np.ones((3, 3))], r"Z: the cases have \[2, 3\] channels; every case"),
        ([np.ones((1, 2, 3)), np.ones(3)], r"Z: case 0 has shape \(1, 2, 3\); give"),
        ([], "Z holds no cases; give at least one"),
        (np.ones((2, 3, 4, 5)), "Z has 4 dimensions; give"),
    ],
)
def test_errors_name_the_argument_the_case_and_the_remedy(X, says):
    with pytest.raises(ValueError, match=says):
        as_cases(X, name="Z")


def test_rounding_errors_beside_other_channels_are_no_spread():
    """The border of averaged pictures: 0 but for what sums leave, and one faint pixel."""
    picture = np.arange(16.0).reshape(2, 8)
    border = np.full(8, 1e-10) * np.arange(8)
    faint = border.copy()
    faint[3] = 8e-4
    check_spread([np.vstack([picture, border]), np.vstack([picture, faint])])
    border[5] = -999.0
    with pytest.raises(ValueError, match="in channel 2, over a million times"):
        check_spread([np.vstack([picture, border]), np.vstack([picture, faint])])


@pytest.mark.parametrize("sentinel", [1e30, -999e6, 1e308])
def test_sentinels_are_found(sentinel):
    cases = [np.arange(8.0)[None], np.array([[1.0, sentinel, 2.0]])]
    with pytest.raises(ValueError, match=r"X: case 1 holds .* in channel 0, over a million times"):
        check_spread(cases)


@pytest.mark.parametrize("sentinel", [-999.0, 9999.0, -99.0])
def test_usual_sentinels_are_warned_of(sentinel):
    cases = [np.arange(8.0)[None] / 8, np.array([[0.1, sentinel, 0.2, sentinel]])]
    says = rf"X holds {sentinel:g} in channel 0 \(2 times\).*give NaN"
    with pytest.warns(UserWarning, match=says):
        check_spread(cases)


def test_large_values_among_others_are_no_sentinels():
    check_spread([np.linspace(0, 999, 50)[None], np.array([[3.0, 400.0]])])
    check_spread([np.linspace(0, 1, 50)[None], np.array([[3.0, 998.5]])])


@pytest.mark.parametrize(
    "case", [np.arange(8.0), np.zeros(8), np.arange(8) * 1e-30, np.arange(8) * 1e30, [1, np.nan, 3]]
)
def test_ordinary_values_in_any_unit_are_no_sentinels(case):
    check_spread([np.asarray(case, float)[None], np.asarray(case, float)[None]])


def test_each_channel_has_units_of_its_own():
    check_spread([np.array([[1e-9, 2e-9, 3e-9], [1e9, 2e9, 5e9], [np.nan] * 3])])


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (["b", "a", "b"], "U"),
        ((3, 1, 3), "i"),
        (np.array(["b", "a", "b"], object), "U"),
        (pd.Series(["b", "a", "b"]), "U"),
        ([True, False, True], "b"),
    ],
)
def test_labels_become_one_array(y, expected):
    labels = as_labels(y, 3)
    assert labels.shape == (3,) and labels.dtype.kind == expected
    assert labels.tolist() == list(y)


@pytest.mark.parametrize(
    ("y", "says"),
    [
        (["a", 1, "b"], "y mixes text and number labels; make them all"),
        (["a", "b"], "X holds 3 cases but y holds 2 labels; give one per case"),
        ([0.1, 0.2, 0.3], "continuous"),
        ([1.0, np.inf, 1.0], "y holds NaN or infinite labels"),
        ([None, None, None], "y"),
        (None, "requires y to be passed"),
    ],
)
def test_unusable_labels_are_refused(y, says):
    with pytest.raises(ValueError, match=says):
        as_labels(y, 3)


def test_tables_are_told_from_lists_of_cases():
    assert is_table(VALUES[:, 0]) and is_table(VALUES[:, 0].tolist())
    assert is_table(pd.DataFrame(VALUES[:, 0]))
    assert not is_table(VALUES) and not is_table(list(VALUES)) and not is_table(VALUES.tolist())
    assert not is_table([]) and not is_table("text")
    assert not is_table(list(VALUES[:, 0])) and not is_table([[1.0], [1.0, 2.0]])
