"""What a fitted classifier imagines: reconstructions, completions, new members of a class."""

from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from egem.calibration.temperature import probabilities
from egem.data.preparation import Batch
from egem.ensemble.completion import LEAST_LIKELY, Completion, band, posterior
from egem.ensemble.result import Inversion, class_index
from egem.explain import Explanation, explained
from egem.recognition import Recognition, check_share


class Imagination(Recognition):
    """The methods of :class:`egem.EGEMClassifier` that show what its experts imagine."""

    def reconstruct(
        self, X: ArrayLike, label: Any = None
    ) -> Float32[np.ndarray, "n_cases n_channels n_timepoints"]:
        """Return what an expert imagines for each case.

        Parameters
        ----------
        X : array or list
            Cases, as for :meth:`invert`. A prefix is completed, a gap is filled.
        label : label or None, default None
            Whose expert; None takes the winner of each case.

        Returns
        -------
        array (n_cases, n_channels, n_timepoints)
            In the units of X, over the full fitted length.

        Raises
        ------
        ValueError
            Where ``label`` is not a class.
        """
        inversion, whose = self._inverted_by(X, label)
        out = np.zeros((len(whose), *self._shape), np.float32)
        for e in np.unique(whose):
            out[whose == e] = self.ensemble_.imagine(e, inversion.codes[whose == e, e])
        return out

    def complete(self, X: ArrayLike, label: Any = None, level: float = 0.9) -> Completion:
        """Fill gaps and continue prefixes, with a band that says how sure that is.

        Unlike :meth:`reconstruct`, this keeps the values that are there, and lets them draw the
        expert's sequence towards them where values near them are missing.

        Parameters
        ----------
        X : array or list
            Cases, as for :meth:`invert`.
        label : label or None, default None
            Whose expert; None takes the winner of each case for the estimates, and all that are
            likely for the band. A band of a named class takes the class for granted.
        level : float, default 0.9
            Share of missing values that the band should hold, each taken alone, in (0, 1).

        Returns
        -------
        Completion
            ``values``, ``low``, ``high``, each (n_cases, n_channels, n_timepoints) over the full
            fitted length, and ``labels``.

        Raises
        ------
        ValueError
            Where ``label`` is not a class, or ``level`` is out of range.

        Notes
        -----
        A model that stretches cases to one length takes a prefix for a whole: give
        ``align="start"`` to have prefixes of cases of unequal length continued.
        """
        check_share("level", level)
        inversion, whose = self._inverted_by(X, label)
        grid = self.preparation_
        cases = grid.align(self._cases(X, reset=False))
        batch = grid.apply(cases)
        weights = np.eye(len(self.classes_))[whose]
        if label is None:
            likely = probabilities(inversion.scores, self.sharpness_)
            weights = np.where((likely >= LEAST_LIKELY) | (weights > 0), likely, 0.0)
            weights /= weights.sum(axis=1, keepdims=True)
        values, low, high = (np.zeros((len(cases), *self._shape), np.float32) for _ in range(3))
        for i in range(len(cases)):
            asked = np.flatnonzero(weights[i])
            found = [self._posterior(e, inversion.codes[i, e], batch[i : i + 1]) for e in asked]
            estimates, sds = (np.concatenate(each) for each in zip(*found, strict=True))
            estimates, sds = grid.restore(estimates), grid.restore_spread(sds)
            values[i] = estimates[asked == whose[i]][0]
            low[i], high[i] = band(estimates, sds, weights[i, asked], level)
        low, high = np.minimum(low, values), np.maximum(high, values)
        for i, case in enumerate(cases):
            given = case[:, : grid.n_timepoints]
            seen = ~np.isnan(given)
            for of in (values, low, high):
                of[i, :, : given.shape[1]][seen] = given[seen]
        return Completion(values, low, high, self.classes_[whose])

    def _posterior(
        self, e: int, code: Float32[np.ndarray, " k"], case: Batch
    ) -> tuple[Float[np.ndarray, "1 t c"], Float[np.ndarray, "1 t c"]]:
        """Let an expert estimate all of a case, with standard deviations."""
        ensemble = self.ensemble_
        y, jacobian = ensemble.linearise(e, code)
        found = posterior(
            case.values.ravel().astype(np.float64),
            case.mask.ravel(),
            y.ravel(),
            jacobian.reshape(len(jacobian), -1),
            ensemble.metric,
            ensemble.search.prior_strength * ensemble.trained[e].code_precision,
        )
        estimate, sd = (each.reshape(case.values.shape) for each in found)
        return estimate, sd

    def explain(
        self,
        X: ArrayLike,
        n_experts: int = 3,
        n_near: int = 4,
        *,
        inversion: Inversion | None = None,
        paths: bool = True,
    ) -> Explanation:
        """Show why each case was classified as it was.

        Parameters
        ----------
        X : array or list
            Cases, as for :meth:`invert`.
        n_experts : int, default 3
            How many of the nearest experts to tell of.
        n_near : int, default 4
            How many of the winner's training cases to tell of, nearest by code first.
        inversion : Inversion or None, default None
            What :meth:`invert` made of the same cases, to save searching once more.
        paths : bool, default True
            Whether to search once more with each winner, to tell how its code moved; NaN otherwise.

        Returns
        -------
        Explanation
            What they imagined, their losses and where these lie along the sequence, the nearest
            training cases, and how the winner's code moved. Drawn by
            :func:`egem.viz.explanation_plot.explanation`.

        Raises
        ------
        ValueError
            Where a number is not positive, or ``inversion`` is of other cases or classes.
        """
        if min(n_experts, n_near) < 1:
            raise ValueError(
                f"n_experts and n_near must be at least 1, not {n_experts} and {n_near}."
            )
        check_is_fitted(self)
        cases = self._cases(X, reset=False)
        if inversion is None:
            inversion = self.invert(X)
            inversion.check_decided()
        elif inversion.losses.shape != (len(cases), len(self.classes_)):
            raise ValueError(
                f"inversion tells of {inversion.losses.shape[0]} cases and "
                f"{inversion.losses.shape[1]} classes, but there are {len(cases)} cases in X and "
                f"{len(self.classes_)} classes in this model; give what invert(X) returned."
            )
        return explained(self, cases, inversion, n_experts, n_near, paths)

    @property
    def _shape(self) -> tuple[int, int]:
        return self.preparation_.n_channels, self.preparation_.n_timepoints

    def _inverted_by(self, X, label) -> tuple[Inversion, Int[np.ndarray, " n"]]:
        """Invert cases, and say whose expert is asked for in each."""
        check_is_fitted(self)
        e = None if label is None else class_index(self.classes_, label)
        inversion = self.invert(X)
        inversion.check_decided()
        winner = inversion.scores.argmin(axis=1)
        return inversion, winner if e is None else np.full(len(winner), e)

    def sample(
        self, label: Any, n: int = 1, random_state: int | None = None
    ) -> Float32[np.ndarray, "n n_channels n_timepoints"]:
        """Imagine new members of a class.

        Codes are drawn as training pairs are: blends of two training cases, bent at random.

        Parameters
        ----------
        label : label
            The class.
        n : int, default 1
            How many.
        random_state : int or None, default None
            Seed.

        Returns
        -------
        array (n, n_channels, n_timepoints)

        Raises
        ------
        ValueError
            Where ``label`` is not a class, or n is not positive.
        """
        check_is_fitted(self)
        if n < 1:
            raise ValueError(f"n must be at least 1, not {n}.")
        e = class_index(self.classes_, label)
        codes = self.ensemble_.trained[e].codes
        rng = np.random.default_rng(random_state)
        first, second = codes[rng.integers(len(codes), size=(2, n))]
        share = rng.random((n, 1)).astype(np.float32)
        drawn = share * first + (1 - share) * second
        n_bends = self.ensemble_.trained[e].n_bends
        if n_bends:
            drawn[:, -n_bends:] = rng.normal(size=(n, n_bends))
        return self.ensemble_.imagine(e, drawn)
