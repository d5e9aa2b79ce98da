"""``egem reproduce`` and ``egem bench``: the paper's experiments and the benchmarks."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from egem.apps.cli.options import Jobs, Json, Quiet
from egem.apps.cli.terminal import interactive, note, print_json

SCRIPT = Path(__file__).resolve().parents[4] / "benchmarks" / "speed.py"


def reproduce(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the results and the report.")
    ] = Path("paper"),
    quick: Annotated[
        bool, typer.Option("--quick", help="Run every row once with few cases: minutes, not hours.")
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Runs to do, e.g. 'mnist/random/*' or 'EGEM 0'; repeatable."),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(min=1, help="Repetitions with new splits and weights; default 5, quick 1."),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Start no further run after this time.")
    ] = None,
    jobs: Jobs = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Reproduce the paper's table and figures; an interrupted run can be resumed."""
    from egem.apps.paper import reproduce as run

    outcome = run(
        out,
        quick=quick,
        only=only or (),
        repeats=repeats,
        minutes=minutes,
        n_jobs=jobs,
        verbose=interactive(quiet or as_json),
    )
    if as_json:
        report = outcome.report and str(outcome.report)
        print_json(outcome._asdict() | {"report": report})
    elif not quiet:
        for row, reason in outcome.skipped.items():
            note(f"skipped: {row} ({reason})")
        if outcome.n_left:
            print(f"{outcome.n_left} runs remain; repeat the command to resume")
        print(f"{outcome.n_done} runs done, {outcome.seconds:.0f} s this time: {outcome.report}")


def bench(
    parts: Annotated[
        list[str] | None,
        typer.Option(
            "--part", help="published, peers, large, start, kernel or growth; repeatable."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the table and the report.")
    ] = Path("egem-bench"),
    quiet: Quiet = False,
) -> None:
    """Compare the speed with other classifiers; an interrupted run can be resumed."""
    if not SCRIPT.exists():
        raise FileNotFoundError(
            "egem bench runs benchmarks/speed.py, which is not part of the installed package; "
            "clone the repository and run make bench there."
        )
    command = [sys.executable, str(SCRIPT), "--out", str(out), "--work", str(out)]
    if parts:
        command += ["--parts", *parts]
    stdout = subprocess.DEVNULL if quiet else None
    code = subprocess.run(command, stdout=stdout).returncode
    if code:
        raise typer.Exit(2 if code == 2 else 1)
    if not quiet:
        print(f"report: {out / 'speed.md'}")
