"""The rows of EGEM: published experts, searched as published, at one noise setting."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32, Int

from egem.apps.paper.iterations import Iterations, iterations, without_steps
from egem.apps.paper.protocol import (
    CONDITIONS,
    N_SETTINGS,
    RECIPE,
    Draw,
    Task,
)
from egem.apps.paper.runs import Arrays, Figures, Result, Run
from egem.classifier import EGEMClassifier
from egem.core.lstm import LSTMDecoder
from egem.ensemble.inversion import invert
from egem.ensemble.result import Inversion
from egem.model import Model

PER_CLASS_SHOWN = 20  # unseen cases a class in the heat map, as published
MIXED = 0.9  # a code whose largest entry is lower mixes training sequences
TRACED = 0, 1, 3  # noise settings whose search is recorded at every iteration
DRAWN = 4  # cases of one class kept for the pictures
N_FIDELITY_CLASSES = 4


def classifier(
    task: Task, condition: str, setting: int, seed: int, n_jobs: int | None, published: bool = False
) -> EGEMClassifier:
    """Return the published classifier at a noise setting, trained by our schedule or as published.

    Parameters
    ----------
    task, condition
        The problem.
    setting : int
        Number of the noise setting; 0 is *base*.
    seed : int
        Of weights, training noise and starts.
    n_jobs : int or None
        Threads.
    published : bool, default False
        Whether training is the paper's, too.
    """
    noise, updates = task.noise(condition)[setting], task.published_updates
    clf = EGEMClassifier.paper(task.name, noise, task.n_cells, updates)  # type: ignore[arg-type]
    clf.set_params(random_state=seed, n_jobs=n_jobs)
    if published:
        return clf
    ours = task.training_in(condition)
    fields = "n_updates", "batch_size", "learning_rate", "cosine", "clip"
    clf.set_params(**{f"training__{name}": getattr(ours, name) for name in fields})
    return clf.set_params(decoder=LSTMDecoder(task.n_cells))


def egem_row(run: Run, cases: Draw, n_jobs: int | None) -> Result:
    """Train the experts of one noise setting, and classify.

    The figures are what the results file holds; lists are by class, by iteration, or by class and
    expert. Arrays are kept where the report may show this run.
    """
    setting = 0 if run.row == RECIPE else int(run.row.removeprefix("EGEM "))
    task, condition = run.task, run.condition
    clf = classifier(task, condition, setting, run.seed, n_jobs, run.row == RECIPE)
    model = clf.fit(cases.X, cases.y).model_
    start = invert(without_steps(model), list(cases.X_test), n_jobs=n_jobs)
    end = clf.invert(cases.X_test)
    truth, truth_validation = (
        np.searchsorted(model.classes, y) for y in (cases.y_test, cases.y_validation)
    )
    figures: Figures = {
        "train_mse": float(model.train_loss.mean()),
        **_accuracies(start.losses, end.losses, truth),
        "validation_accuracy": _accuracy(clf.losses(cases.X_validation), truth_validation),
        **_templates(end, cases, truth),
        "heat_test": _heat(end.losses, truth),
    }
    traced = None
    if setting in TRACED and run.repeat == 0 and run.row != RECIPE:
        traced = iterations(model, cases.X_test, n_jobs)
        traced.losses[:, :, -1] = end.losses
        by_iteration = np.moveaxis(traced.losses, 2, 0)
        figures["accuracy_by_iteration"] = [_accuracy(each, truth) for each in by_iteration]
        figures["own_mse_by_iteration"] = [short(_own(each, truth)) for each in by_iteration]
    if condition != CONDITIONS[0] or run.repeat or run.row == RECIPE:
        return Result(figures)
    of_training = np.searchsorted(model.classes, cases.y)
    figures["heat_train"] = _heat(clf.losses(cases.X), of_training)
    arrays = _examples(model, end, cases, truth)
    if traced is not None:
        arrays |= _film(model, traced, cases, truth)
    return Result(figures, arrays)


def fidelity(run: Run, cases: Draw, n_jobs: int | None) -> Result:
    """Training error by the published recipe and by ours: a few classes, all noise settings."""
    task, classes = run.task, np.unique(cases.y)
    of = classes[np.linspace(0, len(classes) - 1, N_FIDELITY_CLASSES).astype(int)]
    some = np.isin(cases.y, of)
    figures: Figures = {"classes": [str(c) for c in of]}
    for name in ("published", "ours"):
        mse = []
        for setting in range(N_SETTINGS):
            clf = classifier(
                task, CONDITIONS[1], setting, run.seed, n_jobs, published=name == "published"
            )
            clf.fit(cases.X[some], cases.y[some])
            mse.append(float(clf.train_loss_.mean()))
        figures[f"{name}_mse"] = float(np.mean(mse))
        figures[f"{name}_mse_by_setting"] = [float(f"{loss:.4g}") for loss in mse]
    return Result(figures)


Losses = Float32[np.ndarray, "n e"]
Truth = Int[np.ndarray, " n"]


def _accuracy(losses: Losses, truth: Truth) -> float:
    return float((losses.argmin(axis=1) == truth).mean())


def _own(losses: Losses, truth: Truth) -> float:
    """Return the mean loss of the true class's expert."""
    return float(losses[np.arange(len(truth)), truth].mean())


