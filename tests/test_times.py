"""Times that count: uneven ones, channels seen at different times, time stamps."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from egem import EGEMClassifier, Training, on_grid, read_data, time_step
from helpers import QUICK

NAN = float("nan")
values = st.floats(-1e6, 1e6) | st.just(NAN)
steps = st.sampled_from([1.0, 2.0, 0.1, 1 / 60, 0.3, 3600.0])


@st.composite
def series(draw):
    """Draw values of an even series, and which of its points are kept, the first always."""
    x = draw(
        hnp.arrays(np.float64, (draw(st.integers(1, 3)), draw(st.integers(2, 30))), elements=values)
    )
    kept = draw(hnp.arrays(bool, x.shape[1]))
    kept[[0, -1]] = True
    return x, kept


@st.composite
def observations(draw):
    """Draw times, any of them repeated, and values."""
    n = draw(st.integers(1, 12))
    times = draw(hnp.arrays(np.float64, n, elements=st.floats(-50, 50)))
    return times[draw(hnp.arrays(np.int64, n, elements=st.integers(0, n - 1)))], draw(
        hnp.arrays(np.float64, (draw(st.integers(1, 3)), n), elements=values)
    )


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


def long_table(cases, name="time"):
    frames = [
        pd.DataFrame(
            {"case": i, name: t} | {f"x{c}": row for c, row in enumerate(np.atleast_2d(x))}
        )
        for i, (t, x) in enumerate(cases)
    ]
    return pd.concat(frames, ignore_index=True)


def step_of(folder, *cases):
    """Write cases, pairs of times and values, to a file, and ask for its step."""
    long_table(cases).to_csv(folder / "step.csv", index=False)
    return time_step(folder / "step.csv")


@pytest.mark.parametrize("step", [1.0, 1 / 60, 0.25, 86400.0])
@pytest.mark.parametrize("n_channels", [1, 3])
def test_the_step_of_a_clock_is_found_where_some_readings_are_missing(tmp_path, step, n_channels):
    rng = np.random.default_rng(0)
    cases = []
    for _ in range(4):
        times = 1e5 * rng.random() + step * np.arange(60)
        x = np.where(rng.random((n_channels, 60)) < 0.7, 1.0, NAN)
        seen = ~np.isnan(x).all(axis=0)
        cases.append((times[seen], x[:, seen]))
    assert step_of(tmp_path, *cases) == float(f"{step:.6g}")


def test_the_step_of_a_trembling_clock_is_near_its_own(tmp_path):
    rng = np.random.default_rng(0)
    times = np.arange(200) + 0.05 * rng.normal(size=200)
    step = step_of(tmp_path, (times, np.zeros(200)))
    assert step == pytest.approx(1, abs=0.05)
    x = read_data(tmp_path / "step.csv", step=1)[0]
    assert x.shape == (1, 1, 200) and not np.isnan(x).any()


def test_channels_with_clocks_of_their_own_share_points(tmp_path):
    times, x = np.arange(0, 60, 5.0), np.full((2, 12), NAN)
    times[1::2] -= 2  # 0, 3, 10, 13, 20, ...
    x[0, ::2], x[1, 1::2] = np.arange(6), np.arange(6) + 10
    assert step_of(tmp_path, (times, x)) == 10
    np.testing.assert_array_equal(on_grid([times], [x], 10)[0], [np.arange(6), np.arange(6) + 10])


def test_a_case_of_one_row_has_some_step(tmp_path):
    assert step_of(tmp_path, ([3.0], [1.0])) > 0


IRREGULAR = {
    "events": np.cumsum(np.random.default_rng(0).exponential(size=200)),
    "coarse stamps": np.cumsum(np.random.default_rng(0).integers(1, 12, 50)),
    "bursts": np.add.outer(1000.0 * np.arange(10), [0, 0.1, 0.25, 0.31, 0.7]).ravel(),
}


@pytest.mark.parametrize("times", IRREGULAR.values(), ids=IRREGULAR)
def test_irregular_times_need_a_step_and_the_error_proposes_one(tmp_path, times):
    says = r"step\.csv: the times are too irregular .* of case 0. Pass step .*mean gap is (.+)\.$"
    with pytest.raises(ValueError, match=says) as caught:
        step_of(tmp_path, (times, times))
    with pytest.raises(ValueError, match=says):
        read_data(tmp_path / "step.csv")
    proposed = float(re.search(says, str(caught.value)).group(1))  # type: ignore[union-attr]
    X, _ = read_data(tmp_path / "step.csv", step=proposed)
    assert (~np.isnan(X)).mean() > 0.1 and len(X[0, 0]) < 3 * len(times)


def write(folder, text, name="a.csv"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


UNEVEN = (
    "case,time,label,x,z\na,0,u,1,\na,1,u,2,5\na,3.1,u,4,\nb,7.0,v,6,\nb,8,v,7,8\nb,7.9,v,9,\n"
    "b,9,v,1,1\nb,10,v,1,1\nb,11,v,1,1\nb,12,v,1,1\nb,13,v,1,1\n"
)


def test_uneven_files_come_on_a_grid_with_a_warning_that_the_step_quiets(tmp_path):
    file = write(tmp_path, UNEVEN)
    with pytest.warns(
        UserWarning, match=r"a\.csv: the times of 2 of 2 cases .*first in case a"
    ) as w:
        X, y = read_data(file)
    assert w[0].filename == __file__
    step = time_step(file)
    assert f"step={step}," in str(w[0].message)
    again, _ = read_data(file, step=step)
    for one, other in zip(X, again, strict=True):
        np.testing.assert_array_equal(one, other)
    X, y = read_data(file, step=1)
    np.testing.assert_array_equal(X[0], [[1, 2, NAN, 4], [NAN, 5, NAN, NAN]])
    np.testing.assert_array_equal(X[1], [[6, 8, 1, 1, 1, 1, 1], [NAN, 8, 1, 1, 1, 1, 1]])
    assert y.tolist() == ["u", "v"]


@given(observations(), observations(), st.integers(0, 99))
def test_rows_of_a_file_may_come_in_any_order(tmp_path_factory, one, other, seed):
    channels = min(len(one[1]), len(other[1]))
    rows = long_table([(t, x[:channels]) for t, x in (one, other)])
    file = tmp_path_factory.mktemp("order") / "a.csv"
    rows.to_csv(file, index=False)
    expected, _ = read_data(file, step=2.5)
    rows = rows.sample(frac=1, random_state=seed)
    rows.to_csv(file, index=False)
    found, _ = read_data(file, step=2.5)
    for i, x in zip(rows["case"].unique(), found, strict=True):
        np.testing.assert_array_equal(x, expected[i])


@given(series(), steps)
def test_even_files_come_as_they_are_also_with_their_step(tmp_path_factory, drawn, step):
    x = drawn[0]
    file = tmp_path_factory.mktemp("even") / "a.csv"
    long_table([(step * np.arange(x.shape[1]), x)]).to_csv(file, index=False)
    for X, _ in (read_data(file), read_data(file, step=time_step(file))):
        assert X.dtype == np.float64
        np.testing.assert_array_equal(X[0], x)


def test_one_per_cent_is_even(tmp_path):
    file = write(tmp_path, "case,time,x\na,0,1\na,1,2\na,2.005,3\nb,0,4\nb,1,5\nb,1.99,6\n")
    assert read_data(file)[0].tolist() == [[[1, 2, 3]], [[4, 5, 6]]]


def test_even_cases_of_different_steps_are_taken_as_they_are_until_a_step_is_given(tmp_path):
    file = write(tmp_path, "case,time,x\na,0,1\na,1,2\na,2,3\nb,0,4\nb,2,5\nb,4,6\n")
    assert read_data(file)[0].tolist() == [[[1, 2, 3]], [[4, 5, 6]]]
    X, _ = read_data(file, step=1)
    np.testing.assert_array_equal(X[0], [[1, 2, 3]])
    np.testing.assert_array_equal(X[1], [[4, NAN, 5, NAN, 6]])
    assert read_data(file, step=2)[0][1].tolist() == [[4, 5, 6]]


def test_rows_of_one_time_complete_each_other_but_must_not_contradict(tmp_path):
    file = write(tmp_path, "case,time,x,z\na,0,1,\na,0,,2\na,1,3,4\na,2,,5\n")
    np.testing.assert_array_equal(read_data(file)[0], [[[1, 3, NAN], [2, 4, 5]]])
    file = write(tmp_path, "case,time,x\na,0,1\na,0,2\na,1,5\na,1,6\na,1,7\n")
    with pytest.raises(ValueError, match=r"a\.csv: case a has two rows of time 0 .*or give step"):
        read_data(file)
    assert read_data(file, step=1)[0].tolist() == [[[1.5, 6]]]


def test_a_case_far_longer_than_its_rows_is_named(tmp_path):
    cases = [(np.arange(20.0), np.arange(20.0))] * 5 + [([0.0, 1.0, 1000.0], np.zeros(3))]
    long_table(cases).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(ValueError, match=r"case 5 runs from time 0 to 1000: 1001 points .* 3 rows"):
        read_data(tmp_path / "a.csv")
    assert read_data(tmp_path / "a.csv", step=1)[0][5].shape == (1, 1001)  # as was asked for


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


def test_files_without_times_take_no_step(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.zeros((1, 1, 3)))
    for options in ({"step": 1}, {"start": 0}):
        with pytest.raises(ValueError, match=r"a\.npz: \.npz files are read without times"):
            read_data(tmp_path / "a.npz", **options)
    with pytest.raises(ValueError, match=r"a\.npz: only long files"):
        time_step(tmp_path / "a.npz")
    with pytest.raises(FileNotFoundError, match=r"absent\.csv"):
        time_step(tmp_path / "absent.csv")


def events(n_a_class, seed):
    """Two channels seen at times of their own: the second turns early, in the middle, or late."""
    rng = np.random.default_rng(seed)
    rows = []
    for label, turn in (("early", 2.0), ("middle", 5.0), ("late", 8.0)):
        for i in range(n_a_class):
            at = turn + 0.4 * rng.normal()
            hurry = rng.uniform(1, 3, size=2)  # times crowd together, so their order says little
            for channel, of in enumerate(
                (lambda t: 0.3 * t, lambda t, at=at: np.tanh(2 * (t - at)))
            ):
                times = 10 * np.sort(rng.random(20)) ** hurry[channel]
                x = of(times) + 0.1 * rng.normal(size=20)
                rows.append(
                    pd.DataFrame(
                        {"case": f"{label}{i}", "time": times, "label": label, f"x{channel}": x}
                    )
                )
    return pd.concat(rows).sample(frac=1, random_state=seed)


def test_irregularly_sampled_events_are_classified(tmp_path):
    events(4, seed=0).to_csv(tmp_path / "train.csv", index=False)
    events(10, seed=1).to_parquet(tmp_path / "new.parquet", index=False)
    X, y = read_data(tmp_path / "train.csv", step=0.5, start=0)
    X_new, y_new = read_data(tmp_path / "new.parquet", step=0.5, start=0)
    clf = EGEMClassifier(**QUICK | {"training": Training(n_updates=300)}, align="start").fit(X, y)
    assert clf.score(X_new, y_new) > 0.85
