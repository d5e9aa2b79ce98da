"""Times in files: uneven ones, and channels seen at different times."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egem import EGEMClassifier, Training, on_grid, read_data, time_step
from helpers import QUICK
from timed import NAN, long_table, observations, series, steps, write


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
