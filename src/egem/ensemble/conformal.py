"""Conformal prediction: held-out cases turn scores into probabilities, sets and p-values."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import stdtr

from egem.core.classify import conformal_p_values, log_odds, p_values

OWN_CASES = 20  # held-out cases of a class, beside which those of others count as much
ROUNDING = 1e-9  # of a sum of weights
# Chosen on development splits, see docs/benchmarks/tried.md
MEAN_CASES = 8  # held-out cases of a class that count as much as the mean of all for its mean
NORMAL_CASES = 100  # held-out cases at which their ranks count as much as a normal distribution
MIN_VARIANCE = 1e-6  # of nonconformity, which is a log


class HeldOut(NamedTuple):
    """Scores of labelled cases that the experts were not trained on.

    Attributes
    ----------
    log_scores : array (n, n_classes)
        As :attr:`Inversion.log_scores`.
    nonconformity : array (n,)
        As :attr:`Inversion.nonconformity`.
    truth : array of int (n,)
        Positions of their true classes.
    n_trained : array of int (n_classes,)
        Training cases of each class, among them the held-out ones; 0 for all classes where the
        cases are no training cases (:meth:`egem.EGEMClassifier.calibrate`).
    """

    log_scores: Float[np.ndarray, "n n_classes"]
    nonconformity: Float[np.ndarray, " n"]
    truth: Int[np.ndarray, " n"]
    n_trained: Int[np.ndarray, " n_classes"]

    @classmethod
    def none(cls, n_classes: int) -> "HeldOut":
        """Return the scores of no case, as with one case a class."""
        return cls(np.zeros((0, n_classes)), np.zeros(0), np.zeros(0, int), np.ones(n_classes, int))

    def weights(self, e: int) -> Float[np.ndarray, " n"]:
        """Return how much each held-out case counts in the p-values of class ``e``.

        Fresh cases count alike. Of training cases, those of the class count fully. Those of other
        classes are scored alike only where these have half to twice as many cases, and are needed
        only where the class has few: together they count as ``OWN_CASES ** 2`` over its number.
        """
        if not self.n_trained.any():
            return np.ones(len(self.truth))
        n, own = self.n_trained, self.truth == e
        others = ((2 * n >= n[e]) & (n <= 2 * n[e]))[self.truth] & ~own
        most = OWN_CASES**2 / max(int(own.sum()), 1)
        return own + others * min(most / max(int(others.sum()), 1), 1.0)

    def p_values(self, nonconformity: Float[np.ndarray, " m"], e: int) -> Float[np.ndarray, " m"]:
        """Return the p-values of cases being of class ``e``, which is predicted for them.

        Fresh cases rank new ones. Of training cases too few are held out: the p-value is a
        weighted geometric mean of the rank and of Student's t distribution, of what nonconformity
        exceeds the class's mean by. That mean is shrunk towards the mean of all.
        """
        weights = self.weights(e)
        if not self.n_trained.any() or not weights.any():
            return p_values(nonconformity, self.nonconformity, weights)
        n = np.bincount(self.truth, minlength=len(self.n_trained)) + MEAN_CASES
        total = np.bincount(self.truth, self.nonconformity, minlength=len(n))
        means = (total + MEAN_CASES * np.average(self.nonconformity, weights=weights)) / n
        away, own = nonconformity - means[e], self.nonconformity - means[self.truth]
        freedom = weights @ (1.0 - 1.0 / n[self.truth])
        variance = max(weights @ own**2 / freedom, MIN_VARIANCE) * (1.0 + 1.0 / n[e])
        p_normal = np.maximum(stdtr(freedom, -away / np.sqrt(variance)), np.finfo(float).tiny)
        normal = NORMAL_CASES / (NORMAL_CASES + weights.sum())
        return p_normal**normal * p_values(away, own, weights) ** (1.0 - normal)


class Calibration(NamedTuple):
    """What turns scores into probabilities, sets and p-values."""

    inverse_temperature: float
    held_out: HeldOut

    def p_value(
        self, nonconformity: Float[np.ndarray, " n"], winners: Int[np.ndarray, " n"]
    ) -> Float[np.ndarray, " n"]:
        """Return the p-value of each case being of its predicted class."""
        held, p = self.held_out, np.ones(len(winners))
        for e in np.unique(winners):
            of = winners == e
            p[of] = held.p_values(nonconformity[of], int(e))
        return p

    def prediction_set(
        self, log_scores: Float[np.ndarray, "n n_classes"], alpha: float
    ) -> Bool[np.ndarray, "n n_classes"]:
        """Return the classes that cannot be excluded at level alpha."""
        held, beta = self.held_out, self.inverse_temperature
        of_truth = np.arange(len(held.truth)), held.truth
        calibration = -log_odds(beta * held.log_scores)[of_truth]
        nonconformity = -log_odds(beta * log_scores)
        p = [
            conformal_p_values(nonconformity[:, e], calibration, held.weights(e))
            for e in range(log_scores.shape[1])
        ]
        return np.stack(p, axis=1) > alpha + ROUNDING
