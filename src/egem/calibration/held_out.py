"""Losses of held-out training cases against linear experts of the rest."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

from egem.calibration.scatter import Copies, class_scatter
from egem.data.preparation import Batch
from egem.runtime.linalg import principal
from egem.views.features import with_distance
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
    """Project features onto the span of ``rest`` and of its deformed copies.

    That is what they are projected onto where ``rest`` are the training cases, of which those at no
    distance span it. Held-out cases lose the directions that are theirs alone, and get a distance
    from the span as new cases do.
    """
    vectors, beyond = _on_directions(rest)
    mean = vectors.mean(axis=0)
    vectors -= mean
    spanning = vectors[beyond == 0] if (beyond == 0).any() else vectors
    if copies is not None:
        differences = copies.differences[:, :-1]
        spanning = np.concatenate([vectors, vectors[copies.of] + differences])
    s, directions = principal(spanning)
    kept = directions[: max(int((s > 1e-4 * max(s[0], 1e-12)).sum()), 1)].T

    def at_no_distance(rows: Float[np.ndarray, "n q"]) -> Float[np.ndarray, "n r"]:
        return np.pad(rows @ kept, ((0, 0), (0, 1)))

    if copies is not None:
        copies = copies._replace(differences=at_no_distance(copies.differences[:, :-1]))
    held, beyond = _on_directions(out)
    held -= mean
    projected = with_distance(held @ kept, (held**2).sum(axis=1) + beyond)
    return as_batch(at_no_distance(vectors)), as_batch(projected), copies


def _on_directions(batch: Batch) -> tuple[Float[np.ndarray, "n q"], Float[np.ndarray, " n"]]:
    """Return features along the directions, and the squared distances from their span."""
    features = batch.values[:, :, 0].astype(np.float64)
    return features[:, :-1], features[:, -1] ** 2
