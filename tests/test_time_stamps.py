"""Time stamps and large counts as times, and starts given in their kind."""

import numpy as np
import pandas as pd
import pytest

from egem import on_grid, read_data, time_step
from timed import NAN, long_table, write

SECONDS = np.array([0.0, 0.5, 1.0, 2.0, 90_000.5])
STAMPS = pd.Timestamp("2024-02-28T23:30:00") + pd.to_timedelta(SECONDS, unit="s")


@pytest.mark.parametrize(
    "column",
    [
        STAMPS.strftime("%Y-%m-%dT%H:%M:%S.%f"),
        [stamp.isoformat(" ") for stamp in STAMPS],  # with a fraction only where there is one
        [stamp.isoformat() + "Z" for stamp in STAMPS],
        [stamp.isoformat() for stamp in STAMPS.tz_localize("UTC").tz_convert("Asia/Tokyo")],
    ],
)
def test_time_stamps_count_in_seconds(tmp_path, column):
    file = tmp_path / "a.csv"
    long_table([(column, np.arange(5.0))]).to_csv(file, index=False)
    expected = on_grid([SECONDS], [np.arange(5.0)], step=0.5)
    np.testing.assert_array_equal(read_data(file, step=0.5)[0], expected)


@pytest.mark.parametrize("unit", ["ns", "us", "ms"])
def test_time_stamps_of_parquet_count_in_seconds(tmp_path, unit):
    file = tmp_path / "a.parquet"
    stamps = STAMPS.as_unit(unit)
    expected = on_grid([SECONDS], [np.arange(5.0)], step=0.5)
    for column in (stamps, stamps.tz_localize("America/Lima"), stamps - stamps[0]):
        long_table([(column, np.arange(5.0))]).to_parquet(file)
        np.testing.assert_array_equal(read_data(file, step=0.5)[0], expected)


def test_steps_of_microseconds_survive_in_time_stamps(tmp_path):
    stamps = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(50) * 5000, unit="ns")
    long_table([(stamps, np.arange(50.0))]).to_parquet(tmp_path / "a.parquet")
    assert time_step(tmp_path / "a.parquet") == 5e-6
    assert read_data(tmp_path / "a.parquet")[0].shape == (1, 1, 50)


def test_nanoseconds_since_1970_are_not_rounded(tmp_path):
    file = tmp_path / "a.parquet"
    first = 1_700_000_000_000_000_001
    long_table([(first + np.array([0, 10, 20, 40]), np.arange(4.0))]).to_parquet(file)
    assert time_step(file) == 10
    expected = [[[0, 1, 2, NAN, 3]]]
    np.testing.assert_array_equal(read_data(file, step=10)[0], expected)
    with pytest.raises(ValueError, match=f"time {first}, before start"):
        read_data(file, start=2e18)


def test_a_start_is_given_in_the_kind_of_the_times(tmp_path):
    file = write(tmp_path, "case,time,x\na,5,1\na,6,2\nb,4,3\nb,5,4\n")
    X, _ = read_data(file, start=3)
    np.testing.assert_array_equal(X[0], [[NAN, NAN, 1, 2]])
    np.testing.assert_array_equal(X[1], [[NAN, 3, 4]])
    with pytest.raises(ValueError, match=r"a\.csv: start must be a number.*not '2024-01-01'"):
        read_data(file, start="2024-01-01")
    with pytest.raises(ValueError, match=r"a\.csv: case b has a row of time 4, before start"):
        read_data(file, start=5)
    file = write(tmp_path, "case,time,x\na,2024-01-01T00:00:02,1\na,2024-01-01T00:00:03,2\n")
    X, _ = read_data(file, start="2024-01-01T00:00:01")
    np.testing.assert_array_equal(X, [[[NAN, 1, 2]]])
    for wrong in (0, "noon"):
        with pytest.raises(ValueError, match=r"a\.csv: start must be a time stamp like 2024"):
            read_data(file, start=wrong)
    with pytest.raises(ValueError, match="time 2024-01-01T00:00:02, before start"):
        read_data(file, start="2024-01-02")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "case,time,x\na,2024-01-01,1\na,2024-13-01,2\n",
            "'time', row 3 holds '2024-13-01'.*stamp",
        ),
        ("case,time,x\na,2024-01-01,1\na,now,2\n", "column 'time', row 3 holds 'now'"),
        ("case,time,x\na,2024-01-01,1\na,,2\n", "column 'time' is empty or infinite in row 3"),
        ("case,time,x\na,2024-01-01,1\na,2024-01-01,2\n", "two rows of time 2024-01-01T00:00:00"),
    ],
)
def test_bad_time_stamps_are_explained(tmp_path, text, says):
    with pytest.raises(ValueError, match=rf"(?s)a\.csv: .*{says}"):
        read_data(write(tmp_path, text))
