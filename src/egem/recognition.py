"""What a fitted classifier says of new cases: classes, probabilities, sets, and unknowns."""

from functools import partial
from typing import Any, Self

import numpy as np
from jaxtyping import Bool, Float, Float32, Shaped
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from egem.calibration.conformal import HeldOut, conformal_sets, p_values
from egem.calibration.temperature import probabilities, sharpest
from egem.data.validation import as_labels
from egem.ensemble.result import Inversion
from egem.ensemble.search import ALL, NEAREST, WINNER, Wanted
from egem.inverting import Inverting
from egem.judging import Verdicts, verdicts, winners, without_codes

NEGLIGIBLE = 1e-3  # sum of probabilities that are not worth a search
SHARPNESSES = tuple(np.geomspace(0.1, 1000.0, 161))


class Recognition(Inverting):
    """The methods of :class:`egem.EGEMClassifier` that judge cases."""

    def predict(
        self,
        X: ArrayLike,
        reject: float | None = None,
        unknown: Any = None,
    ) -> Shaped[np.ndarray, " n_cases"]:
        """Return the class that comes nearest, for each case: the lowest of ``invert(X).scores``.

        Experts that are far behind after a few steps do not search on; ``benchmarks/accuracy.py``
        reports in how many cases the winner is that of :meth:`invert`.

        Parameters
        ----------
        X : array or list
            Cases, as for :meth:`invert`.
        reject : float or None, default None
            Share, in (0, 1), of the cases of known classes that may be taken for unknown: those
            whose :meth:`novelty` is at most that. None rejects nothing.
        unknown : label or None, default None
            What unknown cases are called; None is ``"unknown"`` beside text labels, otherwise -1.

        Returns
        -------
        array (n_cases,)

        Raises
        ------
        ValueError
            Where ``reject`` is out of range, or the label of unknown cases is that of a class.
        """
        if reject is None:
            found = np.concatenate(list(self._taken(X, WINNER, winners)))
            return self.classes_[found]
        check_share("reject", reject)
        check_is_fitted(self)
        if unknown is None:
            unknown = "unknown" if self.classes_.dtype.kind in "UO" else -1
        if (self.classes_ == unknown).any():
            raise ValueError(
                f"unknown={unknown!r} is a class of this model; name another label for rejected "
                "cases."
            )
        inversion = self._invert(X, NEAREST, without_codes, decided=True)
        chosen = self.classes_[inversion.scores.argmin(axis=1)]
        known = p_values(inversion.strangeness, self.held_out_.strangeness) > reject
        return np.where(known, chosen, np.asarray(unknown))

    def predict_proba(self, X: ArrayLike) -> Float32[np.ndarray, "n_cases n_classes"]:
        """Return class probabilities, proportional to ``invert(X).scores ** -sharpness_``.

        The sharpness is chosen by leaving training cases out, or by :meth:`calibrate`. Experts that
        are so far behind after a few steps that all of them together would get a probability of
        less than 0.001 do not search on: they get what they have earned by then.

        Probabilities say which of the known classes is likeliest; a sequence of none of them gets
        probabilities as well, see :meth:`novelty`.

        Parameters
        ----------
        X : array or list
            Cases, as for :meth:`invert`.

        Returns
        -------
        array (n_cases, n_classes)
            Columns in the order of ``classes_``.
        """
        return probabilities(self._judged(X).scores, self.sharpness_)

    def _judged(self, X: ArrayLike) -> Inversion:
        """Invert, but let experts leave that do not matter to a probability."""
        check_is_fitted(self)
        return self._invert(X, self._chances, without_codes, decided=True)

    @property
    def _chances(self) -> Wanted:
        return Wanted(np.log(len(self.classes_) / NEGLIGIBLE) / self.sharpness_)

    def verdicts(self, X: ArrayLike) -> Verdicts:
        """Return what decides of each case, and no more: for many cases and classes.

        Agrees with :meth:`predict_proba`, of which the arrays of all pairs would not fit in memory.

        Parameters
        ----------
        X : array or list
            Cases, as for :meth:`invert`.

        Returns
        -------
        Verdicts
            ``winners`` (positions in ``classes_``), their ``probabilities`` and ``losses``.
        """
        check_is_fitted(self)
        take = partial(verdicts, sharpness=self.sharpness_)
        parts = zip(*self._taken(X, self._chances, take), strict=True)
        return Verdicts(*map(np.concatenate, parts))

    def predict_set(
        self,
        X: ArrayLike,
        alpha: float = 0.1,
    ) -> Bool[np.ndarray, "n_cases n_classes"]:
        """Return for each case the classes that cannot be excluded: conformal sets.

        The true class is in the set with a probability of about ``1 - alpha``, over cases like the
        training cases. After :meth:`calibrate` that is guaranteed as long as the cases are
        exchangeable with those given there; after :meth:`fit` alone it is what was measured, since
        hulls stand in for experts (see :mod:`egem.calibration.conformal`). A set may hold several
        classes, or none: then the case is like no class as cases usually are.

        Parameters
        ----------
        X : array or list
            Cases, as for :meth:`invert`.
        alpha : float, default 0.1
            Accepted share of sets without the true class, in (0, 1).

        Returns
        -------
        array of bool (n_cases, n_classes)
            Columns in the order of ``classes_``. All classes where there are fewer than
            ``1 / alpha - 1`` held-out cases, for instance with one case a class.

        Raises
        ------
        ValueError
            Where alpha is out of range.
        """
        check_share("alpha", alpha)
        inversion = self._invert(X, ALL, without_codes, decided=True)
        return conformal_sets(inversion.log_scores, self.held_out_, self.sharpness_, alpha)

    def novelty(self, X: ArrayLike) -> Float[np.ndarray, " n_cases"]:
        """Return a p-value for each case being of a known class; low means unknown.

        It is the share of held-out training cases (or of those given to :meth:`calibrate`) that
        were at least as far from their nearest class. Works with a single class.

        Parameters
        ----------
        X : array or list
            Cases, as for :meth:`invert`.

        Returns
        -------
        array (n_cases,)
            In (0, 1]; 1 throughout where nothing could be held out, with one case a class.
        """
        inversion = self._invert(X, NEAREST, without_codes, decided=True)
        return p_values(inversion.strangeness, self.held_out_.strangeness)

    def calibrate(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Set probabilities, sets and novelty by cases that the experts have not seen.

        What :meth:`fit` learns of them by leaving training cases out is replaced by what the
        experts themselves make of further labelled cases. Sets then have the guarantee of split
        conformal prediction. Classes that are added or taught more afterwards need it again.

        Parameters
        ----------
        X : array or list
            Cases, as for :meth:`invert`, none of them used in :meth:`fit`; a hundred say much, ten
            little.
        y : array (n_cases,)
            Their labels, each a class of this model.

        Returns
        -------
        EGEMClassifier
            Itself.

        Raises
        ------
        ValueError
            Where a label is no class, or the input does not fit the training cases.
        """
        check_is_fitted(self)
        inversion = self._invert(X, ALL, without_codes, decided=True)
        y = as_labels(y, len(inversion.losses))
        foreign = ~np.isin(y, self.classes_)
        if foreign.any():
            raise ValueError(
                f"y holds {y[foreign][0].item()!r}, which is not a class of this model; leave "
                "those cases out, or add the class first."
            )
        truth = np.searchsorted(self.classes_, y)
        held = HeldOut(inversion.log_scores, inversion.strangeness, truth)
        if len(self.classes_) > 1:
            self.sharpness_ = sharpest(held.log_scores, truth, SHARPNESSES)[1]
        self.held_out_ = held
        return self

    def losses(self, X: ArrayLike) -> Float32[np.ndarray, "n_cases n_classes"]:
        """Return each expert's remaining loss for each case.

        Parameters
        ----------
        X : array or list
            Cases, as for :meth:`invert`.

        Returns
        -------
        array (n_cases, n_classes)
            The data term, in the metric, per observed value; the prior on codes is not in it.
        """
        return self._invert(X, ALL, without_codes).losses


def check_share(name: str, value: float) -> None:
    """Refuse what is not strictly between 0 and 1."""
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie between 0 and 1, both excluded, not {value!r}.")
