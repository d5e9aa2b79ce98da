"""Containers of sequences: what can be read without guessing is read as the same cases."""

from array import array
from collections import deque

import numpy as np
import pandas as pd
import pytest

from egem import EGEMClassifier
from egem.data.cases import as_cases, is_table

RNG = np.random.default_rng(0)
EVEN = RNG.normal(size=(4, 2, 9))
RAGGED = [x[:, : 5 + i] for i, x in enumerate(EVEN)]
MASK = RNG.random(EVEN.shape) < 0.1
GAPPY = np.where(MASK, np.nan, EVEN)


class Tensor:
    """What torch's tensors have in common with arrays, and what they need before NumPy."""

    def __init__(self, values, dtype="float32"):
        self.values, self.dtype = np.asarray(values), dtype
        self.shape, self.ndim = self.values.shape, self.values.ndim

    def __len__(self):
        return len(self.values)

    def __array__(self, *args, **kwargs):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")

    def detach(self):
        return self

    cpu = detach

    def float(self):
        return Tensor(self.values)

    def numpy(self):
        if self.dtype == "bfloat16":
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.values


class Broken(Tensor):
    """A tensor without values, such as those of torch's device "meta"."""

    def detach(self):
        raise NotImplementedError("no data")


def frame(x):
    return pd.DataFrame(x.T, columns=["left", "right"])


def objects(arrays):
    out = np.empty(len(arrays), object)
    out[:] = arrays
    return out


CONTAINERS = {
    "list of arrays": (RAGGED, RAGGED),
    "tuple of arrays": (tuple(RAGGED), RAGGED),
    "array of objects": (objects(RAGGED), RAGGED),
    "nested lists": (EVEN.tolist(), EVEN),
    "ragged nested lists": ([x.tolist() for x in RAGGED], RAGGED),
    "ragged lists of one channel": ([x[0].tolist() for x in RAGGED], [x[:1] for x in RAGGED]),
    "one tensor": (Tensor(EVEN), EVEN),
    "one bfloat16 tensor": (Tensor(EVEN, "torch.bfloat16"), EVEN),
    "tensors": ([Tensor(x) for x in RAGGED], RAGGED),
    "bfloat16 tensors": ([Tensor(x, "torch.bfloat16") for x in RAGGED], RAGGED),
    "masked array": (np.ma.masked_array(EVEN, mask=MASK), GAPPY),
    "masked whole numbers": (np.ma.masked_array(np.full((2, 1, 3), 7), mask=[[[0, 1, 0]]] * 2),
                             [np.array([[7, np.nan, 7]])] * 2),
    "masked arrays": ([np.ma.masked_array(x, mask=m) for x, m in zip(EVEN, MASK, strict=True)],
                      GAPPY),
    "frames, a column a channel": ([frame(x) for x in RAGGED], RAGGED),
    "series of arrays": (pd.Series(RAGGED), RAGGED),
    "series of one channel": (pd.Series([x[0] for x in RAGGED]), [x[:1] for x in RAGGED]),
    "nested frame": (
        pd.DataFrame({"a": [pd.Series(x[0]) for x in RAGGED], "b": [x[1] for x in RAGGED]}),
        RAGGED,
    ),
    "panel by case and time": (pd.concat({i: frame(x) for i, x in enumerate(RAGGED)}), RAGGED),
    "panel whose cases are not in order": (
        pd.concat({name: frame(x) for name, x in zip("dbca", RAGGED, strict=True)}),
        RAGGED,
    ),
    "panel whose times are not in order": (
        pd.concat({i: frame(x)[::-1] for i, x in enumerate(RAGGED)}),
        RAGGED,
    ),
    "frames whose columns are not in order": (
        [frame(RAGGED[0]), *(frame(x)[["right", "left"]] for x in RAGGED[1:])],
        RAGGED,
    ),
    "series of data frames": (pd.Series([frame(x) for x in RAGGED]), RAGGED),
    "series of lists": (pd.Series([x.tolist() for x in RAGGED]), RAGGED),
    "nullable numbers": (
        pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": [2.0, 3.0]}),
        [[[1.0, 2.0]], [[np.nan, 3.0]]],
    ),
    "None among numbers": ([[1.0, None, 2.0], [3.0, 4.0]], [[[1.0, np.nan, 2.0]], [[3.0, 4.0]]]),
    "deque": (deque(RAGGED), RAGGED),
    "arrays of Python": ([array("d", x[0]) for x in RAGGED], [x[:1] for x in RAGGED]),
    "whole numbers as objects": (np.array([[1, 2], [3, 4]], object), [[[1, 2]], [[3, 4]]]),
    "frame, a row a case": (pd.DataFrame(EVEN[:, 0]), EVEN[:, :1]),
}  # fmt: skip


