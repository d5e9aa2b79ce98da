"""A model meets files with its channels, step and labels written otherwise than at training."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from egem import read_data
from egem.apps.cli import app

RNG = np.random.default_rng(1)
STEP = 0.02


def recordings(n, step=STEP, first=0):
    """A long table of two kinds of gesture, one channel of which is far from the other."""
    rows = []
    for i in range(2 * n):
        label = ("circle", "line")[i % 2]
        t = np.arange(0.0, 0.981, step)
        phase = 2 * np.pi * t + 0.2 * RNG.normal()
        x, y = (np.sin(phase), np.cos(phase)) if label == "circle" else (t, 0.1 * t)
        table = {"case": first + i, "time": t, "label": label, "x": x, "y": 5 + y}
        rows.append(pd.DataFrame(table))
    return pd.concat(rows, ignore_index=True)


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("units")
    recordings(5).to_csv(folder / "train.csv", index=False)
    done = run("fit", folder / "train.csv", "-o", folder / "m", "--views", "linear,features")
    assert done.exit_code == 0, done.output
    return folder / "m"


def accuracy(model, table, tmp_path, **options):
    table.to_csv(tmp_path / "new.csv", index=options.pop("index", False), **options)
    done = run("predict", model, tmp_path / "new.csv", "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)["accuracy"]


def test_the_model_keeps_names_and_step(model):
    facts = json.loads(run("info", model, "--json").stdout)
    assert facts["channels"] == ["x", "y"] and facts["time_step"] == pytest.approx(STEP)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t[["case", "time", "label", "y", "x"]],
        lambda t: t[["y", "x", "label", "time", "case"]],
        lambda t: t.sample(frac=1.0, random_state=0),
        lambda t: t.assign(index=range(len(t))),
        lambda t: t.reset_index(),
        lambda t: t.rename(columns={"x": "x "}),
        lambda t: t.rename_axis("index").reset_index().assign(index=lambda t: t["index"] + 1),
    ],
    ids=[
        "swapped",
        "in any order",
        "shuffled",
        "with an index",
        "with index first",
        "blank",
        "from 1",
    ],
)
def test_columns_are_known_by_their_names(model, change, tmp_path):
    assert accuracy(model, change(recordings(20, first=100)), tmp_path) > 0.9


@pytest.mark.parametrize("index", [True])
def test_the_index_that_pandas_writes_is_no_channel(model, index, tmp_path):
    table = recordings(20, first=100)
    assert accuracy(model, table, tmp_path, index=index) > 0.9
    assert read_data(tmp_path / "new.csv")[0].shape[1] == 2


@pytest.mark.parametrize("factor", [0.5, 2.0, 3.0])
def test_another_sampling_rate_is_brought_to_the_models(model, factor, tmp_path):
    assert accuracy(model, recordings(20, STEP * factor, 100), tmp_path) > 0.9


@pytest.mark.parametrize("factor", [1000.0, 1 / 50])
def test_times_in_another_unit_are_refused(model, factor, tmp_path):
    table = recordings(2)
    table["time"] *= factor
    table.to_csv(tmp_path / "new.csv", index=False)
    for command in (("predict", model), ("evaluate", model), ("explain", model)):
        done = run(*command, tmp_path / "new.csv")
        assert done.exit_code == 1 and "bring them to the same unit, or give --step" in done.stderr


@pytest.mark.parametrize("names", [{"x": "ax"}, {"x": "X"}, {"x": "y", "y": "z"}])
def test_channels_of_other_names_are_refused(model, names, tmp_path):
    recordings(2).rename(columns=names).to_csv(tmp_path / "new.csv", index=False)
    done = run("predict", model, tmp_path / "new.csv")
    assert done.exit_code == 1
    assert "but the model was fitted to x, y; rename, add or leave out columns" in done.stderr


@pytest.mark.parametrize("labels", [["0", "1"], ["0.0", "1.0"], ["0.", "1."]])
def test_whole_numbers_are_one_label_however_they_are_written(labels, tmp_path):
    train, test = recordings(5), recordings(10, first=100)
    train["label"] = np.where(train.label == "circle", "0", "1")
    test["label"] = np.where(test.label == "circle", *labels)
    train.to_csv(tmp_path / "train.csv", index=False)
    done = run("fit", tmp_path / "train.csv", "-o", tmp_path / "m", "--views", "linear")
    assert done.exit_code == 0, done.output
    assert accuracy(tmp_path / "m", test, tmp_path) > 0.9


def test_days_written_as_numbers_are_refused(tmp_path):
    days = pd.date_range("2024-01-29", periods=5).strftime("%Y%m%d")
    table = pd.DataFrame({"case": 0, "time": days, "x": range(5)})
    table.to_csv(tmp_path / "days.csv", index=False)
    with pytest.raises(ValueError, match=r"numbers like 20240129.*write 2024-01-29"):
        read_data(tmp_path / "days.csv")
