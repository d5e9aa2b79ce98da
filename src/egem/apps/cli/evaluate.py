"""The command that judges a model by labelled cases."""

from pathlib import Path
from typing import Annotated

import typer

from egem.apps.cli.files import check_writable, open_model, read
from egem.apps.cli.options import Data, Jobs, Json, Model, Quiet, Step
from egem.apps.cli.terminal import print_json
from egem.runtime.files import write_whole


def evaluate(
    model: Model,
    data: Data,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Page to write (.html).")] = None,
    step: Step = None,
    jobs: Jobs = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Tell accuracy, calibration, coverage and rejection on labelled cases the model has not seen.

    Cases whose label is no class of the model count as unknown.
    """
    from egem.evaluate import evaluate as judge
    from egem.viz.evaluation_page import evaluation_page, facts

    clf = open_model(model, jobs, quiet or as_json)
    X, y = read(data, step or clf.time_step_)
    if y is None:
        raise ValueError(f"{data}: there are no labels to judge by; add a column or array of them.")
    if out is not None:
        check_writable(out)
    found = judge(clf, X, y)
    if out is not None:
        write_whole(out, evaluation_page(found, data))
    if as_json:
        print_json(found.as_dict())
    elif not quiet:
        for name, value in facts(found):
            print(f"{name:<42}  {value}")
        if out is not None:
            print(out)
