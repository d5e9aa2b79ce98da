"""Work cut into batches of one fixed shape.

XLA compiles a program for each shape, and its sums may differ in the last bit between shapes.
Batches of one shape, filled up with copies, keep compilations few and make every result
independent of what else is computed.
"""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Int

# Groups of a tile, and cases of a group: as many as fill the lanes of the native decoder.
WIDE = 4, 16
# Where most of a wide group would be copies. Sums in tiles of another shape differ in the last bit:
# only for those to whom that does not matter.
THIN = 8  # groups of one case
FEW_PAIRS = 2  # each of which has a tile of its own: the quickest for a single case


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


def tiled(n: int, size: int) -> list[np.ndarray]:
    """Cut ``range(n)`` into index arrays of exactly ``size``, the last filled up with its end.

    >>> [t.tolist() for t in tiled(5, 3)]
    [[0, 1, 2], [3, 4, 4]]
    """
    return [np.minimum(np.arange(i, i + size), n - 1) for i in range(0, n, size)]


def in_tiles(
    pairs: Int[np.ndarray, " n"],
    of: Int[np.ndarray, " n"],
    few_cases: int = 0,
    shape: tuple[int, int] = WIDE,
) -> list[Int[np.ndarray, "g m"]]:
    """Cut pairs, sorted by their expert, into groups of one expert, and groups into tiles.

    Tiles are wide ones of one shape, filled up with copies, and thin ones for what is left of an
    expert's cases where that is no more than ``few_cases``.
    """
    n_groups, size = shape
    groups, left = [], []
    for mine in np.split(pairs, np.flatnonzero(np.diff(of)) + 1):
        rest = len(mine) % size
        whole = len(mine) - rest if rest <= few_cases else len(mine)
        groups += [mine[at] for at in tiled(whole, size)]
        left += [mine[whole:]]
    alone = np.concatenate(left)[:, None]
    thin = tiled(len(alone), 1 if len(alone) <= FEW_PAIRS else THIN)
    wide = [np.stack([groups[i] for i in at]) for at in tiled(len(groups), n_groups)]
    return wide + [alone[at] for at in thin]


def stack(trees: Sequence):
    """Stack pytrees of equal shapes along a new leading axis."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
