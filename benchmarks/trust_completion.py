"""Completion of letters of which a part is missing, beside others, for `trust.py`.

Errors are of missing values alone, of letters standardised over all. Estimates with a spread are
scored by the continuous ranked probability score (CRPS) of a normal distribution (Gneiting and
Raftery, JASA 2007, equation 21), which for a spread of 0 is the absolute error. *Linear Gaussian*
is, for each class, a normal distribution about its mean with the within-class covariance of all
classes (Ledoit and Wolf's estimate), conditioned on what is seen; the most probable class counts.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.stats import norm
from sklearn.covariance import ledoit_wolf

from egem import EGEMClassifier
from splits import Split, flat
from trust_cases import nearest_observed

LEVEL = 0.9  # of the band
Z = 2 * norm.ppf((1 + LEVEL) / 2)  # its width in standard deviations


class Estimate(NamedTuple):
    """Whole cases (n, c, t), and the standard deviation of each value, 0 where there is none."""

    values: np.ndarray
    spread: np.ndarray


def measures(cases: Split, seen: dict[str, np.ndarray], seed: int) -> Iterator[tuple]:
    """Yield method, figure and value for each way in which a part is missing."""
    X, y = np.asarray(cases.X_test), cases.y_test
    clf = EGEMClassifier(random_state=seed).fit(cases.X, cases.y)
    gaussian = LinearGaussian(np.asarray(cases.X), cases.y)
    for what, mask in seen.items():
        cut = np.where(mask, X, np.nan)
        whole = clf.complete(cut, level=LEVEL)
        inside = (whole.low <= X) & (whole.high >= X)
        yield "EGEM", f"inside the band, {what}", float(inside[~mask].mean())
        right = ~mask & (whole.labels == y)[:, None, None]
        yield "EGEM", f"inside where the class is right, {what}", float(inside[right].mean())
        estimates = {
            "EGEM": Estimate(whole.values, (whole.high - whole.low) / Z),
            "linear Gaussian": gaussian.complete(cut),
            "nearest training case": _nearest(np.asarray(cases.X), cut),
            "last value": _last_value(cut),
        }
        for method, each in estimates.items():
            squares = (each.values - X)[~mask] ** 2
            yield method, f"squared error, {what}", float(squares.mean())
            yield method, f"CRPS, {what}", float(_crps(each, X)[~mask].mean())


class LinearGaussian:
    """Normal distributions of one covariance about the class means."""

    def __init__(self, X: np.ndarray, y: np.ndarray):
        rows, classes = flat(X), np.unique(y)
        self.means = np.stack([rows[y == c].mean(axis=0) for c in classes])
        residuals = rows - self.means[np.searchsorted(classes, y)]
        freedom = len(rows) / max(len(rows) - len(classes), 1)
        self.covariance = ledoit_wolf(residuals, assume_centered=True)[0] * freedom

    def complete(self, cut: np.ndarray) -> Estimate:
        """Condition the most probable class on what is seen of each case."""
        rows = flat(cut)
        values, spread = rows.copy(), np.zeros_like(rows)
        for x, value, sd in zip(rows, values, spread, strict=True):
            seen = ~np.isnan(x)
            own, across = self.covariance[np.ix_(seen, seen)], self.covariance[np.ix_(~seen, seen)]
            gain = np.linalg.solve(own, across.T).T
            away = x[seen] - self.means[:, seen]
            best = np.einsum("cp,cp->c", away, np.linalg.solve(own, away.T).T).argmin()
            value[~seen] = self.means[best, ~seen] + gain @ away[best]
            variance = np.diag(self.covariance)[~seen] - np.einsum("mp,mp->m", gain, across)
            sd[~seen] = np.sqrt(np.maximum(variance, 0.0))
        return Estimate(values.reshape(cut.shape), spread.reshape(cut.shape))


def _nearest(X: np.ndarray, cut: np.ndarray) -> Estimate:
    """Take what is missing from the training case that is nearest where both are seen."""
    values = np.where(np.isnan(cut), X[nearest_observed(X, cut)], cut)
    return Estimate(values, np.zeros_like(values))


def _last_value(cut: np.ndarray) -> Estimate:
    """Repeat the last value that is seen, or the first one before it."""
    values = cut.copy()
    for row in values.reshape(-1, cut.shape[2]):
        known = np.flatnonzero(~np.isnan(row))
        last = np.searchsorted(known, np.arange(len(row)), side="right") - 1
        row[:] = row[known[np.maximum(last, 0)]]
    return Estimate(values, np.zeros_like(values))


def _crps(estimate: Estimate, X: np.ndarray) -> np.ndarray:
    away, sd = np.abs(X - estimate.values), estimate.spread
    z = away / np.maximum(sd, 1e-12)
    score = sd * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    return np.where(sd > 0, score, away)
