"""Folds: the training cases that are held out together."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from egem.data.preparation import Batch, canonical_order
from egem.runtime.batching import evenly

MAX_FOLDS = 5
EQUAL = 1e-6  # distance of equal cases, a share of their length: that of rounding
MAX_CASES = 3000  # that are used; of more, an even selection
# Pairs of a held-out case and a class, each of which has losses in dozens of metrics: with
# thousands of classes fewer cases are held out, but at least a few hundred.
MAX_PAIRS, MIN_HELD = 2**20, 256


def distinct_order(batch: Batch, classes: Int[np.ndarray, " n"]) -> Int[np.ndarray, " m"]:
    """Return the canonical order of cases without those that equal another one of their class.

    A case that was given twice would be held out while its twin is trained on. Cases are compared
    with those next to them along a random direction, again until none is left out.
    """
    order = canonical_order(batch)
    kept = np.ones(len(order), bool)
    for c in np.unique(classes):
        left = np.flatnonzero(classes[order] == c)
        rows = _rows(batch[order[left]])
        lengths = np.linalg.norm(rows, axis=1)
        along = rows @ np.random.default_rng(0).normal(size=rows.shape[1])
        here = np.argsort(along, kind="stable")
        while True:
            first, second = here[:-1], here[1:]
            apart = np.linalg.norm(rows[first] - rows[second], axis=1)
            equal = apart <= EQUAL * np.maximum(lengths[first], lengths[second])
            if not equal.any():
                break
            kept[left[np.maximum(first, second)[equal]]] = False
            here = here[kept[left[here]]]
    return order[kept]


def _rows(batch: Batch) -> Float[np.ndarray, "n p"]:
    """Return cases as vectors that differ where the values or the gaps do."""
    values = batch.values.reshape(batch.n_cases, -1).astype(np.float64)
    return np.concatenate([values, batch.mask.reshape(values.shape)], axis=1)


class Holding(NamedTuple):
    """Which cases are used, and which of them are held out together."""

    some: Int[np.ndarray, " m"]  # cases that are used
    # which of those are held out, fold by fold; empty where all classes have but one
    folds: list[Bool[np.ndarray, " m"]]

    @property
    def order(self) -> Int[np.ndarray, " n_held"]:
        """Held-out ones among ``some``, fold by fold."""
        return np.concatenate([np.flatnonzero(held) for held in self.folds])


def holding(classes: Int[np.ndarray, " n"]) -> Holding:
    """Select cases evenly, all where that would lose a class, and lay out the folds.

    Of many classes not all cases are held out in turn, but an even selection.
    """
    some = selection(classes)
    return Holding(some, _thinned(held_out(classes[some]), _most_held(classes)))


def holding_from_all(classes: Int[np.ndarray, " n"]) -> Holding:
    """Use all cases, and hold out no more of them than :func:`holding` selects.

    Held-out losses are then close to those with all training cases. A fold takes at most a fifth of
    all cases, in as few folds as that allows.
    """
    n = len(classes)
    some = selection(classes)
    if len(some) == n:
        return holding(classes)
    turn = np.full(n, -1)
    n_folds = -(-MAX_FOLDS * len(some) // n)
    for c in np.unique(classes):
        of = np.flatnonzero(classes == c)
        mine = np.intersect1d(of, some)
        if n_folds == 1 and len(mine) == len(of):
            mine = mine[:-1]  # a class never loses its last case
        turn[mine] = np.arange(len(mine)) % n_folds
    folds = [turn == fold for fold in range(n_folds)]
    return Holding(np.arange(n), _thinned(folds, _most_held(classes)))


def selection(classes: Int[np.ndarray, " n"]) -> Int[np.ndarray, " m"]:
    """Select at most ``MAX_CASES`` cases evenly; all, where that would lose a class."""
    some = evenly(len(classes), MAX_CASES)
    if len(np.unique(classes[some])) < len(np.unique(classes)):
        return np.arange(len(classes))
    return some


def _most_held(classes: Int[np.ndarray, " n"]) -> int:
    return max(MAX_PAIRS // len(np.unique(classes)), MIN_HELD)


def _thinned(folds: list[Bool[np.ndarray, " m"]], most: int) -> list[Bool[np.ndarray, " m"]]:
    n_held = sum(int(fold.sum()) for fold in folds)
    if n_held <= most:
        return folds
    kept = np.zeros(n_held, bool)
    kept[evenly(n_held, most)] = True
    thin, first = [], 0
    for fold in folds:
        held = np.flatnonzero(fold)
        mine = np.zeros_like(fold)
        mine[held[kept[first : first + len(held)]]] = True
        thin.append(mine)
        first += len(held)
    return [fold for fold in thin if fold.any()]


def held_out(classes: Int[np.ndarray, " n"]) -> list[Bool[np.ndarray, " n"]]:
    """Hold out every k-th case of each class in turn, k at most 5."""
    counts = np.unique(classes, return_counts=True)[1]
    n_folds = min(int(counts.max()), MAX_FOLDS)
    if n_folds < 2:
        return []
    turn = np.full(len(classes), -1)
    for c in np.unique(classes):
        of = np.flatnonzero(classes == c)
        if len(of) > 1:
            turn[of] = np.arange(len(of)) % n_folds
    return [turn == fold for fold in range(n_folds) if (turn == fold).any()]
