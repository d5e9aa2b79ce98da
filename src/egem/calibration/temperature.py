"""The inverse temperature of scores, by the cross-entropy of held-out cases."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from egem.core.classify import cross_entropy


def best_temperature(
    log_losses: Float[np.ndarray, "n n_classes"],
    truth: Int[np.ndarray, " n"],
    inverse_temperatures: Sequence[float],
) -> tuple[float, float]:
    """Return the lowest cross-entropy, and the inverse temperature it is found at."""
    found = [cross_entropy(beta * log_losses, truth) for beta in inverse_temperatures]
    best = int(np.argmin(found))
    return found[best], float(inverse_temperatures[best])


def tempered_weights(
    log_losses: Float[np.ndarray, "m n n_classes"],
    truth: Int[np.ndarray, " n"],
    inverse_temperatures: Sequence[float],
    temper: float,
) -> Float[np.ndarray, " m"]:
    """Weigh metrics by ``exp(-temper n cross_entropy)``; the best has 1."""
    lowest = np.array(
        [best_temperature(each, truth, inverse_temperatures)[0] for each in log_losses]
    )
    return np.exp(-temper * len(truth) * (lowest - lowest.min()))


def fold_correction(classes: Int[np.ndarray, " n_cases"]) -> float:
    """Return the factor between the inverse temperature of held-out cases and of new ones.

    ``m / (m - 1)`` for classes of m cases, the median: a class that is one case short has fewer
    independent differences. Chosen on the development splits, where held-out cases were less
    certain than test cases.

    >>> fold_correction(np.array([0, 0, 0, 0, 1, 1, 1, 1])).__round__(3)
    1.333
    """
    m = float(np.median(np.bincount(classes)))
    return m / (m - 1.0) if m > 1 else 1.0
