"""``egem explain``, ``egem complete`` and ``egem evaluate``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from egem.apps.cli.classes import typed
from egem.apps.cli.files import check_writable, open_model, read_for_model
from egem.apps.cli.options import Data, Jobs, Json, Model, Quiet, Step, describes_data
from egem.apps.cli.terminal import note, print_json
from egem.runtime.files import atomic_write_text

if TYPE_CHECKING:
    from egem.readers.hints import Hints

Page = typer.Option("--out", "-o", help="Page to write (.html).")


@describes_data
def explain(
    model: Model,
    data: Data,
    *,
    hints: "Hints",
    out: Annotated[Path, Page] = Path("explanation.html"),
    cases: Annotated[
        list[int] | None,
        typer.Option("--case", min=0, help="Numbers of the cases, from 0; repeatable."),
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="Most cases, the least certain first.")] = 12,
    step: Step = None,
    jobs: Jobs = None,
    quiet: Quiet = False,
) -> None:
    """Show on a self-contained page why cases are classified as they are."""
    from egem.viz.explanation_page import explanation_page

    clf = open_model(model, jobs, quiet)
    X, y, *_ = read_for_model(clf, data, hints, quiet, step)
    check_writable(out)
    invalid = [i for i in cases or () if i >= len(X)]
    if invalid:
        raise ValueError(f"--case {invalid[0]}: {data} holds cases 0 to {len(X) - 1}.")
    atomic_write_text(out, explanation_page(clf, X, y, cases or None, most, data))
    if not quiet:
        print(out)


@describes_data
def complete(
    model: Model,
    data: Data,
    *,
    hints: "Hints",
    out: Annotated[Path, typer.Option("--out", "-o", help="Output file (.csv or .parquet).")],
    label: Annotated[
        str | None, typer.Option(help="Class whose expert completes; default the predicted one.")
    ] = None,
    level: Annotated[float, typer.Option(help="Coverage of the band for each value.")] = 0.9,
    step: Step = None,
    jobs: Jobs = None,
    quiet: Quiet = False,
) -> None:
    """Fill gaps and continue prefixes, with a band; one row for each time point."""
    import numpy as np

    from egem.readers.long_format import write_long

    clf = open_model(model, jobs, quiet)
    X, _, cases, channels, *_ = read_for_model(clf, data, hints, quiet, step)
    check_writable(out)
    completion = clf.complete(X, None if label is None else typed(clf, label), level)
    values = np.concatenate([completion.values, completion.low, completion.high], axis=1)
    names = channels or [f"channel_{c}" for c in range(completion.values.shape[1])]
    columns = [*names, *(f"{bound}_{name}" for bound in ("low", "high") for name in names)]
    write_long(out, values, completion.labels, columns, cases)
    if not quiet:
        note(f"{len(values)} cases of {values.shape[2]} time points: {out}")


@describes_data
def evaluate(
    model: Model,
    data: Data,
    *,
    hints: "Hints",
    out: Annotated[Path | None, Page] = None,
    step: Step = None,
    jobs: Jobs = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Report accuracy, calibration, coverage and rejection on labelled test cases.

    Cases whose label is not a class of the model count as unknown.
    """
    from egem.evaluate import evaluate as evaluate_model
    from egem.model import Runtime
    from egem.viz.evaluation_page import evaluation_page, facts

    clf = open_model(model, jobs, quiet or as_json)
    X, y, *_ = read_for_model(clf, data, hints, quiet or as_json, step)
    if y is None:
        raise ValueError(
            f"{data}: there are no labels to compare with; add a column or array of them."
        )
    if out is not None:
        check_writable(out)
    evaluation = evaluate_model(clf.model_, X, y, Runtime(clf.n_jobs, clf.verbose))
    if out is not None:
        atomic_write_text(out, evaluation_page(evaluation, data))
    if as_json:
        print_json(evaluation.as_dict())
    elif not quiet:
        for name, value in facts(evaluation):
            print(f"{name:<42}  {value}")
        if out is not None:
            print(out)
