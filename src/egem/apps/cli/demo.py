"""``egem demo``."""

from pathlib import Path
from typing import Annotated

import typer

from egem.apps.cli.options import Json, Quiet, Seed
from egem.apps.cli.terminal import interactive, print_json


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")] = Path(
        "egem-demo"
    ),
    k: Annotated[int, typer.Option("--k", min=1, help="Training digits a class.")] = 4,
    seed: Seed = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Learn ten digits from four examples each, read unseen ones, draw what was imagined."""
    from egem.apps.demo import run_demo

    quiet = quiet or as_json
    report = run_demo(
        out, k=k, seed=seed, verbose=interactive(quiet), say=_silent if quiet else print
    )
    if as_json:
        print_json(report._asdict())
        return
    gained = (report.accuracy - report.accuracy_1nn) * report.n_test
    print(
        f"\naccuracy on {report.n_test:,} digits never seen, from {k} examples a class\n"
        f"  egem               {report.accuracy:.3f}\n"
        f"  nearest neighbour  {report.accuracy_1nn:.3f}\n"
        f"({gained:+.0f} digits; "
        f"{report.seconds_total:.0f} s in all, compilation included)\n\n"
        "look at\n  " + "\n  ".join(report.pictures) + "\nmodel\n  " + report.model
    )


def _silent(_: str) -> None:
    pass
