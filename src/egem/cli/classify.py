"""Commands that use a model on cases."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from .files import check_writable, open_model, read_named, write
from .options import Data, Jobs, Json, Model, Quiet, Step
from .terminal import remark


def predict(
    model: Model,
    data: Data,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where to write; default the screen.")
    ] = None,
    step: Step = None,
    jobs: Jobs = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Classify sequences: a csv line for each, with its probability and its expert's loss.

    Where the data hold labels, they are listed beside and the accuracy is told.
    """
    import numpy as np

    from ..calibration import probabilities

    clf = open_model(model, jobs, quiet or as_json)
    X, y, names, _ = read_named(data, step or clf.time_step_)
    if out is not None:
        check_writable(out)
    inversion = clf.invert(X)
    inversion.check_decided()
    chances = probabilities(inversion.scores, clf.sharpness_)
    winner = inversion.scores.argmin(axis=1)
    cases = np.arange(len(winner))
    columns: dict[str, Any] = {
        "case": names or cases.tolist(),
        "predicted": clf.classes_[winner].tolist(),
        "probability": [round(float(p), 4) for p in chances[cases, winner]],
        "loss": [float(f"{v:.5g}") for v in inversion.losses[cases, winner]],
    }
    accuracy = None
    if y is not None:
        columns["label"] = y.tolist()
        accuracy = float(np.mean(clf.classes_[winner].astype(str) == y.astype(str)))
    if as_json:
        whole = {
            "classes": clf.classes_.tolist(),
            "accuracy": accuracy,
            "cases": [{name: of[i] for name, of in columns.items()} for i in cases],
            "probabilities": np.round(chances, 5).tolist(),
        }
        write(json.dumps(whole), out)
    else:
        import pandas as pd

        write(pd.DataFrame(columns).to_csv(index=False).rstrip("\n"), out)
    if accuracy is not None and not quiet:
        remark(f"accuracy {accuracy:.4f} on {len(winner):,} labelled cases")
