"""Losses of held-out training cases against linear experts of the rest."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

from egem.calibration.scatter import Copies, class_scatter
from egem.data.preparation import Batch
from egem.runtime.linalg import principal
from egem.views.linear import fit_classes
from egem.views.linear_losses import LinearLosses, LinearMetric
from egem.views.views import as_batch

MAX_DIRECTIONS = 512  # of the scatter in a view

Project = Callable[[Batch, Batch, Copies | None], tuple[Batch, Batch, Copies | None]]


def held_out_losses(
    batch: Batch,
    classes: Int[np.ndarray, " n"],
    folds: list,
    metrics: Sequence[LinearMetric],
    project: Project | None = None,
    copies: Copies | None = None,
    local: bool = False,
) -> tuple[Float[np.ndarray, "m n_held n_classes"], Int[np.ndarray, " n_held"]]:
    """Return the losses of held-out cases in several metrics."""
    present = np.unique(classes)
    parts = []
    for held in folds:
        rest, its_classes, out = batch[~held], classes[~held], batch[held]
        of_rest = copies.among(~held) if copies is not None else None
        if project is not None:
            rest, out, of_rest = project(rest, out, of_rest)
        scatter = class_scatter(rest, its_classes, MAX_DIRECTIONS, of_rest)
        experts = fit_classes(rest, its_classes, local)
        parts.append(LinearLosses.of(scatter, experts, metrics).log_losses(out))
    truth = np.searchsorted(present, np.concatenate([classes[held] for held in folds]))
    return np.concatenate(parts, axis=1), truth


def on_span(rest: Batch, out: Batch, copies: Copies | None) -> tuple[Batch, Batch, Copies | None]:
    """Project vectors onto the span of ``rest`` and of its deformed copies.

    Features are projected onto the span of the training cases. A held-out case that took part in
    that keeps all of its own components and has a larger loss than a test case.
    """
    vectors = rest.values[:, :, 0].astype(np.float64)
    mean = vectors.mean(axis=0)
    vectors -= mean
    spanning = vectors
    if copies is not None:
        spanning = np.concatenate([vectors, vectors[copies.of] + copies.differences])
    s, directions = principal(spanning)
    kept = directions[: max(int((s > 1e-4 * max(s[0], 1e-12)).sum()), 1)].T
    if copies is not None:
        copies = copies._replace(differences=copies.differences @ kept)
    return as_batch(vectors @ kept), as_batch((out.values[:, :, 0] - mean) @ kept), copies
