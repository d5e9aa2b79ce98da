"""The reproduction: the published search, runs that survive being killed, the report."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from egem.apps.paper import reproduce
from egem.apps.paper.egem_rows import classifier
from egem.apps.paper.iterations import iterations
from egem.apps.paper.protocol import CHARACTERS, MNIST, PUBLISHED, Task, draw
from egem.apps.paper.report import write_report
from egem.apps.paper.reproduce import plan
from egem.apps.paper.runs import Result, Run, Store, chosen
from egem.apps.paper.tables import Results
from egem.core.config import TrainingConfig
from egem.ensemble.inversion import invert
from pages import ROOT

TINY = replace(
    MNIST,
    dataset="digits",
    n_cells=4,
    training=TrainingConfig(20),
    clustered_training=None,
    published_updates=30,
    n_test=20,
    n_validation=1,
)
ONLY = ["EGEM [0-4]", "1NN/", "LDA"]


def test_recorded_iterations_are_those_of_the_published_search():
    cases = draw(TINY, "random", 0)
    clf = classifier(TINY, "random", 0, seed=1, n_jobs=1).fit(cases.X, cases.y)
    recorded = iterations(clf.model_, cases.X_test, n_jobs=1)
    assert recorded.losses.shape == (20, 10, 51)
    assert recorded.codes.shape == (20, 10, 51, 4)
    for n_iterations in (0, 1, 50):
        model = clf.model_
        shorter = replace(model, search=replace(model.search, max_steps=n_iterations))
        found = invert(shorter, list(cases.X_test), n_jobs=1)
        np.testing.assert_allclose(recorded.losses[:, :, n_iterations], found.losses, rtol=2e-4)
        normalised = np.clip(recorded.codes[:, :, n_iterations], 0, 1)
        normalised /= normalised.sum(axis=2, keepdims=True)
        np.testing.assert_allclose(normalised, found.codes, atol=2e-3)


def test_our_schedule_changes_training_and_first_weights_only():
    published, ours = (
        classifier(CHARACTERS, "clustered", 5, seed=1, n_jobs=1, published=p).get_params()
        for p in (True, False)
    )
    changed = {name for name in ours if str(ours[name]) != str(published[name])}
    assert {name for name in changed if name != "training"} == {
        "decoder",
        *(f"training__{name}" for name in ("n_updates", "batch_size", "learning_rate")),
        *(f"training__{name}" for name in ("cosine", "clip")),
    }
    assert (ours["training__code_noise"], ours["training__value_noise"]) == (0.1, 0.0002)


@pytest.mark.parametrize("condition", ["clustered", "random"])
def test_draws_are_few_and_apart(condition):
    cases = draw(TINY, condition, 0)
    assert cases.X.shape == (40, 8, 8)
    assert np.bincount(cases.y).tolist() == [4] * 10
    assert len(cases.X_test) == 20
    assert len(cases.X_validation) == 10
    parts = cases.X, cases.X_validation, cases.X_test
    seen = {name: {x.tobytes() for x in X} for name, X in zip("avt", parts, strict=True)}
    assert not seen["v"] & seen["t"]
    if condition == "random":
        assert not seen["a"] & (seen["v"] | seen["t"])
    assert not np.array_equal(cases.X, draw(TINY, condition, 1).X)


def test_the_plan_has_every_published_cell_in_five_repeats():
    runs = plan((MNIST, CHARACTERS), 5)
    assert len({run.id for run in runs}) == len({run.file for run in runs}) == len(runs)
    rows = {"base": "EGEM 0", "noise average": "EGEM 8", "noise best": "EGEM 1"}
    for problem, condition, row in PUBLISHED:
        ids = {run.id for run in runs}
        wanted = {"full": {"mnist": 1, "characters": 3}[problem]}.get(condition, 5)
        row = rows.get(row, row)
        assert {f"{problem}/{condition}/{row}/{r}" for r in range(wanted)} <= ids
    assert sum(run.row == "EGEM default" for run in runs) == 4 * 10


def test_only_chooses_runs_and_is_refused_where_it_matches_none(tmp_path):
    runs = plan((MNIST, CHARACTERS), 1)
    assert {r.row for r in chosen(runs, ["mnist/random/L"])} == {"LDA"}
    with pytest.raises(ValueError, match=r"matches no run; rows are 1NN, .*forward LSTM"):
        reproduce(tmp_path, only=["nonsense"], problems=[TINY])


def test_a_record_counts_for_its_settings_only(tmp_path):
    run = Run(TINY, "random", "1NN", 0)
    Store(tmp_path).put(run, 1.0, Result({"accuracy": 0.5, "accuracy_by_class": [0.5]}))
    store = Store(tmp_path)
    assert store.has(run)
    other: Task = replace(TINY, n_cells=5)
    assert not store.has(replace(run, task=other))
    store.write_results([run])
    (tmp_path / "runs" / run.file).unlink()
    assert Store(tmp_path).has(run)  # a results file alone is enough to go on from


# Kills itself some time after it has kept two runs, at the latest when it has kept four.
KILLED = """
import os, signal, sys, threading
from test_paper import ONLY, TINY
from egem.apps.paper import reproduce
from egem.apps.paper.runs import Store

