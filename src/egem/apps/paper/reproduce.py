"""The experiments as a plan of runs, and the loop that works through it."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from egem.apps.paper.egem_rows import egem_row
from egem.apps.paper.experts import Schedule
from egem.apps.paper.extra_rows import fidelity, latent, style
from egem.apps.paper.other_rows import OTHER_ROWS, PeerMissing, forward_lstm
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
from egem.data.datasets import load_dataset
from egem.errors import DatasetUnavailable
from egem.runtime.compile_cache import keep_compiled
from egem.runtime.progress import Advance, Progress

REPEATS = 5
REPEATS_OF_CHEAP = 10  # of this project's default and the rows it is paired with
CHEAP = ("1NN", "LDA", "MiniRocket", "EGEM default")
FULL_REPEATS = {"characters": 3, "mnist": 1}
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
    """Return the two problems: the published ones, or what stands in for them in a quick look."""
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
            schedule=replace(MNIST.schedule, n_updates=300),
            clustered_schedule=None,
            published_updates=500,
            n_test=100,
            n_validation=2,
        ),
        replace(
            CHARACTERS,
            dataset=characters,
            schedule=replace(CHARACTERS.schedule, n_updates=250),
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
                rows = [f"EGEM {s}" for s in range(N_SETTINGS)] + list(OTHER_ROWS)
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
    """Run the published experiments, and those the paper lacks, or carry on with them.

    Whatever is finished stays finished: stop it in any way and call it again with the same ``out``.

    Parameters
    ----------
    out : str or Path, default "paper"
        Folder of the results; it may hold those of earlier calls.
    quick : bool, default False
        Every row with one repeat, few cases and few updates: to see that it works.
    only : sequence of str, default ()
        Patterns, such as ``"mnist/random/*"`` or ``"EGEM 0"``, of the runs wanted; none is all.
        A run is named ``problem/condition/row/repeat``.
    repeats : int, optional
        New draws and new initial weights; 5, or 1 in a quick look.
    minutes : float, optional
        Begin no run after this long.
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
        Where ``only`` fits no run.
    DatasetUnavailable
        Where a data set is not at hand and this is not a quick look.
    """
    started = time.perf_counter()
    problems = tasks(quick) if problems is None else problems
    everything = plan(problems, repeats or (1 if quick else REPEATS))
    runs = chosen(everything, only)
    if not runs:
        names = ", ".join(sorted({run.row for run in everything}))
        raise ValueError(f"only={list(only)} fits no run; rows are {names}.")
    keep_compiled()
    store = Store(Path(out))
    todo = [run for run in runs if not store.has(run)]
    skipped: dict[str, str] = {}
    weights = _expected_seconds(todo, store)
    try:
        with Progress(f"{len(todo)} of {len(runs)} runs", sum(weights), verbose) as bar:
            for run, weight in zip(todo, weights, strict=True):
                if minutes is not None and time.perf_counter() - started > 60 * minutes:
                    break
                _do(run, store, n_jobs, bar.advance, weight, skipped)
    finally:
        store.write_results(everything)
    n_left = sum(not store.has(run) for run in runs)
    seconds = time.perf_counter() - started
    report = write_report(out)[0] if n_left < len(runs) else None
    return Outcome(report, len(runs) - n_left, n_left, skipped, seconds)


def _do(
    run: Run, store: Store, n_jobs: int | None, bar: Advance, weight: float, skipped: dict[str, str]
) -> None:
    seen = 0.0

    def advance(share: float) -> None:
        nonlocal seen
        seen += share
        bar(weight * share)

    cases = draw(run.task, run.condition if run.condition != "-" else CONDITIONS[1], run.repeat)
    began = time.process_time()  # a run may share its cores, or be stopped for a while
    figures: dict[str, Any] = {}
    arrays: dict[str, Any] = {}
    try:
        if run.row == RECIPE:
            recipe = Schedule.published(run.task.published_updates)
            task = replace(run.task, schedule=recipe, clustered_schedule=None)
            figures, _ = egem_row(
                task, run.condition, run.repeat, cases, 0, run.seed, n_jobs, advance
            )
        elif run.row.startswith("EGEM ") and run.row[5:].isdigit():
            setting = int(run.row[5:])
            figures, arrays = egem_row(
                run.task, run.condition, run.repeat, cases, setting, run.seed, n_jobs, advance
            )
        elif run.row == "fidelity":
            figures = fidelity(run.task, CONDITIONS[1], cases, run.seed, n_jobs, advance)
        elif run.row == "style":
            figures = style(run.task, cases, run.seed, advance)
        elif run.row == "latent":
            figures, arrays = latent(run.task, cases, run.seed, advance)
        elif run.row == FULL:
            figures = forward_lstm(run.task, cases, run.seed, n_jobs)
        else:
            figures = OTHER_ROWS[run.row](run.task, cases, run.seed, n_jobs)
    except PeerMissing as error:
        skipped[run.row] = str(error)
    else:
        store.put(run, time.process_time() - began, figures, arrays)
    advance(1.0 - seen)


def _expected_seconds(todo: Sequence[Run], store: Store) -> list[float]:
    """Guess each run's time from finished ones of its kind."""
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
