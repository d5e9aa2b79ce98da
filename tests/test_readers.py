"""Reading and writing a user's files."""

import os
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from egem import read_data, write_long

values = st.floats(allow_infinity=False) | st.just(float("nan"))
texts = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=6)


@st.composite
def data_sets(draw, labels=texts):
    n_channels = draw(st.integers(1, 3))
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    X = [draw(hnp.arrays(np.float64, (n_channels, n), elements=values)) for n in lengths]
    y = draw(st.none() | st.lists(labels, min_size=len(X), max_size=len(X)))
    return X, None if y is None else np.array(y)


def assert_same(read, X, y):
    got, labels = read
    assert isinstance(got, list) == (len({x.shape for x in X}) > 1)
    assert len(got) == len(X)
    for one, other in zip(got, X, strict=True):
        np.testing.assert_array_equal(one, other)
    if y is None:
        assert labels is None
    else:
        assert labels.tolist() == y.tolist()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=data_sets())
def test_long_files_bring_back_what_was_written(ending, data):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"cases.{ending}")
        write_long(file, *data)
        assert_same(read_data(file), *data)


@settings(max_examples=60, deadline=None)
@given(data=data_sets())
def test_npz_with_lengths_brings_back_what_was_saved(data):
    X, y = data
    lengths = np.array([x.shape[1] for x in X])
    padded = np.stack([np.pad(x, ((0, 0), (0, lengths.max() - x.shape[1]))) for x in X])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "cases.npz")
        np.savez(file, X=padded, lengths=lengths, **({} if y is None else {"y": y}))
        assert_same(read_data(file), X, y)


@settings(max_examples=40, deadline=None)
@given(data=data_sets(), seed=st.integers(0, 1000))
def test_rows_may_come_in_any_order(data, seed):
    X, y = data
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "cases.parquet")
        write_long(file, X, y)
        rows = pd.read_parquet(file).sample(frac=1, random_state=seed)
        rows.to_parquet(file, index=False)
        order = rows["case"].unique()
        assert_same(read_data(file), [X[i] for i in order], None if y is None else y[order])


@pytest.mark.parametrize("y", [[3, 1], [True, False], ["NA", "null"], ["07", " a,\"b'"]])
def test_parquet_keeps_the_type_of_labels_and_csv_reads_text(tmp_path, y):
    X = np.zeros((2, 1, 3))
    write_long(tmp_path / "a.parquet", X, y)
    write_long(tmp_path / "a.csv", X, y)
    assert read_data(tmp_path / "a.parquet")[1].tolist() == y
    assert read_data(tmp_path / "a.csv")[1].tolist() == [str(label) for label in y]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_precision_is_kept(tmp_path, dtype):
    X = np.arange(12).reshape(2, 2, 3).astype(dtype)
    np.savez(tmp_path / "a.npz", X=X)
    write_long(tmp_path / "a.parquet", X)
    expected = np.float32 if dtype == np.float32 else np.float64
    for name in ("a.npz", "a.parquet"):
        got, _ = read_data(tmp_path / name)
        assert got.dtype == expected
        np.testing.assert_array_equal(got, X)


def test_two_dimensions_are_one_channel(tmp_path):
    X = np.arange(6.0).reshape(2, 3)
    np.savez(tmp_path / "a.npz", X=X)
    write_long(tmp_path / "a.csv", X)
    for name in ("a.npz", "a.csv"):
        np.testing.assert_array_equal(read_data(tmp_path / name)[0], X[:, None])


def test_a_frame_indexed_by_case_and_time_is_read_too(tmp_path):
    frame = pd.DataFrame({"case": ["b", "b", "a", "a"], "time": [0, 1, 0, 1], "x": [1.0, 2, 3, 4]})
    frame.set_index(["case", "time"]).to_parquet(tmp_path / "a.parquet")
    assert read_data(tmp_path / "a.parquet")[0].tolist() == [[[1, 2]], [[3, 4]]]


def write(folder, text, name="a.csv"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_times_give_the_order_and_empty_cells_are_missing(tmp_path):
    file = write(
        tmp_path, "\ufeffx,time,case,y\n1,0.5,NA,7\n2,-0.5,NA,\nNaN,10,07,3\n4,9,07, 5e-1\n"
    )
    X, y = read_data(file)
    np.testing.assert_array_equal(X, [[[2, 1], [np.nan, 7]], [[4, np.nan], [0.5, 3]]])
    assert y is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("case,time,x\na,0,1\na,0,2\n", "case a has two rows of time 0"),
        ("case,time,x\na,0,1\na,1,oops\n", "column 'x', row 3 holds 'oops'.*not a number"),
        ("case,time,subject\na,0,Ann\n", "column 'subject', row 2.*drop the column"),
        ("case,time,x\na,noon,1\n", "column 'time', row 2 holds 'noon'"),
        ("case,time,x\na,0,1\na,,1\n", "column 'time' is empty or infinite in row 3"),
        ("case,time,x\n,0,1\n", "column 'case' is empty.* row 2"),
        ("case,time,label,x\na,0,u,1\na,1,v,1\n", "case a has more than one label"),
        ("case,time,label,x\na,0,u,1\na,1,,1\n", "case a has a row without a label"),
        ("case time x\na 0 1 2\n", "line 2 has 4 cells, the header 3"),
        ("case,time\na,0\n", "at least one channel"),
        ("case,time,x\n", "0 rows"),
        ("case,time,x\na,0,1,2\n", "no row longer than the header"),
        ("", "cannot be read as .csv"),
    ],
)
def test_bad_tables_are_explained(tmp_path, text, says):
    with pytest.raises(ValueError, match=f"(?s)a\\.csv: .*{says}"):
        read_data(write(tmp_path, text))


