"""Commands that use a model on cases."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from egem.apps.cli.files import check_writable, open_model, read_named, write
from egem.apps.cli.options import Cluster, Data, Jobs, Json, Model, Quiet, Step
from egem.apps.cli.terminal import remark

if TYPE_CHECKING:
    from egem.data.sequences import Named
    from egem.judging import Verdicts

PARQUET = ".parquet"


def predict(
    model: Model,
    data: Data,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Where to write (.csv, .parquet); default the screen."),
    ] = None,
    step: Step = None,
    jobs: Jobs = None,
    cluster: Cluster = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Classify sequences: a csv line for each, with its probability and its expert's loss.

    Where the data hold labels, they are listed beside and the accuracy is told. From .parquet to
    .parquet the cases are worked on in parts, so that the files may be larger than memory.
    """
    from egem.runtime.executors import dask_cluster

    clf = open_model(model, jobs, quiet or as_json)
    step = step or clf.time_step_
    if out is not None:
        check_writable(out)
    with dask_cluster(cluster):
        if as_json:
            _as_json(clf, data, step, out)
            return
        if out is not None and out.suffix.lower() == PARQUET:
            n_right, n_labelled = _as_parquet(clf, data, step, out)
        else:
            import pandas as pd

            named = read_named(data, step)
            columns = _columns(clf, named, clf.verdicts(named.X))
            shown = pd.DataFrame(_rounded(columns))
            write(shown.to_csv(index=False).rstrip("\n"), out)
            n_right, n_labelled = _right(columns)
    if n_labelled and not quiet:
        remark(f"accuracy {n_right / n_labelled:.4f} on {n_labelled:,} labelled cases")


def _columns(clf, cases: "Named", found: "Verdicts", first: int = 0) -> dict[str, Any]:
    """List verdicts; the first case is number ``first`` where cases have no names."""
    import numpy as np

    columns = {
        "case": cases.cases or list(range(first, first + len(cases.X))),
        "predicted": clf.classes_[found.winners],
        "probability": found.probabilities,
        "loss": found.losses,
    }
    return columns if cases.y is None else columns | {"label": np.asarray(cases.y)}


def _rounded(columns: dict[str, Any]) -> dict[str, list]:
    whole = {name: list(of) if name == "case" else of.tolist() for name, of in columns.items()}
    whole["probability"] = [round(p, 4) for p in whole["probability"]]
    whole["loss"] = [float(f"{v:.5g}") for v in whole["loss"]]
    return whole


def _right(columns: dict[str, Any]) -> tuple[int, int]:
    """Count the cases whose label was predicted, and those that have one."""
    if "label" not in columns:
        return 0, 0
    right = columns["predicted"].astype(str) == columns["label"].astype(str)
    return int(right.sum()), len(right)


def _as_parquet(clf, data: str, step: float | None, out: Path) -> tuple[int, int]:
    import numpy as np

    from egem.data.tables import parquet_writer

    n_right = n_labelled = 0
    with parquet_writer(out) as write_columns:
        for first, cases in _parts(data, step):
            columns = _columns(clf, cases, clf.verdicts(cases.X), first)
            write_columns({name: np.asarray(of).tolist() for name, of in columns.items()})
            right, labelled = _right(columns)
            n_right, n_labelled = n_right + right, n_labelled + labelled
    return n_right, n_labelled


def _parts(data: str, step: float | None) -> Iterator[tuple[int, "Named"]]:
    from egem.data.partitions import partitions

    if Path(data).suffix.lower() == PARQUET:
        yield from partitions(Path(data), step)
    else:
        yield 0, read_named(data, step)


def _as_json(clf, data: str, step: float | None, out: Path | None) -> None:
    import numpy as np

    from egem.calibration.temperature import probabilities
    from egem.judging import verdicts

    named = read_named(data, step)
    inversion = clf._judged(named.X)
    chances = probabilities(inversion.scores, clf.sharpness_)
    columns = _columns(clf, named, verdicts(inversion, clf.sharpness_))
    n_right, n_labelled = _right(columns)
    shown = _rounded(columns)
    whole = {
        "classes": clf.classes_.tolist(),
        "accuracy": n_right / n_labelled if n_labelled else None,
        "cases": [dict(zip(shown, row, strict=True)) for row in zip(*shown.values(), strict=True)],
        "probabilities": np.round(chances, 5).tolist(),
    }
    write(json.dumps(whole), out)
