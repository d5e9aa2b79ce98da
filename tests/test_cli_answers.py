"""What `egem predict` can say beside the class, and the commands that change a whole model."""

import csv
import io
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from egem import EGEMClassifier, load_dataset, read_data, write_long
from egem.apps.cli import app


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def rows_of(done):
    assert done.exit_code == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Digits 0 to 2 in a model and a file of others, a file of strangers, a model of 3 and 4."""
    folder = tmp_path_factory.mktemp("answers")
    X, y = load_dataset("digits")
    views = ("--views", "linear,features")
    for name, digits in (("first", (0, 1, 2)), ("second", (3, 4))):
        of = np.flatnonzero(np.isin(y, digits))
        labels = np.char.add("d", y[of].astype(str))
        write_long(folder / f"{name}.csv", X[of[:60]], labels[:60])
        write_long(folder / f"{name}-new.csv", X[of[60:160]], labels[60:160])
        done = run("fit", folder / f"{name}.csv", "-o", folder / name, *views)
        assert done.exit_code == 0, done.stderr
    noise = np.random.default_rng(0).random((20, *X.shape[1:])) * 16
    write_long(folder / "noise.csv", noise)
    return folder


def test_predict_says_unknown(folder):
    known = rows_of(run("predict", folder / "first", folder / "first-new.csv", "--reject", 0.05))
    rejected = [row["predicted"] == "unknown" for row in known]
    assert rejected == [float(row["p_value"]) <= 0.05 for row in known]
    assert np.mean(rejected) < 0.2
    noise = rows_of(run("predict", folder / "first", folder / "noise.csv", "--reject", 0.05))
    assert all(row["predicted"] == "unknown" for row in noise)


def test_predict_gives_sets_and_probabilities_as_the_library_does(folder):
    done = run(
        *("predict", folder / "first", folder / "first-new.csv", "--sets", 0.1),
        "--probabilities",
    )
    rows, clf = rows_of(done), EGEMClassifier.load(folder / "first")
    X, _ = read_data(folder / "first-new.csv")
    sets, p = clf.predict_set(X, 0.1), clf.predict_proba(X)
    for row, of, each in zip(rows, sets, p, strict=True):
        assert row["set"].split() == clf.classes_[of].tolist()
        found = [float(row[f"p({name})"]) for name in clf.classes_]
        np.testing.assert_allclose(found, each, atol=1e-3)
        assert float(row["probability"]) == pytest.approx(max(found), abs=1e-3)
    assert [row["predicted"] for row in rows] == clf.predict(X).tolist()


def test_json_and_parquet_have_the_same(folder, tmp_path):
    arguments = ("predict", folder / "first", folder / "first-new.csv", "--reject", 0.05)
    told = json.loads(run(*arguments, "--sets", 0.1, "--json").stdout)
    assert {"p_value", "set"} <= set(told["cases"][0]) and len(told["probabilities"][0]) == 3
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    done = run(*arguments, "--probabilities", "-o", tmp_path / "out.parquet")
    assert done.exit_code == 0, done.stderr
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert table["predicted"].tolist() == [case["predicted"] for case in told["cases"]]
    assert np.allclose(table[["p(d0)", "p(d1)", "p(d2)"]].sum(axis=1), 1)


@pytest.mark.parametrize("option", ["--reject", "--sets"])
@pytest.mark.parametrize("value", ["0", "1", "-0.1", "5"])
def test_levels_are_shares(folder, option, value):
    done = run("predict", folder / "first", folder / "noise.csv", option, value)
    assert done.exit_code == 1 and f"{option} must lie between 0 and 1" in done.stderr


def test_classes_are_renamed_merged_and_calibrated(folder, tmp_path):
    out = tmp_path / "m"
    assert run("rename", folder / "first", "d2", "two", "-o", out).exit_code == 0
    assert EGEMClassifier.load(out).classes_.tolist() == ["d0", "d1", "two"]
    done = run("merge", out, folder / "second", "--json")
    assert json.loads(done.stdout)["classes"] == ["d0", "d1", "d3", "d4", "two"]
    assert run("rename", out, "two", "d2").exit_code == 0
    done = run("calibrate", out, folder / "first-new.csv", "--json")
    assert done.exit_code == 0, done.stderr
    assert len(EGEMClassifier.load(out).held_out_.truth) == 100
    for words, message in (
        (("rename", out, "d9", "x"), "'d9' is not a class"),
        (("rename", out, "d0", "d1"), "'d1' is a class of this model already"),
        (("merge", out, folder / "first"), "is in both models"),
        (("calibrate", out, folder / "noise.csv"), "there are no labels to calibrate by"),
    ):
        done = run(*words)
        assert done.exit_code == 1 and message in done.stderr


def test_labels_that_are_no_classes_give_no_accuracy(folder):
    own = run("predict", folder / "first", folder / "first-new.csv")
    assert "accuracy 0.9" in own.stderr or "accuracy 1.0" in own.stderr
    done = run("predict", folder / "first", folder / "second-new.csv")
    assert "accuracy 0" not in done.stderr
    assert "none of the labels is a class of the model" in done.stderr
    assert {row["label"] for row in rows_of(done)} == {"d3", "d4"}