TABLES = ("whole numbers as objects", "frame, a row a case", "nullable numbers")


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_is_read_as_its_cases(name):
    X, expected = CONTAINERS[name]
    cases = as_cases(X)
    assert len(cases) == len(expected)
    for case, right in zip(cases, expected, strict=True):
        assert case.dtype == np.float64
        np.testing.assert_array_equal(case, np.asarray(right, float))
    assert is_table(X) == (name in TABLES)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ({"a": [1.0, 2.0]}, "X holds a dict; give an array"),
        ((x for x in EVEN), "X holds a generator"),
        ({1.0, 2.0}, "X holds a set"),
        (None, "X holds a NoneType"),
        (np.zeros((2, 3), "datetime64[s]"), r"X holds values of type datetime64\[s\]"),
        (np.zeros((2, 3), "timedelta64[s]"), "X holds values of type timedelta64"),
        ([EVEN[0], "text"], "X is not an array of real numbers"),
        ([EVEN[0], None], "X is not an array of real numbers"),
        ([[[1, 2, 3], [1, 2]], [[1, 2], [3, 4]]], "case 0 is not an array of real numbers"),
        ([EVEN[0], EVEN[1][:1]], r"the cases have \[1, 2\] channels"),
        ([frame(EVEN[0]), frame(EVEN[1])[["left"]]], r"the cases have \[1, 2\] channels"),
        (
            [frame(EVEN[0]), frame(EVEN[1]).rename(columns={"left": "top"})],
            r"case 1 has the columns \['top', 'right'\], case 0 \['left', 'right'\]; give",
        ),
        (
            pd.concat({"day": pd.concat({i: frame(x) for i, x in enumerate(RAGGED)})}),
            "3 levels of its index; give two, case and time",
        ),
        (
            pd.concat({0: frame(EVEN[0]), 1: frame(EVEN[1])}).rename(index={1: 0}, level=1),
            "case 0 has two rows of time 0",
        ),
        (
            pd.DataFrame({"day": pd.to_datetime(["2024-01-31"] * 2), "a": [1.0, 2.0]}),
            "X has times in column 'day'",
        ),
        (pd.Series([1.0, 2.0]), r"X cannot be read as an array of numbers .*give an array"),
        (np.array(3.0), "X cannot be read as an array of numbers"),
        (pd.DataFrame({"a": ["1,2", "3,4"]}), "X cannot be read as .*'1,2'.*give an array"),
        (Broken(EVEN), "X cannot be read as an array of numbers .no data.; give"),
        ([Broken(x) for x in RAGGED], "X: case 0 is not an array of real numbers .no data"),
        (memoryview(EVEN), "X cannot be read as an array of numbers"),
        ([EVEN[0], EVEN[0][:, :0]], r"case 1 has shape \(2, 0\)"),
    ],
)
def test_other_containers_are_refused_with_a_remedy(X, message):
    with pytest.raises(ValueError, match=message):
        as_cases(X)


def test_swapped_axes_are_warned_of():
    X = RNG.normal(size=(6, 30, 3))
    with pytest.warns(UserWarning, match=r"30 channels of at most 3 time points.*transp") as caught:
        EGEMClassifier(views=("linear",)).fit(X, [0, 1] * 3)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("kind", ["3-D array", "list", "frame"])
def test_the_model_does_not_see_what_becomes_of_the_users_arrays(kind):
    X, y = RNG.normal(size=(8, 2, 15)), np.repeat(["a", "b"], 4)
    given = {"3-D array": X.copy(), "list": list(X.copy()), "frame": pd.DataFrame(X[:, 0].copy())}
    clf = EGEMClassifier(views=("linear",)).fit(given[kind], y)
    kept = [x.copy() for x in clf.exemplars_.cases]
    if kind == "frame":
        given[kind].iloc[:] = 0.0
    else:
        for x in given[kind]:
            x[:] = 0.0
    for case, before in zip(clf.exemplars_.cases, kept, strict=True):
        np.testing.assert_array_equal(case, before)


def test_a_buffer_may_be_used_again_for_the_next_class():
    buffer, y = RNG.normal(size=(8, 2, 15)), np.repeat(["a", "b"], 4)
    clf = EGEMClassifier(views=("linear",)).fit(buffer, y)
    for label in ("first", "second"):
        buffer[:4] = RNG.normal(size=buffer[:4].shape)
        before = buffer[:4].copy()
        clf.add_class(buffer[:4], label)
        buffer[:4] = -1.0
        own = clf.exemplars_.of_class(int(np.flatnonzero(clf.classes_ == label)[0]))
        np.testing.assert_array_equal(np.stack(own), before)
