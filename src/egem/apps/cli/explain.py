"""The commands that show what experts imagined: `explain` and `complete`."""

from pathlib import Path
from typing import Annotated

import typer

from egem.apps.cli.change import typed
from egem.apps.cli.files import check_writable, open_model, read, read_named
from egem.apps.cli.options import Data, Jobs, Model, Quiet, Step
from egem.apps.cli.terminal import remark
from egem.runtime.files import write_whole

Report = Annotated[Path, typer.Option("--out", "-o", help="Page to write (.html).")]


def explain(
    model: Model,
    data: Data,
    out: Report = Path("explanation.html"),
    cases: Annotated[
        list[int] | None,
        typer.Option("--case", min=0, help="Which cases, from 0; may be repeated."),
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="Most cases, the least certain first.")] = 12,
    step: Step = None,
    jobs: Jobs = None,
    quiet: Quiet = False,
) -> None:
    """Show why cases are classified as they are: one page that needs no other file."""
    from egem.viz.explanation_page import explanation_page

    clf = open_model(model, jobs, quiet)
    X, y = read(data, step or clf.time_step_)
    check_writable(out)
    beyond = [i for i in cases or () if i >= len(X)]
    if beyond:
        raise ValueError(f"--case {beyond[0]}: {data} holds cases 0 to {len(X) - 1}.")
    write_whole(out, explanation_page(clf, X, y, cases or None, most, data))
    if not quiet:
        print(out)


def complete(
    model: Model,
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write (.csv or .parquet).")],
    label: Annotated[
        str | None, typer.Option(help="Whose expert completes; default each case's winner.")
    ] = None,
    level: Annotated[float, typer.Option(help="Share of values the band should hold.")] = 0.9,
    step: Step = None,
    jobs: Jobs = None,
    quiet: Quiet = False,
) -> None:
    """Fill gaps and continue prefixes, with a band; a row for each time point."""
    import numpy as np

    from egem.data.long_format import write_long

    clf = open_model(model, jobs, quiet)
    X, _, cases, channels = read_named(data, step or clf.time_step_)
    check_writable(out)
    whole = clf.complete(X, None if label is None else typed(clf, label), level)
    bands = np.concatenate([whole.values, whole.low, whole.high], axis=1)
    of = channels or [f"channel_{c}" for c in range(whole.values.shape[1])]
    columns = [*of, *(f"{end}_{name}" for end in ("low", "high") for name in of)]
    write_long(out, bands, whole.labels, columns, cases)
    if not quiet:
        remark(f"{len(bands)} cases of {bands.shape[2]} time points: {out}")
