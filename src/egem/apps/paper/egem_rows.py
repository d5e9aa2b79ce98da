"""The EGEM rows: published experts, searched as published, at one noise setting."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Float32, Int

from egem.apps.paper.experts import Lesson, train_stacked
from egem.apps.paper.protocol import CONDITIONS, N_ITERATIONS, PER_CLASS, Draw, Task
from egem.apps.paper.search import Search, imagine, invert_stacked, random_starts
from egem.ensemble.decoder import Expert
from egem.runtime.progress import Advance

PER_CLASS_SHOWN = 20  # unseen cases a class in the heat map, as published
MIXED = 0.9  # a code whose largest component is lower blends training sequences
TRACED = 0, 1, 3  # noise settings whose search is recorded at every iteration
DRAWN = 4  # cases of one class kept for the pictures
_imagine = jax.jit(imagine, static_argnames="n_steps")

Figures = dict[str, Any]
Arrays = dict[str, np.ndarray]


def egem_row(
    task: Task,
    condition: str,
    repeat: int,
    cases: Draw,
    setting: int,
    seed: int,
    n_jobs: int | None,
    advance: Advance,
) -> tuple[Figures, Arrays]:
    """Train the experts of one noise setting, and let them classify.

    Parameters
    ----------
    task, condition, repeat, cases
        The problem and its cases.
    setting : int
        Number of the noise setting; 0 is *base*.
    seed : int
        Of weights, training noise and starts.
    n_jobs : int or None
        Threads.
    advance : callable
        Receives progress, 1 in all.

    Returns
    -------
    figures : dict
        What the results file holds; lists are by class, by iteration, or class by expert.
    arrays : dict
        For the pictures, where this run is one of those that may be drawn; otherwise empty.
    """
    classes = np.unique(cases.y)
    code_noise, value_noise = task.noise(condition)[setting]
    n_classes = len(classes)
    lesson = Lesson(
        np.asarray(jax.random.split(jax.random.PRNGKey(seed), n_classes)),
        np.stack([cases.X[cases.y == c].transpose(2, 0, 1) for c in classes]),
        np.full(n_classes, code_noise, np.float32),
        np.full(n_classes, value_noise, np.float32),
    )
    expert, train_losses = train_stacked(
        lesson,
        task.n_cells,
        task.schedule_of(condition),
        n_jobs,
        lambda a: advance(0.5 * a / n_classes),
    )
    shown = condition == CONDITIONS[0] and repeat == 0  # the pictures' runs
    parts = {"test": cases.X_test, "validation": cases.X_validation}
    if shown:
        parts["train"] = cases.X
    n_pairs = n_classes * sum(map(len, parts.values()))
    found = {
        name: invert_stacked(
            expert,
            X.transpose(0, 2, 1),
            np.stack([random_starts([seed, e], len(X), PER_CLASS) for e in range(n_classes)]),
            N_ITERATIONS,
            n_jobs,
            lambda a: advance(0.5 * a / n_pairs),
            trace=name == "test" and setting in TRACED and repeat == 0,
        )
        for name, X in parts.items()
    }
    truth = np.searchsorted(classes, cases.y_test)
    figures = {
        "train_mse": float(train_losses.mean()),
        **_accuracies(found["test"], truth, n_classes),
        "validation_accuracy": _accuracy(
            found["validation"].losses[-1], np.searchsorted(classes, cases.y_validation)
        ),
        **_templates(expert, found["test"], cases, truth),
        "heat_test": _heat(found["test"].losses[-1], truth, n_classes),
    }
    if not shown:
        return figures, {}
    figures["heat_train"] = _heat(
        found["train"].losses[-1], np.searchsorted(classes, cases.y), n_classes
    )
    return figures, _pictures(expert, found["test"], cases, truth)


def _accuracy(losses: Float32[np.ndarray, "e n"], truth: Int[np.ndarray, " n"]) -> float:
    return float((losses.argmin(axis=0) == truth).mean())


def _accuracies(found: Search, truth: Int[np.ndarray, " n"], n_classes: int) -> Figures:
    right = found.losses[-1].argmin(axis=0) == truth
    own = found.losses[:, truth, np.arange(len(truth))].mean(axis=1)
    figures: Figures = {
        "accuracy": float(right.mean()),
        "accuracy_start": _accuracy(found.losses[0], truth),
        "own_mse": float(own[-1]),
        "own_mse_start": float(own[0]),
        "accuracy_by_class": [_short(right[truth == c].mean()) for c in range(n_classes)],
    }
    if len(found.losses) > 2:
        figures["accuracy_by_iteration"] = [_accuracy(each, truth) for each in found.losses]
        figures["own_mse_by_iteration"] = [_short(mse) for mse in own]
    return figures


def _templates(expert: Expert, found: Search, cases: Draw, truth) -> Figures:
    """Compare the true expert's reconstruction with the nearest training sequence of the class."""
    classes = np.unique(cases.y)
    nearest = np.array(
        [
            ((cases.X[cases.y == classes[c]] - x) ** 2).mean(axis=(1, 2)).min()
            for x, c in zip(cases.X_test, truth, strict=True)
        ]
    )
    at = truth, np.arange(len(truth))
    return {
        "nearer_than_template": float((found.losses[-1][at] < nearest).mean()),
        "mixed_codes": float((found.codes[at].max(axis=1) < MIXED).mean()),
    }


