"""The commands as a shell sees them: output, exit codes, files."""

import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from egem import EGEMClassifier, __version__, load_dataset, write_long
from egem.apps.cli import app


def egem(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """Make a folder with a long csv of three digits and a model fitted by the command."""
    folder = tmp_path_factory.mktemp("cli")
    X, y = load_dataset("digits")
    few = np.flatnonzero(y < 3)[:60]
    write_long(folder / "digits.csv", X[few], np.array(["zero", "one", "two"])[y[few]])
    write_long(folder / "unlabelled.csv", X[few][:5])
    done = egem(
        "fit",
        str(folder / "digits.csv"),
        "-o",
        str(folder / "model.safetensors"),
        *("--k", "3", "--updates", "100", "--cells", "8", "--json"),
    )
    assert done.exit_code == 0, done.stderr
    (folder / "fit.json").write_text(done.stdout)
    return folder


def test_fit_reports_what_it_made(files):
    report = json.loads((files / "fit.json").read_text())
    assert report["classes"] == ["one", "two", "zero"]
    assert report["cases_per_class"] == [3, 3, 3]
    assert report["n_cells"] == 8
    assert Path(report["model"]).is_file()


def test_predict_writes_a_csv_line_a_case(files):
    done = egem("predict", str(files / "model.safetensors"), str(files / "digits.csv"))
    assert done.exit_code == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [int(row["case"]) for row in rows] == list(range(60))
    right = np.mean([row["predicted"] == row["label"] for row in rows])
    assert right > 0.8
    assert f"accuracy {right:.4f}" in done.stderr
    assert all(0 < float(row["probability"]) <= 1 for row in rows)


def test_predict_agrees_with_the_library(files):
    out = files / "out.json"
    done = egem(
        "predict",
        str(files / "model.safetensors"),
        str(files / "unlabelled.csv"),
        *("--json", "-o", str(out)),
    )
    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr == ""
    answer = json.loads(out.read_text())
    X, y = load_dataset("digits")
    clf = EGEMClassifier.load(files / "model.safetensors")
    chances = clf.predict_proba(X[y < 3][:5])
    assert answer["accuracy"] is None
    np.testing.assert_allclose(answer["probabilities"], chances, atol=1e-5)
    predicted = [case["predicted"] for case in answer["cases"]]
    assert predicted == clf.classes_[chances.argmax(axis=1)].tolist()


def test_info_tells_of_model_and_of_installation(files):
    model = egem("info", str(files / "model.safetensors"), "--json")
    facts = json.loads(model.stdout)
    assert facts["classes"] == ["one", "two", "zero"]
    assert facts["bytes"] == (files / "model.safetensors").stat().st_size
    plain = egem("info")
    assert plain.exit_code == 0
    assert "digits" in plain.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "Usage"),
        (("fit", "digits"), 2, "--out"),
        (("fit", "digits", "-o", "m.st", "--k", "0"), 2, "--k"),
        (("nonsense",), 2, "nonsense"),
        (("predict", "nowhere.safetensors", "digits"), 1, "no such model file"),
        (("fit", "nowhere.csv", "-o", "m.st"), 1, "no such file"),
        (("fit", "digitz", "-o", "m.st"), 1, "digitz"),
        (("fit", "digits", "-o", "no/such/folder/m.st"), 1, "cannot be written"),
        (("fit", "digits", "-o", "m.st", "--views", "nice"), 1, "views must hold"),
        (("fit", "digits", "-o", "m.st", "--metric", "nice"), 1, "metric must be one of"),
    ],
)
def test_trouble_has_an_exit_code_and_one_message(tmp_path, monkeypatch, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    done = egem(*arguments)
    assert done.exit_code == code
    assert words in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_where(files):
    done = egem("--debug", "predict", str(files / "digits.csv"), "digits")
    assert done.exit_code == 1
    assert "Traceback" in done.stderr


def test_a_model_of_another_program_is_refused(files):
    done = egem("predict", str(files / "digits.csv"), "digits")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


def test_data_of_other_channels_are_refused(files):
    write_long(files / "two.csv", np.zeros((3, 2, 8)))
    done = egem("predict", str(files / "model.safetensors"), str(files / "two.csv"))
    assert done.exit_code == 1
    assert "2 channels" in done.stderr


def test_unlabelled_data_cannot_be_fitted(files):
    done = egem("fit", str(files / "unlabelled.csv"), "-o", str(files / "no.safetensors"))
    assert done.exit_code == 1
    assert "no labels" in done.stderr
    assert not (files / "no.safetensors").exists()


def test_the_demo_names_the_extra_it_needs(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    done = egem("demo", "--out", str(tmp_path / "demo"))
    assert done.exit_code == 1 and "pip install 'egem[demo]'" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_version_is_the_packages():
    assert egem("--version").stdout == f"egem {__version__}\n"


@pytest.mark.slow
def test_demo_ends_with_pictures_and_beats_nearest_neighbour(tmp_path):
    done = egem("demo", "--out", str(tmp_path / "demo"), "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["accuracy"] > report["accuracy_1nn"]
    for picture in report["pictures"]:
        assert Path(picture).read_bytes().startswith(b"\x89PNG")


def test_classes_are_added_and_removed(files, tmp_path):
    model = tmp_path / "m.safetensors"
    model.write_bytes((files / "model.safetensors").read_bytes())
    X, y = load_dataset("digits")
    write_long(tmp_path / "more.csv", X[:60], np.array([f"d{c}" for c in y[:60]]))
    done = egem("add-class", str(model), str(tmp_path / "more.csv"), "d7", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["classes"] == ["d7", "one", "two", "zero"]
    done = egem("remove-class", str(model), "two", "-o", str(tmp_path / "less.safetensors"))
    assert done.exit_code == 0, done.stderr
    assert EGEMClassifier.load(model).classes_.tolist() == ["d7", "one", "two", "zero"]
    less = EGEMClassifier.load(tmp_path / "less.safetensors")
    assert less.classes_.tolist() == ["d7", "one", "zero"]
    failed = egem("add-class", str(model), str(tmp_path / "more.csv"), "d99")
    assert failed.exit_code == 1
    assert "no case has the label 'd99'; its labels are d0" in failed.stderr


def test_pages_explain_and_evaluate(files, tmp_path):
    model, data = str(files / "model.safetensors"), str(files / "digits.csv")
    done = egem("explain", model, data, "-o", str(tmp_path / "e.html"), "--case", "3")
    assert done.exit_code == 0, done.stderr
    page = (tmp_path / "e.html").read_text()
    assert "Case 3" in page and page.count("<svg") >= 2
    failed = egem("explain", model, data, "--case", "60")
    assert failed.exit_code == 1 and "cases 0 to 59" in failed.stderr
    done = egem("evaluate", model, data, "-o", str(tmp_path / "v.html"), "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["n_known"] == 60 and report["accuracy"] > 0.8
    assert (tmp_path / "v.html").read_text().count("<svg") >= 2
    failed = egem("evaluate", model, str(files / "unlabelled.csv"))
    assert failed.exit_code == 1 and "no labels to compare with" in failed.stderr


def test_gaps_are_completed_with_a_band(files, tmp_path):
    X, _ = load_dataset("digits")
    gappy = [x[:, :5] for x in X[:3]]
    write_long(tmp_path / "gappy.csv", gappy)
    done = egem(
        "complete",
        str(files / "model.safetensors"),
        str(tmp_path / "gappy.csv"),
        "-o",
        str(tmp_path / "whole.csv"),
    )
    assert done.exit_code == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO((tmp_path / "whole.csv").read_text())))
    assert len(rows) == 3 * 8
    late = [row for row in rows if int(row["time"]) >= 5]
    assert all(float(row["low_channel_0"]) < float(row["high_channel_0"]) for row in late)


def test_cases_and_channels_keep_their_names(tmp_path):
    rng = np.random.default_rng(0)
    rows = ["case,time,label,height,force"]
    for name in ("wed-2", "mon-1", "tue-7", "sun-0"):
        label = "up" if name < "t" else "down"
        slope = 1 if label == "up" else -1
        for t in range(8):
            rows.append(f"{name},{t},{label},{slope * t + 0.1 * rng.normal():.3f},{t * t}")
    data, model, whole = (str(tmp_path / n) for n in ("d.csv", "m.safetensors", "w.csv"))
    Path(data).write_text("\n".join(rows))
    done = egem("fit", data, "-o", model, "--updates", "50", "--cells", "4")
    assert done.exit_code == 0, done.stderr
    done = egem("predict", model, data)
    told = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["case"] for row in told] == ["wed-2", "mon-1", "tue-7", "sun-0"]
    assert [row["label"] for row in told] == ["down", "up", "down", "up"]
    done = egem("complete", model, data, "-o", whole)
    assert done.exit_code == 0, done.stderr
    filled = list(csv.DictReader(io.StringIO(Path(whole).read_text())))
    assert list(filled[0])[3:5] == ["height", "force"] and "high_force" in filled[0]
    assert [row["case"] for row in filled[::8]] == ["wed-2", "mon-1", "tue-7", "sun-0"]


def test_a_model_remembers_the_step_of_its_grid(tmp_path):
    rng = np.random.default_rng(0)
    rows = ["case,time,label,x"]
    for case in range(12):
        times = np.sort(rng.choice(np.arange(0, 20, 0.5), 12, replace=False))
        slope = (-1) ** case
        rows += [f"{case},{t},{'ud'[case % 2]},{slope * t + rng.normal():.3f}" for t in times]
    (tmp_path / "uneven.csv").write_text("\n".join(rows))
    data, model = str(tmp_path / "uneven.csv"), str(tmp_path / "m.safetensors")
    settings = ("--updates", "100", "--cells", "8", "--step", "0.5")
    done = egem("fit", data, "-o", model, *settings)
    assert done.exit_code == 0, done.stderr
    assert "unevenly" not in done.stderr
    assert EGEMClassifier.load(model).time_step_ == 0.5
    done = egem("predict", model, data)
    assert done.exit_code == 0, done.stderr
    assert "accuracy 1.0000" in done.stderr and "unevenly" not in done.stderr


def test_bench_tells_what_it_needs_where_there_is_no_checkout(monkeypatch, tmp_path):
    monkeypatch.setattr("egem.apps.cli.experiments.SCRIPT", tmp_path / "speed.py")
    done = egem("bench")
    assert done.exit_code == 1 and "clone the repository" in done.stderr


def test_bench_passes_on_what_the_benchmark_says(monkeypatch, tmp_path):
    script = tmp_path / "speed.py"
    script.write_text("import sys; print(sys.argv[1:]); sys.exit('growth' in sys.argv and 3)")
    monkeypatch.setattr("egem.apps.cli.experiments.SCRIPT", script)
    assert egem("bench", "--part", "start", "-o", str(tmp_path), "--quiet").exit_code == 0
    assert egem("bench", "--part", "growth", "-o", str(tmp_path)).exit_code == 1


def test_the_log_goes_to_stderr_where_it_is_asked_for(files):
    model = str(files / "model.safetensors")
    quiet, told = egem("info", model), egem("--log-level", "info", "info", model)
    assert quiet.stderr == "" and told.stdout == quiet.stdout
    assert "INFO egem.io.model_file: read" in told.stderr
    assert egem("--log-level", "loud", "info").exit_code == 2
