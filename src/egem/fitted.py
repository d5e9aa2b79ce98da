"""The state of a fitted classifier, and how input is checked against it."""

import numpy as np
from jaxtyping import Float, Shaped
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from egem.calibration.conformal import HeldOut
from egem.data.augment import Kind
from egem.data.preparation import Batch, Preparation
from egem.data.validation import as_cases, is_table
from egem.ensemble.experts import Ensemble
from egem.ensemble.joint import JointMetric
from egem.ensemble.linear import Pieces
from egem.ensemble.metric import Metric
from egem.ensemble.recipe import Recipe
from egem.kept import Kept
from egem.runtime.compile_cache import keep_compiled


class Fitted(BaseEstimator):
    """What :class:`egem.EGEMClassifier` has after ``fit``; its docstring says what it all is."""

    n_jobs: int | None
    verbose: bool

    classes_: Shaped[np.ndarray, " n_classes"]
    ensemble_: Ensemble
    metric_: Metric | JointMetric
    hulls_: tuple[tuple[Pieces, ...], ...]
    held_out_: HeldOut
    cases_: Kept
    recipe_: Recipe
    kind_: Kind
    sharpness_: float
    n_features_in_: int
    time_step_: float | None = None  # of the grid that a command laid uneven times on

    @property
    def preparation_(self) -> Preparation:
        """Scaling and grid, from the training cases."""
        return self.ensemble_.preparation

    @property
    def train_loss_(self) -> Float[np.ndarray, " n_classes"]:
        """Mean squared error of each expert over its training pairs, (n_classes,)."""
        return np.array([t.loss for t in self.ensemble_.trained])

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "ensemble_")

    def _cases(self, X, reset: bool):
        """Check X against what was seen at fit, and take it apart."""
        keep_compiled()  # every computation begins here
        two_d = is_table(X)
        cases = as_cases(X)
        if reset:
            for name in ("n_features_in_", "feature_names_in_"):
                if hasattr(self, name):
                    delattr(self, name)
        if two_d and not reset and self.preparation_.n_channels > 1:
            n = self.preparation_.n_channels
            raise ValueError(
                f"X has shape {np.shape(X)}, which reads as {len(cases)} cases of one channel, but "
                f"this model was fitted with {n}; give (n_cases, {n}, n_timepoints): X[None] for a "
                "single case."
            )
        names = hasattr(self, "feature_names_in_")
        if two_d and not reset and self.n_features_in_ == self.preparation_.n_channels == 1:
            self._check_width(X)  # univariate, fitted as 3-D or a list
            two_d = names
        if two_d:
            validate_data(self, X, reset=reset, skip_check_array=True)
        elif reset:
            self.n_features_in_ = len(cases[0])
        return cases

    def _check_width(self, X) -> None:
        width, fitted = np.shape(X)[1], self.preparation_.n_timepoints
        if width != fitted:
            raise ValueError(
                f"X has {width} time points, but this model was fitted with {fitted}; give "
                "prefixes as a list, as (n_cases, 1, length), or padded with NaN."
            )

    def _check_visible(self, batch: Batch, first: int = 0) -> None:
        blind = np.flatnonzero(~batch.mask.any(axis=(1, 2)))
        if len(blind):
            raise ValueError(
                f"X: case {first + blind[0]} holds no value within the fitted "
                f"{self.preparation_.n_timepoints} time points; remove it."
            )