def test_not_utf8_and_not_parquet(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"case,time,x\n\x81,0,1\n")
    with pytest.raises(ValueError, match="line 2 is not UTF-8 text"):
        read_data(tmp_path / "a.csv")
    with pytest.raises(ValueError, match=r"a\.parquet: cannot be read"):
        read_data(write(tmp_path, "nothing", "a.parquet"))


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"data": np.zeros(3)}, "lacks the array 'X' .it holds data."),
        ({"X": np.zeros(3)}, r"shape \(3,\); store \(n_cases, n_channels, n_timepoints\)"),
        ({"X": np.array([["a"]])}, "store real numbers"),
        ({"X": np.zeros((2, 1, 3)), "y": ["a"]}, "2 cases but y has shape"),
        ({"X": np.zeros((2, 1, 3)), "lengths": [3]}, "one whole number for each of the 2 cases"),
        ({"X": np.zeros((2, 9, 3)), "lengths": [9, 4]}, "is X .n_cases, n_channels, n_timepoints"),
    ],
)
def test_bad_npz_is_explained(tmp_path, arrays, says):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=rf"a\.npz: .*{says}"):
        read_data(tmp_path / "a.npz")


class Trap:
    def __reduce__(self):
        return os.mkdir, ("sprung",)


def test_nothing_is_unpickled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("objects.npz", X=np.array([Trap()], dtype=object))
    Path("bare.npz").write_bytes(pickle.dumps(Trap()))
    for name in ("objects.npz", "bare.npz"):
        with pytest.raises(ValueError, match="pickle"):
            read_data(name)
    assert not Path("sprung").exists()


def test_ts_files(tmp_path):
    head = (
        "# made for a test\n@problemName T\n@timeStamps false\n@univariate false\n@equalLength {}\n"
    )
    labelled = head + "@classLabel true Up banana\n@data\n"
    file = write(tmp_path, labelled.format("false") + "1,?:3,4:Up\n5:-6:banana\n", "a.ts")
    X, y = read_data(file)
    np.testing.assert_array_equal(X[0], [[1, np.nan], [3, 4]])
    assert X[1].tolist() == [[5], [-6]] and y.tolist() == ["Up", "banana"]
    file = write(tmp_path, head.format("true") + "@classLabel false\n@data\n1,2:3,4\n", "a.ts")
    X, y = read_data(file)
    assert X.tolist() == [[[1, 2], [3, 4]]] and y is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("@timeStamps true\n@classLabel true a\n@data\n(0,-1.5):a\n", "time stamps.*long .csv"),
        ("@targetLabel true\n@data\n1,2:0.5\n", "regression"),
        ("@classLabel true a\n@data\n1,x:a\n", "could not convert"),
        ("@classLabel true a\n@data\n", "no cases"),
        ("1,2,3\n", "cannot be read"),
    ],
)
def test_bad_ts_is_explained(tmp_path, text, says):
    with pytest.raises(ValueError, match=rf"a\.ts: cannot be read.*{says}|cannot be read as"):
        read_data(write(tmp_path, text, "a.ts"))


def test_unknown_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.csv: there is no such file"):
        read_data(tmp_path / "absent.csv")
    with pytest.raises(ValueError, match=r"'\.doc' are not known; give \.csv"):
        read_data(write(tmp_path, "", "a.doc"))


@pytest.mark.parametrize(
    ("name", "X", "y", "says"),
    [
        ("a.txt", np.zeros((1, 1, 2)), None, "cannot write '.txt'"),
        ("a.csv", np.zeros((2, 1, 0)), None, "at least one time point"),
        ("a.csv", [np.zeros((1, 2)), np.zeros((2, 2))], None, "same number of channels"),
        ("a.csv", np.zeros((2, 1, 2)), ["a"], "one label for each of the 2 cases"),
        ("a.csv", np.zeros((2, 1, 2)), ["a", ""], "none of them empty"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, name, X, y, says):
    with pytest.raises(ValueError, match=says):
        write_long(tmp_path / name, X, y)
    assert not (tmp_path / name).exists()
