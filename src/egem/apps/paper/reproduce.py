"""The plan of all runs, and the loop that works through it."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from egem.apps.paper.egem_rows import egem_row, fidelity
from egem.apps.paper.extra_rows import latent, style
from egem.apps.paper.peers import PEERS, PeerMissing, Row, forward_lstm
from egem.apps.paper.protocol import (
    CHARACTERS,
    CONDITIONS,
    FULL,
    MNIST,
    N_SETTINGS,
    RECIPE,
    Task,
    draw,
)
from egem.apps.paper.report import write_report
from egem.apps.paper.runs import Run, Store, chosen
from egem.errors import DatasetUnavailable
from egem.readers.datasets import load_dataset
from egem.runtime.compile_cache import enable_compile_cache
from egem.runtime.progress import Progress

REPEATS = 5
REPEATS_OF_CHEAP = 10  # of this project's default and the rows it is paired with
CHEAP = ("1NN", "LDA", "MiniRocket", "EGEM default")
FULL_REPEATS = {"characters": 3, "mnist": 1}
ROWS: dict[str, Row] = PEERS | {
    FULL: forward_lstm,
    "fidelity": fidelity,
    "style": style,
    "latent": latent,
}  # all others are EGEM's
# Seconds of processor time, for the time left until a row's first run is done.
GUESS = {
    "EGEM": 25.0,
    "fidelity": 150.0,
    RECIPE: 150.0,
    FULL: 500.0,
    "style": 120.0,
    "forward LSTM": 60.0,
}


class Outcome(NamedTuple):
    """What :func:`reproduce` did.

    Attributes
    ----------
    report : Path or None
        The page, if any run is finished; results and the same page as Markdown are beside it.
    n_done, n_left : int
        Runs finished, now or before, and left.
    skipped : dict
        Rows that were left out, and why.
    seconds : float
        Time of this call.
    """

    report: Path | None
    n_done: int
    n_left: int
    skipped: dict[str, str]
    seconds: float


def tasks(quick: bool) -> tuple[Task, Task]:
    """Return the two problems, or small substitutes for a quick run."""
    if not quick:
        return MNIST, CHARACTERS
    mnist, characters = "mnist", "characters"
    try:
        load_dataset(characters)
        load_dataset(mnist, split="test")
    except DatasetUnavailable:
        mnist, characters = "mnist-5k", "JapaneseVowels"
    return (
        replace(
            MNIST,
            dataset=mnist,
            training=replace(MNIST.training, n_updates=300),
            clustered_training=None,
            published_updates=500,
            n_test=100,
            n_validation=2,
        ),
        replace(
            CHARACTERS,
            dataset=characters,
            training=replace(CHARACTERS.training, n_updates=250),
            published_updates=500,
            n_test=40,
            n_validation=1,
        ),
    )


def plan(problems: Sequence[Task], repeats: int) -> list[Run]:
    """List all runs, repeat by repeat: stopped early, they leave whole repeats."""
    runs = []
    for repeat in range(max(repeats, REPEATS_OF_CHEAP if repeats >= REPEATS else repeats)):
        for condition in CONDITIONS:
            for task in problems:
                rows = [f"EGEM {s}" for s in range(N_SETTINGS)] + list(PEERS)
                rows += [RECIPE] if repeat == 0 else []
                if repeat >= repeats:
                    rows = [row for row in rows if row in CHEAP]
                runs += [Run(task, condition, row, repeat) for row in rows]
        for task in problems:
            if repeat == 0:
                runs.append(Run(task, "-", "fidelity", 0))
                runs.append(Run(task, "-", "style" if task.name == "mnist" else "latent", 0))
    for task in problems:
        runs += [Run(task, "full", FULL, r) for r in range(min(repeats, FULL_REPEATS[task.name]))]
    return runs


def reproduce(
    out: str | Path = "paper",
    quick: bool = False,
    only: Sequence[str] = (),
    repeats: int | None = None,
    minutes: float | None = None,
    n_jobs: int | None = None,
    verbose: bool = False,
    problems: Sequence[Task] | None = None,
) -> Outcome:
    """Run the published experiments, and those that the paper lacks.

    Finished runs are kept: stop it in any way, and call it again with the same ``out`` to go on.

    Parameters
    ----------
    out : str or Path, default "paper"
        Folder of the results; it may hold those of earlier calls.
    quick : bool, default False
        Every row with one repeat, few cases and few updates, to check that it works.
    only : sequence of str, default ()
        Patterns, such as ``"mnist/random/*"`` or ``"EGEM 0"``, of the runs; none is all.
        A run is named ``problem/condition/row/repeat``.
    repeats : int, optional
        New draws and new initial weights; 5, or 1 in a quick run.
    minutes : float, optional
        Start no run after this time.
    n_jobs : int, optional
        Threads; None takes one for each core.
    verbose : bool, default False
        Show progress with the time left.
    problems : sequence of Task, optional
        Other problems than the two published ones.

    Returns
    -------
    Outcome

    Raises
    ------
    ValueError
        Where ``only`` matches no run.
    DatasetUnavailable
        Where a data set is not available, except in a quick run.
    """
    started = time.perf_counter()
    problems = tasks(quick) if problems is None else problems
    everything = plan(problems, repeats or (1 if quick else REPEATS))
    runs = chosen(everything, only)
    if not runs:
        names = ", ".join(sorted({run.row for run in everything}))
        raise ValueError(f"only={list(only)} matches no run; rows are {names}.")
    enable_compile_cache()
    store = Store(Path(out))
    todo = [run for run in runs if not store.has(run)]
    skipped: dict[str, str] = {}
    weights = _expected_seconds(todo, store)
    try:
        with Progress(f"{len(todo)} of {len(runs)} runs", sum(weights), verbose) as bar:
            for run, weight in zip(todo, weights, strict=True):
                if minutes is not None and time.perf_counter() - started > 60 * minutes:
                    break
                _do(run, store, n_jobs, skipped)
                bar.advance(weight)
    finally:
        store.write_results(everything)
    n_left = sum(not store.has(run) for run in runs)
    seconds = time.perf_counter() - started
    report = write_report(out)[0] if n_left < len(runs) else None
    return Outcome(report, len(runs) - n_left, n_left, skipped, seconds)


def _do(run: Run, store: Store, n_jobs: int | None, skipped: dict[str, str]) -> None:
    cases = draw(run.task, run.condition if run.condition != "-" else CONDITIONS[1], run.repeat)
    started = time.process_time()  # a run may share its cores, or be suspended for a while
    try:
        result = ROWS.get(run.row, egem_row)(run, cases, n_jobs)
    except PeerMissing as error:
        skipped[run.row] = str(error)
    else:
        store.put(run, time.process_time() - started, result)


def _expected_seconds(todo: Sequence[Run], store: Store) -> list[float]:
    """Estimate each run's time from finished ones of its kind."""
    known: dict[tuple[str, str], list[float]] = {}
    for name, seconds in store.seconds().items():
        problem, _, row, _ = name.split("/")
        known.setdefault((problem, row.rstrip("012345678 ")), []).append(seconds)
    expected = []
    for run in todo:
        kind = run.row.rstrip("012345678 ")
        own = known.get((run.task.name, kind))
        expected.append(sum(own) / len(own) if own else GUESS.get(kind, 10.0))
    return expected
