"""Evaluation on labelled cases: accuracy, calibration of probabilities and sets, unknowns."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import ArrayLike
from sklearn.metrics import roc_auc_score

from egem.core.classify import log_probabilities
from egem.data.cases import as_cases
from egem.data.validation import as_labels
from egem.ensemble.inversion import invert
from egem.ensemble.search import ALL
from egem.model import HERE, Model, Runtime

ALPHAS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
N_BINS = 15


class Evaluation(NamedTuple):
    """Measures of a model on labelled cases; cases of other labels are unknowns.

    Attributes
    ----------
    classes : array (n_classes,)
        Labels of the model.
    accuracy : float
        Share of known cases whose class is right; nan without any.
    log_loss : float
        Mean of minus the log probability of the true class, in nats.
    calibration_error : float
        Expected calibration error, over 15 bins of equal width of the winner's probability.
    confusion : array of int (n_classes, n_classes)
        Known cases by true class and predicted class.
    confidence, hit_rate, n_in_bin : array (15,)
        Mean probability and accuracy in each bin of it, NaN in empty ones, and how many.
    alphas : array (m,)
        Levels of the following.
    coverage, set_size : array (m,)
        Share of known cases whose class is in the set, and the sets' mean size.
    rejected : array (m,)
        Share of known cases with a p-value of at most alpha.
    unknown_rejected : array (m,)
        The same of unknown cases; NaN without any.
    unknown_auc : float
        Area under the ROC curve of p-values, unknown against known; nan without unknown cases.
    n_known, n_unknown : int
        Numbers of cases.
    """

    classes: Shaped[np.ndarray, " n_classes"]
    accuracy: float
    log_loss: float
    calibration_error: float
    confusion: Int[np.ndarray, "n_classes n_classes"]
    confidence: Float[np.ndarray, " n_bins"]
    hit_rate: Float[np.ndarray, " n_bins"]
    n_in_bin: Int[np.ndarray, " n_bins"]
    alphas: Float[np.ndarray, " m"]
    coverage: Float[np.ndarray, " m"]
    set_size: Float[np.ndarray, " m"]
    rejected: Float[np.ndarray, " m"]
    unknown_rejected: Float[np.ndarray, " m"]
    unknown_auc: float
    n_known: int
    n_unknown: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values; NaN becomes None."""
        return {name: _plain(value) for name, value in self._asdict().items()}


def evaluate(model: Model, X: ArrayLike, y: ArrayLike, runtime: Runtime = HERE) -> Evaluation:
    """Evaluate a model on labelled cases that it was not fitted to.

    Parameters
    ----------
    model : Model
        ``model_`` of a fitted estimator.
    X : array or list
        Cases.
    y : array (n_cases,)
        Their labels; those that are no class of the model count as unknown.
    runtime : Runtime
        Threads and progress.

    Returns
    -------
    Evaluation
    """
    inversion = invert(
        model,
        as_cases(X),
        ALL,
        n_jobs=runtime.n_jobs,
        verbose=runtime.verbose,
        decided=True,
        codes=False,
    )
    y = as_labels(y, len(inversion.losses)).astype(str)
    classes = model.classes.astype(str)
    order = np.argsort(classes)
    place = order[np.minimum(np.searchsorted(classes[order], y), len(classes) - 1)]
    known = classes[place] == y
    scores, truth = inversion.log_scores[known], place[known]
    p = inversion.p_value()
    log_p = log_probabilities(model.inverse_temperature * scores)
    of = np.arange(len(truth)), truth
    predicted = scores.argmin(axis=1)
    confusion = np.zeros((len(classes), len(classes)), int)
    np.add.at(confusion, (truth, predicted), 1)
    confidence, hit_rate, n_in_bin = reliability(np.exp(log_p), truth)
    full = n_in_bin > 0
    away = np.abs(confidence - hit_rate)[full] @ n_in_bin[full] / max(len(truth), 1)
    sets = [model.calibration.prediction_set(scores, alpha) for alpha in ALPHAS]
    both = known.any() and not known.all()
    return Evaluation(
        model.classes,
        _mean(predicted == truth),
        _mean(-log_p[of]),
        float(away) if full.any() else np.nan,
        confusion,
        confidence,
        hit_rate,
        n_in_bin,
        np.array(ALPHAS),
        np.array([_mean(each[of]) for each in sets]),
        np.array([_mean(each.sum(axis=1)) for each in sets]),
        np.array([_mean(p[known] <= alpha) for alpha in ALPHAS]),
        np.array([_mean(p[~known] <= alpha) for alpha in ALPHAS]),
        float(roc_auc_score(~known, -np.log(p))) if both else np.nan,
        int(known.sum()),
        int((~known).sum()),
    )


def reliability(
    probabilities: Float[np.ndarray, "n n_classes"], truth: Int[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " b"], Float[np.ndarray, " b"], Int[np.ndarray, " b"]]:
    """Compare the winner's probability with how often it is right, in bins of equal width.

    Returns
    -------
    confidence, hit_rate : array (15,)
        Means in each bin, NaN in empty ones.
    n_in_bin : array of int (15,)
        Cases in each.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    n_in_bin = np.bincount(bins, minlength=N_BINS)
    empty = np.where(n_in_bin > 0, n_in_bin, np.nan)
    mean, hits = (np.bincount(bins, of, N_BINS) / empty for of in (confidence, right))
    return mean, hits, n_in_bin


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else np.nan


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [_plain(v) for v in value.tolist()]
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and np.isnan(value) else value
