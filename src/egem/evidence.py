"""How much each space's losses count, chosen by leaving training cases out.

Held-out cases are measured against the hulls of the rest, for every shrinkage and ridge. In each
space the candidates share the vote by how surprised they are at the held-out cases' true classes,
``share ~ exp(-TEMPER n cross_entropy)``; the spaces' weights then minimise the cross-entropy of::

    p(class) ~ exp(-sum over spaces of  weight * averaged log loss)

A class's hull stands in for its expert, which would take far too long to train again for each fold.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize
from scipy.special import logsumexp

from .folds import held_out
from .metric import class_scatter
from .prepare import Batch
from .spaces import Candidate, Space, hull, log_losses

SHRINKAGES = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0)
RIDGES = (0.05, 0.3, 1.0, 3.0, 30.0)
SHARPNESSES = tuple(np.geomspace(0.5, 60.0, 12))
TEMPER = 0.3  # below 1, as few held-out cases say little about which candidate is best
LEAST_SHARE = 0.02  # candidates below are left out
MOST_WEIGHT = 90.0
WITHOUT_CASES = Candidate(0.5, 1.0, 1.0)  # where nothing can be held out: one case a class
WEIGHT_WITHOUT_CASES = 5.0  # of all spaces together
MOST_CASES = 3000  # looked at; of more, an even selection
MOST_DIRECTIONS = 512


def weigh(described: Mapping[str, Batch], classes: Int[np.ndarray, " n"]) -> tuple[Space, ...]:
    """Estimate each space's measure, and weigh the spaces against each other.

    Parameters
    ----------
    described : mapping of str to Batch
        The training cases in each space.
    classes : array of int (n,)
        Their classes.

    Returns
    -------
    tuple of Space
        In the order given.
    """
    grid = tuple(
        Candidate(s, r, 1 / len(SHRINKAGES) / len(RIDGES)) for s in SHRINKAGES for r in RIDGES
    )
    some = np.unique(np.linspace(0, len(classes) - 1, min(len(classes), MOST_CASES)).astype(int))
    folds = held_out(classes[some])
    scatters = {
        name: class_scatter(batch, classes, MOST_DIRECTIONS) for name, batch in described.items()
    }
    if not folds or len(np.unique(classes)) < 2:
        weight = WEIGHT_WITHOUT_CASES / len(described)
        return tuple(Space(n, s, (WITHOUT_CASES,), weight) for n, s in scatters.items())
    order = np.concatenate([np.flatnonzero(fold) for fold in folds])
    truth = np.searchsorted(np.unique(classes), classes[some][order])
    chosen, averaged = [], []
    for batch in described.values():
        losses = _held_out_losses(batch[some], classes[some], folds, grid)
        candidates = _shares(losses, truth, grid)
        share = {(c.shrinkage, c.ridge): c.share for c in candidates}
        shares = [share.get((c.shrinkage, c.ridge), 0.0) for c in grid]
        chosen.append(candidates)
        averaged.append(np.einsum("m,mnc->nc", shares, losses))
    weights = fit_weights(averaged, truth)
    return tuple(
        Space(name, scatter, candidates, float(weight))
        for (name, scatter), candidates, weight in zip(
            scatters.items(), chosen, weights, strict=True
        )
    )


def _held_out_losses(
    batch: Batch, classes: Int[np.ndarray, " n"], folds: list, grid: Sequence[Candidate]
) -> Float[np.ndarray, "m n c"]:
    present = np.unique(classes)
    parts = []
    for held in folds:
        rest, its_classes = batch[~held], classes[~held]
        scatter = class_scatter(rest, its_classes, MOST_DIRECTIONS)
        hulls = [hull(rest[its_classes == c]) for c in present]
        parts.append(log_losses(scatter, hulls, batch[held], grid))
    return np.concatenate(parts, axis=1)


def _shares(losses: Float[np.ndarray, "m n c"], truth, grid) -> tuple[Candidate, ...]:
    surprise = np.array(
        [min(cross_entropy(w * each, truth) for w in SHARPNESSES) for each in losses]
    )
    shares = np.exp(-TEMPER * len(truth) * (surprise - surprise.min()))
    shares /= shares.sum()
    shares[shares < LEAST_SHARE * shares.max()] = 0.0
    shares /= shares.sum()
    return tuple(c._replace(share=float(s)) for c, s in zip(grid, shares, strict=True) if s > 0)


def fit_weights(
    log_losses: Sequence[Float[np.ndarray, "n c"]], truth: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " s"]:
    """Find the exponents that minimise the cross-entropy at the true classes.

    Parameters
    ----------
    log_losses : sequence of array (n, n_classes)
        One a space.
    truth : array of int (n,)
        True classes.

    Returns
    -------
    array (n_spaces,)
        Not negative, at most 90.
    """

    def surprise(exponents: Float[np.ndarray, " s"]) -> float:
        weights = np.exp(exponents)
        return cross_entropy(
            sum(w * x for w, x in zip(weights, log_losses, strict=True)),  # pyright: ignore
            truth,
        )

    bounds = [(-4.0, np.log(MOST_WEIGHT))] * len(log_losses)
    starts = [np.full(len(log_losses), at) for at in (0.0, 2.0)]
    found = [minimize(surprise, x, method="L-BFGS-B", bounds=bounds) for x in starts]
    return np.exp(min(found, key=lambda each: each.fun).x)


def cross_entropy(energies: Float[np.ndarray, "n c"], truth: Int[np.ndarray, " n"]) -> float:
    """Mean surprise, in nats, at the true classes under ``p ~ exp(-energy)``."""
    rows = np.arange(len(truth))
    return float(np.mean(energies[rows, truth] + logsumexp(-energies, axis=1)))
