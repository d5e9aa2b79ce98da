"""``egem bench``."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from egem.apps.cli.options import Quiet

SCRIPT = Path(__file__).resolve().parents[4] / "benchmarks" / "speed.py"


def bench(
    parts: Annotated[
        list[str] | None,
        typer.Option(
            "--part", help="published, peers, large, start, kernel or growth; repeatable."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the table and the report.")
    ] = Path("egem-bench"),
    quiet: Quiet = False,
) -> None:
    """Time egem beside the published procedure and other classifiers; stopped, it carries on."""
    if not SCRIPT.exists():
        raise FileNotFoundError(
            "egem bench runs benchmarks/speed.py, which is not part of the installed package; "
            "clone the repository and say make bench there."
        )
    command = [sys.executable, str(SCRIPT), "--out", str(out), "--work", str(out)]
    if parts:
        command += ["--parts", *parts]
    stdout = subprocess.DEVNULL if quiet else None
    code = subprocess.run(command, stdout=stdout).returncode
    if code:
        raise typer.Exit(2 if code == 2 else 1)
    if not quiet:
        print(f"the report: {out / 'speed.md'}")