def _heat(losses: Float32[np.ndarray, "e n"], truth, n_classes: int) -> list[list[float]]:
    """Mean loss of each expert (columns) on the first cases of each class (rows)."""
    rows = [np.flatnonzero(truth == c)[:PER_CLASS_SHOWN] for c in range(n_classes)]
    return [[_short(loss) for loss in losses[:, row].mean(axis=1)] for row in rows]


def _pictures(expert: Expert, found: Search, cases: Draw, truth) -> Arrays:
    """Keep what the pictures of every class's first targets need, and one target's whole search."""
    classes = np.unique(cases.y)
    rows = np.concatenate([np.flatnonzero(truth == c)[:DRAWN] for c in range(len(classes))])
    n_steps = cases.X.shape[2]
    imagined = np.zeros((len(rows), *cases.X.shape[1:]), np.float32)
    for i, (row, c) in enumerate(zip(rows, truth[rows], strict=True)):
        code = found.raw_codes[-1, c, row][:, None]
        imagined[i] = _imagine(_one(expert, c), code, n_steps)[..., 0].T
    arrays = {
        "classes": classes,
        "training": cases.X.astype(np.float32),
        "training_class": np.searchsorted(classes, cases.y),
        "target": cases.X_test[rows],
        "target_class": truth[rows],
        "recognised": found.losses[-1][:, rows].argmin(axis=0),
        "imagined": imagined,
        "codes": found.codes[truth[rows], rows],
    }
    if len(found.losses) > 2:
        # The animation: all experts on the target whose search brings most clarity.
        margin = np.sort(found.losses[-1], axis=0)
        clear = (found.losses[-1].argmin(axis=0) == truth) & (
            found.losses[0].argmin(axis=0) != truth
        )
        one = int(np.where(clear, margin[1] / margin[0], 0).argmax())
        arrays["film_target"] = cases.X_test[one]
        arrays["film_class"] = truth[one]
        arrays["film_losses"] = found.losses[:, :, one]
        arrays["film"] = np.stack(
            [
                np.asarray(_imagine(_one(expert, e), found.raw_codes[:, e, one].T, n_steps))
                for e in range(len(classes))
            ]
        ).astype(np.float16)
    return arrays


def _one(expert: Expert, e: int) -> Expert:
    return jax.tree.map(lambda a: a[e], expert)


def _short(x) -> float:
    return float(f"{x:.5g}")
