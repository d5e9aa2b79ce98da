"""The demo: experts learn from a few real handwritten digits and read a thousand others."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from egem.classifier import EGEMClassifier
from egem.data.datasets import load_dataset
from egem.data.splits import few_shot_split

DATASET = "mnist-5k"


class DemoReport(NamedTuple):
    """What the demo found, and where it left it."""

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


def run_demo(
    out: str | Path,
    *,
    k: int = 4,
    seed: int = 0,
    verbose: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> DemoReport:
    """Fit on k digits a class, classify a held-out fifth, and draw what the experts imagined.

    Parameters
    ----------
    out : path-like
        Folder for the model and the two pictures; made where it does not exist.
    k : int, default 4
        Training digits a class.
    seed : int, default 0
        Of the split and the fit.
    verbose : bool, default False
        Show progress bars.
    say : callable
        Receives a line on each thing done.

    Returns
    -------
    DemoReport

    Raises
    ------
    OSError
        Where the folder cannot be made or written.
    """
    from egem.viz.heatmap import loss_heatmap
    from egem.viz.reconstruction_plot import reconstruction_rows
    from egem.viz.style import save

    begun = time.perf_counter()
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    X, y = load_dataset(DATASET)
    train, test = few_shot_split(y, k=k, seed=seed)
    nearest = KNeighborsClassifier(1).fit(X[train].reshape(len(train), -1), y[train])
    accuracy_1nn = float(nearest.score(X[test].reshape(len(test), -1), y[test]))

    start = time.perf_counter()
    clf = EGEMClassifier(random_state=seed, verbose=verbose).fit(X[train], y[train])
    fitted = time.perf_counter()
    say(f"{len(clf.classes_)} experts learned {k} digits each in {fitted - start:.1f} s")
    inversion = clf.invert(X[test])
    inverted = time.perf_counter()
    taken_for = clf.classes_[inversion.scores.argmin(axis=1)]
    accuracy = float(np.mean(taken_for == y[test]))
    say(f"and imagined {len(test):,} unseen digits in {inverted - fitted:.1f} s")

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
        fitted - start,
        inverted - fitted,
        time.perf_counter() - begun,
        str(model),
        [str(folder / name) for name in figures],
    )
