"""``egem demo``: learn a few real handwritten digits and classify a thousand others."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from egem.apps.cli.options import Json, Quiet, Seed
from egem.apps.cli.terminal import interactive, print_json

DATASET = "mnist-5k"


class DemoReport(NamedTuple):
    """Results of the demo and the files it wrote."""

    dataset: str
    k: int
    n_classes: int
    n_test: int
    accuracy: float
    accuracy_1nn: float
    seconds_fit: float
    seconds_classify: float
    seconds_total: float
    model: str
    pictures: list[str]


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.")] = Path("egem-demo"),
    k: Annotated[int, typer.Option("--k", min=1, help="Training digits per class.")] = 4,
    seed: Seed = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Learn ten digits from four examples each, classify others, and draw the reconstructions."""
    quiet = quiet or as_json
    report = _run(out, k, seed, interactive(quiet), (lambda _: None) if quiet else print)
    if as_json:
        print_json(report._asdict())
        return
    gained = (report.accuracy - report.accuracy_1nn) * report.n_test
    print(
        f"\naccuracy on {report.n_test:,} test digits, from {k} examples per class\n"
        f"  egem               {report.accuracy:.3f}\n"
        f"  nearest neighbour  {report.accuracy_1nn:.3f}\n"
        f"({gained:+.0f} digits; "
        f"{report.seconds_total:.0f} s in total, including compilation)\n\n"
        "pictures\n  " + "\n  ".join(report.pictures) + "\nmodel\n  " + report.model
    )


def _run(
    folder: Path, k: int, seed: int, verbose: bool, report: Callable[[str], None]
) -> DemoReport:
    """Fit on ``k`` digits per class, classify a held-out fifth, and draw the reconstructions."""
    import numpy as np
    from sklearn.neighbors import KNeighborsClassifier

    from egem.classifier import EGEMClassifier
    from egem.data.splits import few_shot_split
    from egem.readers.datasets import load_dataset
    from egem.viz.heatmap import loss_heatmap
    from egem.viz.reconstruction_plot import reconstruction_rows
    from egem.viz.style import save

    start = time.perf_counter()
    X, y = load_dataset(DATASET)
    X = np.asarray(X)
    folder.mkdir(parents=True, exist_ok=True)
    train, test = few_shot_split(y, k=k, seed=seed)
    nearest = KNeighborsClassifier(1).fit(X[train].reshape(len(train), -1), y[train])
    accuracy_1nn = float(nearest.score(X[test].reshape(len(test), -1), y[test]))

    fit_start = time.perf_counter()
    clf = EGEMClassifier(random_state=seed, verbose=verbose).fit(X[train], y[train])
    fit_end = time.perf_counter()
    report(f"{len(clf.classes_)} experts trained on {k} digits each in {fit_end - fit_start:.1f} s")
    inversion = clf.invert(X[test])
    classify_end = time.perf_counter()
    accuracy = float(np.mean(inversion.labels() == y[test]))
    report(f"{len(test):,} test digits classified in {classify_end - fit_end:.1f} s")

    model = folder / "model.safetensors"
    clf.save(model)
    figures = {
        "reconstructions.png": reconstruction_rows(clf, X[train], y[train], X[test], y[test]),
        "losses.png": loss_heatmap(inversion.losses, y[test], clf.classes_),
    }
    for name, figure in figures.items():
        save(figure, folder / name)
    return DemoReport(
        DATASET,
        k,
        len(clf.classes_),
        len(test),
        accuracy,
        accuracy_1nn,
        fit_end - fit_start,
        classify_end - fit_end,
        time.perf_counter() - start,
        str(model),
        [str(folder / name) for name in figures],
    )
