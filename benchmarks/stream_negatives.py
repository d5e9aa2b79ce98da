"""Distances of dynamic time warping, and thresholds set from examples alone."""

import numba
import numpy as np
from jaxtyping import Float

from egem import normalise
from egem.data.augment import deformed_copies

N_SPLICED, N_COPIES = 200, 200
N_WAVES, NOISE = 8, 0.014  # waves along a copy, and their size beside that of the example

Path = Float[np.ndarray, "2 n"]


@numba.njit(cache=True)
def dtw(cost: np.ndarray, band: int) -> float:
    """Return the least sum of costs along a warping path within a band about the diagonal."""
    n, m = cost.shape
    total = np.full((n + 1, m + 1), np.inf)
    total[0, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(max(1, i - band), min(m, i + band) + 1):
            before = min(total[i - 1, j - 1], total[i - 1, j], total[i, j - 1])
            total[i, j] = before + cost[i - 1, j - 1]
    return total[n, m]  # pyright: ignore[reportReturnType]


def spliced(X: list[Path], rng: np.random.Generator) -> list[Path]:
    """Return negatives: halves of two examples, one after the other."""
    out = []
    for _ in range(N_SPLICED):
        halves = []
        for which in rng.permutation(len(X))[:2]:
            x = normalise(X[which], "motion", 64)
            at = rng.integers(33)
            halves.append(x[:, at : at + 32] - x[:, [at]])
        out.append(np.hstack([halves[0], halves[1] + halves[0][:, -1:]]))
    return out


def copies(x: Path, n: int, rng: np.random.Generator) -> list[Path]:
    """Return deformed copies of an example, with smooth noise added."""
    size = x.std()
    deformed = deformed_copies([x], "pen", n, x.mean(axis=1), np.full(2, size), rng)
    waves = np.sin(np.pi * np.outer(np.arange(1, N_WAVES + 1), np.linspace(0, 1, x.shape[1])))
    return [c + NOISE * size * rng.normal(size=(2, N_WAVES)) @ waves for c in deformed]


def separating(positives: list[float], negatives: list[float]) -> float:
    """Return the threshold of the largest F1, with positives and negatives of equal weight."""
    p, n = np.sort(positives), np.sort(negatives)
    recall = np.arange(1, len(p) + 1) / len(p)
    false = np.searchsorted(n, p, side="right") / len(n)
    return float(p[(2 * recall / (recall + false + 1)).argmax()])
