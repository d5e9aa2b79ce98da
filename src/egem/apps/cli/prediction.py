"""``egem predict``."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from egem.apps.cli.files import check_writable, for_model, open_model, read_for, write
from egem.apps.cli.options import Cluster, Data, Jobs, Json, Model, Quiet, Step
from egem.apps.cli.terminal import note

if TYPE_CHECKING:
    from egem.data.sequences import Named
    from egem.ensemble.inversion import Decisions

PARQUET = ".parquet"


def predict(
    model: Model,
    data: Data,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Output file (.csv, .parquet); default stdout."),
    ] = None,
    step: Step = None,
    jobs: Jobs = None,
    cluster: Cluster = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Classify sequences: one csv line each, with the probability and the loss of the expert.

    With labelled data, the labels are listed as well and the accuracy is printed. From .parquet to
    .parquet the cases are processed in parts, so the files may be larger than memory.
    """
    from egem.runtime.executors import dask_cluster

    clf = open_model(model, jobs, quiet or as_json)
    if out is not None:
        check_writable(out)
    with dask_cluster(cluster):
        if as_json:
            _as_json(clf, data, step, out)
            return
        if out is not None and out.suffix.lower() == PARQUET:
            n_correct, n_labelled = _as_parquet(clf, data, step, out)
        else:
            import pandas as pd

            named = read_for(clf, data, step)
            columns = _columns(clf, named, clf.verdicts(named.X))
            shown = pd.DataFrame(_rounded(columns))
            write(shown.to_csv(index=False).rstrip("\n"), out)
            n_correct, n_labelled = _count_correct(columns)
    if n_labelled and not quiet:
        note(f"accuracy {n_correct / n_labelled:.4f} on {n_labelled:,} labelled cases")


def _columns(clf, cases: "Named", decisions: "Decisions", first: int = 0) -> dict[str, Any]:
    """Return the output columns; ``first`` is the number of the first case without names."""
    import numpy as np

    columns = {
        "case": cases.cases or list(range(first, first + len(cases.X))),
        "predicted": clf.classes_[decisions.winners],
        "probability": decisions.probabilities,
        "loss": decisions.losses,
    }
    return columns if cases.y is None else columns | {"label": np.asarray(cases.y)}


def _rounded(columns: dict[str, Any]) -> dict[str, list]:
    lists = {name: list(v) if name == "case" else v.tolist() for name, v in columns.items()}
    lists["probability"] = [round(p, 4) for p in lists["probability"]]
    lists["loss"] = [float(f"{v:.5g}") for v in lists["loss"]]
    return lists


def _count_correct(columns: dict[str, Any]) -> tuple[int, int]:
    """Count the cases classified correctly and those that have a label."""
    if "label" not in columns:
        return 0, 0
    correct = columns["predicted"].astype(str) == columns["label"].astype(str)
    return int(correct.sum()), len(correct)


def _as_parquet(clf, data: str, step: float | None, out: Path) -> tuple[int, int]:
    import numpy as np

    from egem.readers.tables import parquet_writer

    n_correct = n_labelled = 0
    with parquet_writer(out) as write_columns:
        for first, cases in _parts(clf, data, step):
            columns = _columns(clf, cases, clf.verdicts(cases.X), first)
            write_columns({name: np.asarray(v).tolist() for name, v in columns.items()})
            correct, labelled = _count_correct(columns)
            n_correct, n_labelled = n_correct + correct, n_labelled + labelled
    return n_correct, n_labelled


def _parts(clf, data: str, step: float | None) -> Iterator[tuple[int, "Named"]]:
    from egem.readers.partitions import partitions

    if Path(data).suffix.lower() == PARQUET:
        for first, cases in partitions(Path(data), step or clf.time_step_):
            yield first, for_model(clf, data, step, cases)
    else:
        yield 0, read_for(clf, data, step)


def _as_json(clf, data: str, step: float | None, out: Path | None) -> None:
    import numpy as np

    from egem.data.validation import cases_of
    from egem.ensemble.inversion import Decisions, invert

    named = read_for(clf, data, step)
    model = clf.model_
    inversion = invert(
        model,
        cases_of(clf, named.X, model.preparation),
        model.need_of_probabilities,
        clf.n_jobs,
        clf.verbose,
        decided=True,
        codes=False,
    )
    columns = _columns(clf, named, Decisions.of(inversion))
    n_correct, n_labelled = _count_correct(columns)
    rounded = _rounded(columns)
    result = {
        "classes": clf.classes_.tolist(),
        "accuracy": n_correct / n_labelled if n_labelled else None,
        "cases": [
            dict(zip(rounded, row, strict=True)) for row in zip(*rounded.values(), strict=True)
        ],
        "probabilities": np.round(inversion.probabilities(), 5).tolist(),
    }
    write(json.dumps(result), out)
