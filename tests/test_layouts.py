"""Every layout of the gallery is read without an option, as the canonical form is."""

import json
import logging

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from typer.testing import CliRunner

import gallery
import gallery_exports
from egem import read_data, time_step, write_long
from egem.apps.cli import app
from gallery import LABELS, recordings
from timed import steps

NUMBERED = np.repeat(["1", "2", "3"], 2)


@pytest.fixture
def said(caplog):
    """Return the line that says what was understood."""
    caplog.set_level(logging.INFO, "egem.readers")
    return lambda: caplog.records[-1].getMessage().partition(": ")[2]


def writer(layout):
    """Return what writes a layout."""
    return getattr(gallery, layout, None) or getattr(gallery_exports, layout)


def assert_read(path, X, y=LABELS):
    found, labels = read_data(path)
    assert len(found) == len(X)
    for one, other in zip(found, X, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    assert labels is not None and labels.tolist() == y.tolist()


TABLES = {
    "folder_per_label": "6 recordings of 3 labels (run, sit, walk) from folder names, 2 channels, ",
    "names_with_labels": "6 recordings of 3 labels (run, sit, walk) from file names",
    "people_in_names": "from file names",
    "numbers_first": "from file names",
    "pattern": "from file names",
    "zip_of_folders": "from folder names",
    "zip_of_names": "from file names",
    "gz_files": "from folder names",
    "headless_files": "12 to 16 points; rows taken as even steps",
    "arrays_per_label": "from folder names",
    "segments": "6 segments of 3 labels (run, sit, walk) from column 'activity'",
    "segments_without_time": "6 rows without a label left out",
    "other_names": "6 cases of 3 labels (run, sit, walk) from column 'Activity'",
    "y_and_t": "from column 'y'",
    "unit_in_name": "2 channels, 50 Hz, 0.24 to 0.32 s",
    "semicolons": "from column 'label', 2 channels, step 0.02, 12 to 16 points",
    "tabs_in_utf16": "2 channels",
    "bars": "2 channels",
    "blanks": "2 channels",
    "comments": "2 channels",
    "commented_header": "from file names, 2 channels",
    "latin1": "taken as Latin-1 (Windows-1252) text, not UTF-8",
    "gzipped": "2 channels",
    "clock": "50 Hz, 0.24 to 0.32 s",
    "german_dates": "50 Hz, 0.24 to 0.32 s",
    "epoch_milliseconds": "50 Hz, 0.24 to 0.32 s; times taken as milliseconds since 1970",
    "epoch_nanoseconds": "50 Hz, 0.24 to 0.32 s; times taken as nanoseconds since 1970",
    "phyphox": "from folder names, 2 channels, 50 Hz",
    "ts_with_comments": "6 sequences of 3 labels",
    "long_parquet": "50 Hz",
}


@pytest.mark.parametrize("layout", TABLES)
def test_recordings_of_two_channels_and_of_any_length(layout, tmp_path, said):
    X = recordings()
    assert_read(writer(layout)(tmp_path, X), X)
    assert TABLES[layout] in said()


@pytest.mark.parametrize(
    ("layout", "y"),
    [
        *(("wide_header", LABELS), ("wide_header_last", LABELS), ("wide_named", LABELS)),
        *(("wide_headless", LABELS), ("wide_headless_last", LABELS), ("ragged", LABELS)),
        *(("ucr_tsv", NUMBERED), ("ucr_txt", NUMBERED)),
    ],
)
def test_a_row_a_sequence_of_one_channel(layout, y, tmp_path, said):
    X = recordings(n_channels=1)
    assert_read(writer(layout)(tmp_path, X), X, y)
    assert "6 sequences of 3 labels" in said() and "1 channel, 12 to 16 points" in said()


@pytest.mark.parametrize(
    ("layout", "n_channels", "y"),
    [
        *(("wide_channels", 2, LABELS), ("arff", 1, LABELS), ("relational_arff", 2, LABELS)),
        *(("mat", 2, LABELS), ("mat_time_first", 2, NUMBERED)),
        *(("npy_with_labels", 2, LABELS), ("npy_with_csv", 2, LABELS)),
    ],
)
def test_sequences_of_one_length(layout, n_channels, y, tmp_path, said):
    X = recordings(equal=True, n_channels=n_channels)
    assert_read(writer(layout)(tmp_path, X), X, y)
    assert f"6 sequences of 3 labels ({', '.join(sorted(set(y)))}) from" in said()


def test_cells_of_matlab_differ_in_length(tmp_path):
    X = recordings()
    assert_read(gallery_exports.mat_cells(tmp_path, X), X, NUMBERED)


@pytest.mark.parametrize("layout", ["sensor_logger", "sensor_logger_zips"])
def test_sensors_of_a_recording_are_joined(layout, tmp_path, said):
    X = recordings()
    found, y = read_data(writer(layout)(tmp_path, X))
    for one, x in zip(found, X, strict=True):
        expected = np.concatenate([np.outer([1, 2, 3], x[0]), np.outer([1, 2, 3], x[1])])
        np.testing.assert_allclose(one, expected)
    assert y is not None and y.tolist() == LABELS.tolist()
    assert said() == (
        "6 recordings of 3 labels (run, sit, walk) from file names, 6 channels, 50 Hz, "
        "0.24 to 0.32 s; column time left out; 12 other files left out; "
        "sensors on one grid, 100% observed"
    )


def egem(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


values = st.floats(-1e6, 1e6) | st.just(float("nan"))
words = st.text("abcxyz éß-_07", min_size=1, max_size=5).map(str.strip).filter(bool)


@st.composite
def data_sets(draw):
    n_channels = draw(st.integers(1, 3))
    lengths = draw(st.lists(st.integers(2, 6), min_size=2, max_size=5))
    X = [draw(hnp.arrays(np.float64, (n_channels, n), elements=values)) for n in lengths]
    return X, np.array(draw(st.lists(words, min_size=len(X), max_size=len(X))))


DIALECTS = st.fixed_dictionaries(
    {
        "sep": st.sampled_from([",", ";", "\t", "|"]),
        "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
        "lineterminator": st.sampled_from(["\n", "\r\n"]),
        "na_rep": st.sampled_from(["", "NaN", "NULL", "?"]),
        "index": st.booleans(),
        "quoting": st.sampled_from([0, 1]),
    }
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=data_sets(), dialect=DIALECTS, decimal_comma=st.booleans(), step=st.none() | steps)
def test_what_was_converted_is_read_in_any_dialect(
    tmp_path_factory, data, dialect, decimal_comma, step
):
    (X, y), folder = data, tmp_path_factory.mktemp("dialect")
    write_long(folder / "long.csv", X, y, step=step)
    text = {"dtype": {"label": str}, "keep_default_na": False, "na_values": ""}
    table = pd.read_csv(folder / "long.csv", **text)
    table = table.rename(columns={"case": "id", "time": "timestamp", "label": "class"})
    decimal = "," if decimal_comma and dialect["sep"] != "," else "."
    table.to_csv(folder / "other.csv", decimal=decimal, **dialect)
    assert egem("convert", folder / "other.csv", folder / "again.csv", "-q").exit_code == 0
    for file in ("other.csv", "again.csv"):
        found, labels = read_data(folder / file)
        for one, x in zip(found, X, strict=True):
            np.testing.assert_allclose(one, x, rtol=1e-12)
        assert labels is not None and labels.tolist() == y.tolist()


def test_converting_keeps_names_and_rate(tmp_path):
    X = recordings()
    folder = gallery.folder_per_label(tmp_path, X)
    done = egem("convert", folder, tmp_path / "all.csv")
    assert done.exit_code == 0 and done.stdout == ""
    says = "6 recordings of 3 labels (run, sit, walk) from folder names, 2 channels, step 0.02"
    assert done.stderr.startswith(f"read {folder}: {says}")
    table = pd.read_csv(tmp_path / "all.csv")
    assert list(table) == ["case", "time", "label", "ax", "ay"]
    assert table["case"].unique().tolist() == [f"{y}/{i}" for i, y in enumerate(LABELS)]
    assert time_step(tmp_path / "all.csv") == time_step(folder) == gallery.STEP
    assert_read(tmp_path / "all.csv", X)


@pytest.mark.parametrize(
    ("layout", "options", "says"),
    [
        ("wide_headless", ["--label", "first"], "6 sequences of 3 labels"),
        ("folder_per_label", ["--label-from", "none"], "6 recordings without labels, 2 channels"),
        ("folder_per_label", ["--channels", "ay"], "from folder names, 1 channel"),
        ("folder_per_label", ["--channels", "a*"], "from folder names, 2 channels"),
        ("other_names", ["--layout", "segments"], "6 segments of 3 labels"),
        ("other_names", ["--label", "recording"], "6 labels"),
        ("other_names", ["--time", "timestamp", "--case", "recording"], "6 cases of 3 labels"),
        ("semicolons", ["--sep", ";", "--decimal", ","], "6 cases of 3 labels"),
        ("segments", ["--layout", "recording"], "1 recording without labels, 2 channels"),
        ("segments", ["--label-from", "segments"], "6 segments of 3 labels"),
    ],
)
def test_options_choose_another_reading(layout, options, says, tmp_path):
    n_channels = 1 if layout.startswith("wide") else 2
    file = writer(layout)(tmp_path, recordings(n_channels=n_channels))
    done = egem("convert", file, tmp_path / "out.csv", *options)
    assert done.exit_code == 0, done.stderr
    assert says in done.stderr


def test_an_option_settles_what_is_ambiguous(tmp_path):
    rows = np.random.default_rng(0).integers(0, 3, size=(8, 12))
    np.savetxt(tmp_path / "a.csv", rows, fmt="%d", delimiter=",")
    failed = egem("convert", tmp_path / "a.csv", tmp_path / "out.csv")
    assert failed.exit_code == 1 and "--layout wide --label last" in failed.stderr
    for label, n, column in (("first", 11, 0), ("last", 11, -1), ("3", 11, 2)):
        found, y = read_data(tmp_path / "a.csv", layout="wide", label=label)
        assert found.shape == (8, 1, n)
        assert y is not None and y.tolist() == rows[:, column].astype(str).tolist()


@pytest.mark.parametrize("command", ["fit", "predict"])
def test_commands_read_folders_and_patterns(command, tmp_path):
    X = recordings()
    folder, model = gallery.names_with_labels(tmp_path, X), tmp_path / "m"
    done = egem("fit", folder, "-o", model, "--views", "linear")
    assert done.exit_code == 0 and "6 recordings of 3 labels" in done.stderr
    if command == "fit":
        return
    done = egem("predict", model, tmp_path / "data" / "walk*.csv", "--json")
    assert done.exit_code == 0 and done.stderr == ""
    assert [case["case"] for case in json.loads(done.stdout)["cases"]] == ["walk_04", "walk_05"]
    other = gallery.text(tmp_path / "other.csv", "time,az,ax\n0,1,2\n0.02,1,2\n")
    done = egem("predict", model, other)
    assert done.exit_code == 1 and "the model was fitted to ax, ay" in done.stderr
    for name in ("add-class", "calibrate", "evaluate", "explain", "complete"):
        assert "--label-from" in egem(name, "--help").stdout
