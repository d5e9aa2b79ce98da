"""Batches of fixed shapes.

XLA compiles one program for each shape, and sums may differ in the last bit between shapes. Batches
of one shape, padded with copies, need few compilations, and results do not depend on what else is
computed.
"""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Int

# (groups, cases of a group): fills the SIMD lanes of the native decoder.
BATCH_SHAPE = 4, 16
# Leftover cases, for callers that accept last-bit differences between shapes: groups of one case.
SINGLES_BATCH = 8
MAX_LATENCY_PAIRS = 2  # so few pairs get a batch each, which is quickest for a single case


def bucket(n: int, smallest: int) -> int:
    """Round up to ``smallest`` times a power of two.

    >>> [bucket(n, 4) for n in (1, 4, 5, 9)]
    [4, 4, 8, 16]
    """
    size = smallest
    while size < n:
        size *= 2
    return size


def evenly(n: int, most: int) -> Int[np.ndarray, " m"]:
    """Select at most ``most`` of ``range(n)``, evenly.

    >>> evenly(10, 4)
    array([0, 3, 6, 9])
    """
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(int))


def batched_indices(n: int, size: int) -> list[np.ndarray]:
    """Split ``range(n)`` into index arrays of equal ``size``; the last repeats the last index.

    >>> [indices.tolist() for indices in batched_indices(5, 3)]
    [[0, 1, 2], [3, 4, 4]]
    """
    return [np.minimum(np.arange(i, i + size), n - 1) for i in range(0, n, size)]


def grouped_batches(
    pairs: Int[np.ndarray, " n"],
    of: Int[np.ndarray, " n"],
    few_cases: int = 0,
    shape: tuple[int, int] = BATCH_SHAPE,
) -> list[Int[np.ndarray, "g m"]]:
    """Split pairs, sorted by their expert ``of``, into batches of groups of one expert each.

    All batches have one ``shape`` and are padded with copies. Up to ``few_cases`` leftover cases of
    an expert are not padded: they form batches of groups of one case.
    """
    n_groups, size = shape
    groups, singles = [], []
    for own in np.split(pairs, np.flatnonzero(np.diff(of)) + 1):
        n_left = len(own) % size
        n_grouped = len(own) - n_left if n_left <= few_cases else len(own)
        groups += [own[indices] for indices in batched_indices(n_grouped, size)]
        singles.append(own[n_grouped:])
    single = np.concatenate(singles)[:, None]
    size = 1 if len(single) <= MAX_LATENCY_PAIRS else SINGLES_BATCH
    return [
        np.stack([groups[i] for i in indices]) for indices in batched_indices(len(groups), n_groups)
    ] + [single[indices] for indices in batched_indices(len(single), size)]


def stack(trees: Sequence):
    """Stack pytrees of equal shapes along a new leading axis."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
