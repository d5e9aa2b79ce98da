"""``egem reproduce``."""

from pathlib import Path
from typing import Annotated

import typer

from egem.apps.cli.options import Jobs, Json, Quiet
from egem.apps.cli.terminal import interactive, print_json, remark


def reproduce(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of results and report.")] = Path(
        "paper"
    ),
    quick: Annotated[
        bool, typer.Option("--quick", help="Every row once, with few cases: minutes, not hours.")
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Runs wanted, e.g. 'mnist/random/*' or 'EGEM 0'; may be repeated."),
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(min=1, help="New draws and weights; default 5, quick 1.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Begin no run after this long.")
    ] = None,
    jobs: Jobs = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Redo the paper's table and figures beside the published ones; stopped, it carries on."""
    from egem.apps.paper import reproduce as work

    outcome = work(
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
            remark(f"left out: {row} ({reason})")
        if outcome.n_left:
            print(f"{outcome.n_left} runs are left; the same command carries on")
        print(f"{outcome.n_done} runs done, {outcome.seconds:.0f} s now: {outcome.report}")
