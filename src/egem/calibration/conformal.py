"""What held-out cases scored: the yardstick of unknowns and of sets of classes.

A new case is judged by its rank among cases that no expert had seen. That is conformal prediction
(Vovk, Gammerman, Shafer 2005): where new cases and held-out ones are exchangeable and are scored
alike, ``P(p <= alpha) <= alpha`` for the p-value of a case of a known class (down to an alpha of
``1 / (n + 1)`` for n held-out cases), and a set holds the true class with a probability of at least
``1 - alpha``, on average over cases and models.

* After ``calibrate(X, y)`` both are scored by the same experts, which have seen neither: split
  conformal prediction, and the guarantee holds as it stands.
* After ``fit`` training cases are held out fold by fold, with hulls of the rest in place of experts
  (:mod:`egem.calibration.proxy`), moved to where experts would be
  (:mod:`egem.calibration.yardstick`): cross-conformal, where theory promises ``1 - 2 alpha`` for
  one scoring rule throughout (Barber, Candes, Ramdas, Tibshirani 2021) and here, with a stand-in,
  nothing exact. A held-out case knows one fold less of its class than a new one does, so it looks
  stranger, and the error is on the safe side; ``benchmarks/trust.py`` measures it.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import logsumexp

from egem.calibration.temperature import log_probabilities

TAIL = 0.25  # share of the held-out cases whose excess tells how the tail falls off


class HeldOut(NamedTuple):
    """Scores of labelled cases that the experts have not seen.

    Attributes
    ----------
    log_scores : array (n, n_classes)
        As decide for a new case; see :attr:`egem.Inversion.scores`.
    strangeness : array (n,)
        As :attr:`egem.Inversion.strangeness`.
    truth : array of int (n,)
        Positions of their true classes.
    """

    log_scores: Float[np.ndarray, "n n_classes"]
    strangeness: Float[np.ndarray, " n"]
    truth: Int[np.ndarray, " n"]


def nothing_held_out(n_classes: int) -> HeldOut:
    """Return the record of no case, as with one case a class."""
    return HeldOut(np.zeros((0, n_classes)), np.zeros(0), np.zeros(0, int))


def p_values(
    strangeness: Float[np.ndarray, " n_cases"], held_out: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n_cases"]:
    """Rank cases among held-out ones: the share that is at least as strange, the case counted in.

    Beyond the strangest held-out case the rank says no more than ``1 / (n + 1)``. From there on the
    p-value falls off exponentially, as fast as the held-out cases do at their end, so that unknowns
    keep their order and few held-out cases can reject something.

    Parameters
    ----------
    strangeness : array (n_cases,)
        Of the cases; higher is stranger.
    held_out : array (n,)
        Of the held-out ones.

    Returns
    -------
    array (n_cases,)
        In (0, 1]; 1 where nothing was held out.

    >>> p_values(np.array([0.0, 2.5, 9.0]), np.array([1.0, 2.0, 3.0])).round(3)
    array([1.   , 0.5  , 0.001])
    """
    n = len(held_out)
    if not n:
        return np.ones(len(strangeness))
    ordered = np.sort(np.asarray(held_out, np.float64))
    at_least = n - np.searchsorted(ordered, strangeness, side="left")
    rank = (1.0 + at_least) / (n + 1)
    last = ordered[-max(int(np.ceil(TAIL * n)), 2) :]
    fall = max(float(np.mean(last[-1] - last[:-1])) if n > 1 else 0.0, 1e-3)
    beyond = np.maximum(strangeness - ordered[-1], 0.0)
    return np.maximum(rank * np.exp(-beyond / fall), np.finfo(np.float64).tiny)


def conformal_sets(
    log_scores: Float[np.ndarray, "n_cases n_classes"],
    held_out: HeldOut,
    sharpness: float,
    alpha: float,
) -> Bool[np.ndarray, "n_cases n_classes"]:
    """Return the classes that cannot be excluded at a level.

    A class belongs to the set unless its improbability exceeds that of the true class in all but a
    share ``alpha`` of the held-out cases. A set may be empty: then the case is less certain of any
    class than such cases usually are.

    Parameters
    ----------
    log_scores : array (n_cases, n_classes)
        Of the cases.
    held_out : HeldOut
        What to compare them with.
    sharpness : float
        Of the probabilities.
    alpha : float
        Accepted share of sets without the true class.

    Returns
    -------
    array of bool (n_cases, n_classes)
        All true where there are fewer than ``1 / alpha - 1`` held-out cases.
    """
    n = len(held_out.truth)
    rank = int(np.ceil((1.0 - alpha) * (n + 1)))
    if rank > n:
        return np.ones(log_scores.shape, bool)
    certain = log_odds(sharpness * held_out.log_scores)[np.arange(n), held_out.truth]
    return log_odds(sharpness * log_scores) >= np.sort(certain)[n - rank]


def log_odds(
    energies: Float[np.ndarray, "n_cases n_classes"],
) -> Float[np.ndarray, "n_cases n_classes"]:
    """Return the log odds of each class against all others, under ``p ~ exp(-energy)``.

    Unlike the log of p, which is rounded to 0 there, they tell certain cases apart.
    """
    energies = np.asarray(energies, np.float64)
    log_p = log_probabilities(energies)
    with np.errstate(divide="ignore"):
        odds = log_p - np.log1p(-np.exp(log_p))
    cases, best = np.arange(len(energies)), energies.argmin(axis=1)
    others = energies.copy()
    others[cases, best] = np.inf
    odds[cases, best] = -energies[cases, best] - logsumexp(-others, axis=1)
    return odds