def put(store, *run):
    keep(store, *run)
    kept.append(run)
    if len(kept) == 2:
        threading.Timer(float(sys.argv[2]), die).start()
    if len(kept) == 4:
        die()

die = lambda: os.kill(os.getpid(), signal.SIGKILL)
kept, keep, Store.put = [], Store.put, put
reproduce(sys.argv[1], only=ONLY, repeats=1, problems=[TINY], n_jobs=1)
"""


@pytest.mark.slow
def test_killed_at_any_moment_it_resumes_to_the_same_rows(tmp_path):
    here = os.path.dirname(__file__)
    environment = os.environ | {
        "PYTHONPATH": here,
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    folder = tmp_path / "killed"
    rng = np.random.default_rng(8)
    for _ in range(3):
        before = len(list(folder.glob("runs/*.json")))
        command = [sys.executable, "-c", KILLED, str(folder), str(rng.uniform(0, 0.3))]
        child = subprocess.run(command, env=environment)
        assert child.returncode == -signal.SIGKILL
        assert before + 2 <= len(list(folder.glob("runs/*.json"))) <= before + 4
    assert len(list(folder.glob("runs/*.json"))) < 14
    broken = reproduce(folder, only=ONLY, repeats=1, problems=[TINY], n_jobs=1)
    whole = reproduce(tmp_path / "whole", only=ONLY, repeats=1, problems=[TINY], n_jobs=1)
    assert (broken.n_left, whole.n_left) == (0, 0)
    tables = [
        pd.read_csv(tmp_path / name / "results.csv").sort_values("run").drop(columns="seconds")
        for name in ("killed", "whole")
    ]
    assert len(tables[0]) == 14
    pd.testing.assert_frame_equal(*tables, check_exact=True)


PUBLISHED_RESULTS = ROOT / "docs" / "paper" / "results.csv"


def test_the_report_needs_nothing_but_the_results_file(tmp_path):
    known = pd.read_csv(PUBLISHED_RESULTS)
    known[known["row"] != "1NN"].to_csv(tmp_path / "results.csv", index=False)
    page, text = write_report(tmp_path)
    words = text.read_text()
    for row in ("base", "noise average", "noise best", "1NN", "forward LSTM, full data"):
        assert re.search(rf"^\| {row} \|", words, re.MULTILINE), row
    assert "0.834 ± 0.020" in words  # published
    assert "not run yet" in words
    for line in re.findall(r"\]\((figures/.*?)\)", words):
        assert (tmp_path / line).is_file()
    markup = page.read_text()
    assert 'src="figures' not in markup and "http" not in markup  # no other file needed
    assert "data:image/png;base64," in markup


def check_agreement(results, problem, condition, n_repeats):
    """Figures of the noise settings, and of the base's first run, agree with their rows."""
    noise = results.noise(problem, condition, "accuracy")
    assert noise.shape == (n_repeats, 8)
    average = results.accuracy(problem, condition, "noise average")
    np.testing.assert_allclose(average, noise.mean(axis=1))
    best = results.accuracy(problem, condition, "noise best")
    assert best.mean() == pytest.approx(noise.mean().max())
    validated = results.accuracy(problem, condition, "noise best, by validation")
    assert (validated <= noise.max(axis=1)).all()
    run = f"{problem}/{condition}/EGEM 0/0"
    row = results.table[results.table["run"] == run].iloc[0]
    trace = json.loads(row["accuracy_by_iteration"])
    assert len(trace) == 51
    assert trace[-1] == pytest.approx(row["accuracy"])
    assert trace[0] == pytest.approx(row["accuracy_start"])
    by_class = json.loads(row["accuracy_by_class"])  # test classes are of equal size
    assert np.mean(by_class) == pytest.approx(row["accuracy"], abs=1e-4)


@pytest.mark.parametrize("condition", ["clustered", "random"])
def test_figures_agree_with_the_rows_they_come_from(condition):
    check_agreement(Results.load(PUBLISHED_RESULTS), "characters", condition, 5)


@pytest.mark.slow
def test_one_run_leaves_its_row_and_what_was_seen(tmp_path):
    outcome = reproduce(tmp_path, only=["clustered/EGEM 3/0"], problems=[TINY], n_jobs=1)
    assert (outcome.n_done, outcome.n_left) == (1, 0)
    text = (tmp_path / "report.md").read_text()
    assert "MNIST (here digits)" in text and "figures/search-mnist.gif" in text
    assert (tmp_path / "figures" / "search-mnist.gif").stat().st_size > 5000


@pytest.mark.slow
def test_new_rows_agree_and_their_report_has_examples_and_heat_maps(tmp_path):
    only = ["EGEM [0-8]", "1NN/", "fidelity"]
    reproduce(tmp_path, only=only, repeats=2, problems=[TINY], n_jobs=1)
    check_agreement(Results.load(tmp_path / "results.csv"), "mnist", "random", 2)
    text = (tmp_path / "report.md").read_text()
    for name in ("examples-mnist.png", "search-mnist.gif", "heat-mnist-test.png"):
        assert f"figures/{name}" in text
        assert (tmp_path / "figures" / name).stat().st_size > 5000


@pytest.mark.slow
def test_quick_runs_every_row(tmp_path):
    outcome = reproduce(tmp_path, quick=True)
    assert outcome.n_left == 0 and not outcome.skipped
