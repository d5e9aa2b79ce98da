"""``egem fit``."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from egem.apps.cli.files import check_writable, read_named, take
from egem.apps.cli.info import describe
from egem.apps.cli.options import Cluster, Data, Jobs, Json, Quiet, Seed, Step, describes_data
from egem.apps.cli.terminal import interactive, print_json

if TYPE_CHECKING:
    from egem.readers.hints import Hints


@describes_data
def fit(
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", help="Model file to write.")],
    *,
    hints: "Hints",
    k: Annotated[
        int | None, typer.Option("--k", min=1, help="Train on k random cases per class only.")
    ] = None,
    views: Annotated[
        str,
        typer.Option(
            help="auto, or some of recurrent (EGEM alone), linear, features and columns, "
            "separated by commas."
        ),
    ] = "auto",
    metric: Annotated[
        str, typer.Option(help="Metric of the recurrent view: whitened, or the paper's mse.")
    ] = "whitened",
    augment: Annotated[
        str, typer.Option(help="Augmentation: auto, none, series, pen or image.")
    ] = "auto",
    cells: Annotated[
        int | None, typer.Option(min=1, help="LSTM cells of each expert; default by the data.")
    ] = None,
    updates: Annotated[
        int | None, typer.Option(min=1, help="Training updates; default by the data.")
    ] = None,
    step: Step = None,
    seed: Seed = 0,
    jobs: Jobs = None,
    cluster: Cluster = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="Folder in which finished experts are stored, so that an interrupted fit can be "
            "resumed."
        ),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train one expert for each class of labelled sequences and write the model."""
    from egem.classifier import EGEMClassifier
    from egem.core.lstm import LSTMDecoder
    from egem.data.splits import few_shot_split
    from egem.runtime.executors import dask_cluster
    from egem.settings import Training

    X, y, _, channels, own_step, _ = read_named(data, hints, quiet or as_json, step)
    if y is None:
        raise ValueError(f"{data}: there are no labels to train on; add a column or array of them.")
    n_held_out = 0
    if k is not None:
        train, test = few_shot_split(y, k=k, seed=seed)
        n_held_out = len(test)
        X, y = take(X, train), y[train]
    check_writable(out)
    start = time.perf_counter()
    clf = EGEMClassifier(
        views=views if views == "auto" else tuple(name.strip() for name in views.split(",")),
        metric=metric,
        augment=augment,  # pyright: ignore[reportArgumentType]
        decoder=None if cells is None else LSTMDecoder(cells),
        training=Training(
            n_updates=updates, checkpoint=None if checkpoint is None else str(checkpoint)
        ),
        n_jobs=jobs,
        random_state=seed,
        verbose=interactive(quiet or as_json),
    )
    with dask_cluster(cluster):
        clf.fit(X, y)
    seconds = time.perf_counter() - start
    clf.time_step_, clf.channel_names_ = step or own_step, channels
    clf.save(out)
    if as_json:
        times = {"seconds": seconds, "timings": clf.fit_seconds_}
        print_json({"model": str(out), **times, "n_cases": len(y)} | describe(clf))
    elif not quiet:
        print(
            f"{len(clf.classes_)} experts trained on {len(y)} cases in {seconds:.1f} s: {out}"
            + (f"\n{n_held_out} other cases are held out (seed {seed})" if n_held_out else "")
        )
