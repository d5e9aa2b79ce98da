"""``egem predict``."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from egem.apps.cli.files import check_writable, match_model, open_model, read_for_model, write
from egem.apps.cli.options import Cluster, Data, Jobs, Json, Model, Quiet, Step, describes_data
from egem.apps.cli.terminal import note

if TYPE_CHECKING:
    from egem.data.sequences import Named
    from egem.ensemble.result import Inversion
    from egem.readers.hints import Hints

PARQUET = ".parquet"


class OutputOptions(NamedTuple):
    """What is written beside the predicted class, its probability and its loss."""

    reject: float | None  # level below which cases are unknown
    sets: float | None  # error rate of the sets
    probabilities: bool  # whether those of all classes


@describes_data
def predict(
    model: Model,
    data: Data,
    *,
    hints: "Hints",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Output file (.csv, .parquet); default stdout."),
    ] = None,
    reject: Annotated[
        float | None,
        typer.Option(help="Share of known cases that may be called unknown; adds the p-value."),
    ] = None,
    sets: Annotated[
        float | None,
        typer.Option(help="Error rate of sets of classes that cannot be excluded; adds the set."),
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Add the probability of every class.")
    ] = False,
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
    from egem.data.validation import check_share
    from egem.runtime.executors import dask_cluster

    for name, share in (("--reject", reject), ("--sets", sets)):
        if share is not None:
            check_share(name, share)
    clf = open_model(model, jobs, quiet or as_json)
    options = OutputOptions(reject, sets, probabilities or as_json)
    if out is not None:
        check_writable(out)
    with dask_cluster(cluster):
        if as_json:
            _as_json(clf, data, hints, step, out, options)
            return
        if out is not None and out.suffix.lower() == PARQUET:
            count = _as_parquet(clf, data, hints, quiet, step, out, options)
        else:
            import pandas as pd

            columns = _columns(clf, read_for_model(clf, data, hints, quiet, step), options)
            shown = pd.DataFrame(_rounded(columns))
            write(shown.to_csv(index=False).rstrip("\n"), out)
            count = _count(clf, columns)
    if not quiet and count.accuracy is not None:
        note(f"accuracy {count.accuracy:.4f} on {count.labelled:,} labelled cases")
    elif not quiet and count.labelled:
        note("no accuracy: none of the labels is a class of the model")


def _columns(clf, cases: "Named", options: OutputOptions, first: int = 0) -> dict[str, Any]:
    """Return the output columns; ``first`` is the number of the first case without names."""
    import numpy as np

    columns: dict[str, Any] = {"case": cases.cases or list(range(first, first + len(cases.X)))}
    if options == OutputOptions(None, None, False):
        found = clf.verdicts(cases.X)
        columns["predicted"] = clf.classes_[found.winners]
        columns |= {"probability": found.probabilities, "loss": found.losses}
    else:
        columns |= _optional_columns(_inverted(clf, cases.X, options.sets is not None), options)
    return columns if cases.y is None else columns | {"label": np.asarray(cases.y)}


def _inverted(clf, X, all_scores: bool) -> "Inversion":
    """Invert cases as far as probabilities need, or all scores."""
    from egem.data.validation import cases_of
    from egem.ensemble.inversion import invert
    from egem.ensemble.search import ALL

    model = clf.model_.without_idle_experts
    return invert(
        model,
        cases_of(clf, X, model.preparation),
        ALL if all_scores else model.need_of_probabilities,
        clf.n_jobs,
        clf.verbose,
        decided=True,
        codes=False,
    )


def _optional_columns(found: "Inversion", options: OutputOptions) -> dict[str, Any]:
    import numpy as np

    from egem.ensemble.result import unknown_label

    p, winners = found.probabilities(), found.winners
    of_winners = np.arange(len(p)), winners
    columns: dict[str, Any] = {"predicted": found.classes[winners]}
    columns |= {"probability": p[of_winners], "loss": found.losses[of_winners]}
    if options.reject is not None:
        columns["p_value"] = found.p_value()
        other = unknown_label(found.classes, None)
        columns["predicted"] = np.where(
            columns["p_value"] > options.reject, columns["predicted"], other
        )
    names = found.classes.astype(str)
    if options.sets is not None:
        sets = found.prediction_set(options.sets)
        columns["set"] = np.array([" ".join(names[row]) for row in sets], object)
    if options.probabilities:
        columns |= {f"p({name})": p[:, e] for e, name in enumerate(names)}
    return columns


def _rounded(columns: dict[str, Any]) -> dict[str, list]:
    lists = {name: list(v) if name == "case" else v.tolist() for name, v in columns.items()}
    for name in lists:
        if name == "probability" or name.startswith("p("):
            lists[name] = [round(p, 4 if name == "probability" else 5) for p in lists[name]]
        elif name in ("loss", "p_value"):
            lists[name] = [float(f"{v:.5g}") for v in lists[name]]
    return lists


class _Count(NamedTuple):
    """Cases classified correctly, with a label, and with that of a class of the model."""

    correct: int
    labelled: int
    known: int

    @property
    def accuracy(self) -> float | None:
        """Accuracy; None without a label that is a class of the model."""
        return self.correct / self.labelled if self.known else None


def _count(clf, columns: dict[str, Any]) -> _Count:
    import numpy as np

    if "label" not in columns:
        return _Count(0, 0, 0)
    labels, classes = columns["label"].astype(str), clf.classes_.astype(str)
    correct = columns["predicted"].astype(str) == labels
    known = np.isin(labels, classes)
    return _Count(int(correct.sum()), len(labels), int(known.sum()))


def _as_parquet(
    clf, data: str, hints: "Hints", quiet: bool, step, out: Path, options: OutputOptions
) -> _Count:
    import numpy as np

    from egem.readers.tables import parquet_writer

    counts = []
    with parquet_writer(out) as write_columns:
        for first, cases in _parts(clf, data, hints, quiet, step):
            columns = _columns(clf, cases, options, first)
            write_columns({name: np.asarray(v).tolist() for name, v in columns.items()})
            counts.append(_count(clf, columns))
    return _Count(*map(sum, zip(*counts, strict=True)))


def _parts(
    clf, data: str, hints: "Hints", quiet: bool, step: float | None
) -> Iterator[tuple[int, "Named"]]:
    from egem.readers.partitions import is_long, partitions

    if Path(data).suffix.lower() == PARQUET and not any(hints) and is_long(Path(data)):
        for first, cases in partitions(Path(data), step or clf.time_step_):
            yield first, match_model(clf, data, step, cases)
    else:
        yield 0, read_for_model(clf, data, hints, quiet, step)


def _as_json(
    clf, data: str, hints: "Hints", step, out: Path | None, options: OutputOptions
) -> None:
    columns = _columns(clf, read_for_model(clf, data, hints, True, step), options)
    count = _count(clf, columns)
    rounded = _rounded(columns)
    by_class = [rounded.pop(f"p({name})") for name in clf.classes_.astype(str)]
    result = {
        "classes": clf.classes_.tolist(),
        "accuracy": count.accuracy,
        "cases": [
            dict(zip(rounded, row, strict=True)) for row in zip(*rounded.values(), strict=True)
        ],
        "probabilities": [list(row) for row in zip(*by_class, strict=True)],
    }
    write(json.dumps(result), out)
