"""Long parquet files in parts: no case is cut in two, and the answers are those of the whole."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from egem import read_data, write_long
from egem.apps.cli import app
from egem.readers.partitions import partitions
from egem.readers.tables import parquet_writer
from helpers import make_waves

pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def long_file(tmp_path_factory):
    """Waves of 12 to 24 time points, in row groups that end within cases."""
    X, y = make_waves(5, seed=2)
    path = tmp_path_factory.mktemp("long") / "waves.parquet"
    write_long(path, X, y)
    pd.read_parquet(path).to_parquet(path, row_group_size=10)
    return path, X, y


@pytest.mark.parametrize("batch_rows", [1, 7, 24, 100, 10_000])
def test_parts_join_to_the_whole(long_file, batch_rows):
    path, X, y = long_file
    parts = list(partitions(path, None, batch_rows))
    assert len(parts) > 1 or batch_rows == 10_000
    cases = [case for part in parts for case in part.cases.X]
    assert [part.first for part in parts] == np.cumsum([0, *(len(p.cases.X) for p in parts)])[
        :-1
    ].tolist()
    for case, given in zip(cases, X, strict=True):
        np.testing.assert_array_equal(case, given)
    assert np.concatenate([part.cases.y for part in parts]).tolist() == y.tolist()


def test_a_case_in_two_places_is_refused(long_file, tmp_path):
    path, *_ = long_file
    frame = pd.read_parquet(path)
    moved = pd.concat([frame[3:], frame[:3]])
    moved.to_parquet(tmp_path / "moved.parquet")
    with pytest.raises(ValueError, match="case 0 are in several places"):
        list(partitions(tmp_path / "moved.parquet", None, 50))


def test_uneven_times_need_a_step(tmp_path):
    table = pd.DataFrame({"case": [0, 0, 0, 1, 1, 1], "time": [0, 1, 5, 0, 1, 2.0], "x": range(6)})
    path = tmp_path / "uneven.parquet"
    table.to_parquet(path)
    with pytest.raises(ValueError, match=r"give --step"):
        list(partitions(path, None, 4))
    laid = [case for part in partitions(path, 1.0, 4) for case in part.cases.X]
    for case, given in zip(laid, read_data(path, step=1.0)[0], strict=True):
        np.testing.assert_array_equal(case, given)


@pytest.mark.parametrize("content", [b"", b"PAR1 and no more"])
def test_what_is_no_parquet_is_refused(tmp_path, content):
    path = tmp_path / "broken.parquet"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot be read as \.parquet"):
        list(partitions(path, None))
    pd.DataFrame({"a": [1.0]}).to_parquet(path)
    with pytest.raises(ValueError, match="columns named case"):
        list(partitions(path, None))


def test_a_writer_that_fails_leaves_the_former_file(tmp_path):
    path = tmp_path / "out.parquet"
    path.write_text("former")

    def fail():
        with parquet_writer(path) as write:
            write({"a": np.arange(3)})
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert path.read_text() == "former" and list(tmp_path.iterdir()) == [path]


def test_predict_from_parquet_to_parquet_says_what_predict_to_csv_does(
    long_file, wave_model, tmp_path, monkeypatch
):
    path, X, _ = long_file
    model, out = str(tmp_path / "model.safetensors"), str(tmp_path / "out.parquet")
    wave_model.save(model)
    monkeypatch.setattr("egem.readers.partitions.partitions.__defaults__", (60,))
    done = CliRunner().invoke(app, ["predict", model, str(path), "-o", out])
    assert done.exit_code == 0 and "on 15 labelled cases" in done.stderr
    CliRunner().invoke(app, ["predict", model, str(path), "-o", str(tmp_path / "out.csv"), "-q"])
    in_parts, whole = pd.read_parquet(out), pd.read_csv(tmp_path / "out.csv")
    assert in_parts.predicted.tolist() == whole.predicted.tolist()
    assert in_parts.case.tolist() == list(range(len(X)))
    np.testing.assert_allclose(in_parts.loss, whole.loss, rtol=1e-4)
    np.testing.assert_allclose(in_parts.probability, whole.probability, atol=1e-4)