def _accuracies(start: Losses, end: Losses, truth: Truth) -> Figures:
    right = end.argmin(axis=1) == truth
    return {
        "accuracy": float(right.mean()),
        "accuracy_start": _accuracy(start, truth),
        "own_mse": _own(end, truth),
        "own_mse_start": _own(start, truth),
        "accuracy_by_class": [short(right[truth == c].mean()) for c in range(end.shape[1])],
    }


def _templates(end: Inversion, cases: Draw, truth: Truth) -> Figures:
    """Compare the true expert's reconstruction with the nearest training sequence of the class."""
    nearest = np.array(
        [
            ((cases.X[cases.y == end.classes[c]] - x) ** 2).mean(axis=(1, 2)).min()
            for x, c in zip(cases.X_test, truth, strict=True)
        ]
    )
    own = np.arange(len(truth)), truth
    return {
        "nearer_than_template": float((end.losses[own] < nearest).mean()),
        "mixed_codes": float((end.codes[own].max(axis=1) < MIXED).mean()),
    }


def _heat(losses: Losses, truth: Truth) -> list[list[float]]:
    """Return the mean loss of each expert (columns) on the first cases of each class (rows)."""
    rows = [np.flatnonzero(truth == c)[:PER_CLASS_SHOWN] for c in range(losses.shape[1])]
    return [[short(loss) for loss in losses[row].mean(axis=0)] for row in rows]


def _examples(model: Model, end: Inversion, cases: Draw, truth: Truth) -> Arrays:
    """Return the first targets of every class and their reconstructions by the true expert."""
    n_classes = len(model.classes)
    rows = np.concatenate([np.flatnonzero(truth == c)[:DRAWN] for c in range(n_classes)])
    codes, of = end.codes[rows, truth[rows]], truth[rows]
    each: Sequence = [model.imagine(c, codes[of == c]) for c in range(n_classes)]
    return {
        "classes": model.classes,
        "training": cases.X.astype(np.float32),
        "training_class": np.searchsorted(model.classes, cases.y),
        "target": cases.X_test[rows],
        "target_class": of,
        "recognised": end.losses[rows].argmin(axis=1),
        "reconstruction": np.concatenate(each),
        "codes": codes,
    }


def _film(model: Model, traced: Iterations, cases: Draw, truth: Truth) -> Arrays:
    """Return the search of all experts on the target whose class it makes clear best."""
    first, last = traced.losses[:, :, 0], traced.losses[:, :, -1]
    clear = (last.argmin(axis=1) == truth) & (first.argmin(axis=1) != truth)
    lowest = np.sort(last, axis=1)
    one = int(np.where(clear, lowest[:, 1] / lowest[:, 0], 0).argmax())
    decoded = [model.imagine(e, codes) for e, codes in enumerate(traced.codes[one])]
    return {
        "film_target": cases.X_test[one],
        "film_class": truth[one],
        "film_losses": traced.losses[one].T,
        "film": np.stack(decoded).astype(np.float16),  # experts, iterations, channels, time
    }


def short(x: Float[np.ndarray, ""] | float) -> float:
    """Round to the digits that the results file holds."""
    return float(f"{x:.5g}")
