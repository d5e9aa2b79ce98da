"""Results of an inversion: every expert's code and loss for every case, and what follows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Shaped

from egem.core.classify import nonconformity, probabilities, safe_log
from egem.ensemble.conformal import Calibration
from egem.runtime.progress import summed
from egem.views.views import ViewLosses, pooled


class State(StrEnum):
    """How the search of one expert for the code of one case ended."""

    CONVERGED = "converged"
    UNFINISHED = "unfinished"
    NOT_FINITE = "not finite"
    LEFT_OUT = "left out"


_REMEDIES = {
    State.UNFINISHED: "was still improving when its steps were used up; raise max_steps of search",
    State.NOT_FINITE: "found no finite loss, and cannot win; look at the case for extreme values, "
    "and at the class's training cases",
}


@dataclass(frozen=True, eq=False)
class Inversion:
    """Every expert's code and loss for every case, and how the searches ended.

    Attributes
    ----------
    classes : array (n_classes,)
        Class labels, the order of the second axis everywhere.
    losses : array (n_cases, n_classes)
        Remaining loss in the metric, per observed value; inf where none is finite.
    priors : array (n_cases, n_classes)
        Prior on the code, in the same units; ``losses + priors`` is what the search minimised.
    codes : array (n_cases, n_classes, code_size)
        The codes found; experts with shorter codes have NaN at the end.
    n_steps : array of int (n_cases, n_classes)
        Steps taken.
    converged : array of bool (n_cases, n_classes)
        True where the last step changed the score by less than 0.1 %; False where the search was
        still falling when its steps were used up (raise ``max_steps``).
    stats : mapping
        Seconds of each phase: ``"prepare"``, ``"views"`` (losses in the linear views) and
        ``"search"``, with compilation where a shape was new.
    """

    classes: Shaped[np.ndarray, " n_classes"]
    losses: Float32[np.ndarray, "n_cases n_classes"]
    priors: Float32[np.ndarray, "n_cases n_classes"]
    codes: Float32[np.ndarray, "n_cases n_classes code_size"]
    n_steps: Int[np.ndarray, "n_cases n_classes"]
    converged: Bool[np.ndarray, "n_cases n_classes"]
    _decode: Callable[[int, np.ndarray], np.ndarray] = field(repr=False)
    views: ViewLosses | None = field(default=None, repr=False)
    stats: Mapping[str, float] = field(default_factory=dict, repr=False)
    calibration: Calibration | None = field(default=None, repr=False)
    _among: Bool[np.ndarray, "n_cases n_classes"] | None = field(default=None, repr=False)
    _winners: Int[np.ndarray, " n_cases"] | None = field(default=None, repr=False)

    def labels(self) -> Shaped[np.ndarray, " n_cases"]:
        """Return the class of the lowest score, for each case."""
        return self.classes[self.winners]

    @property
    def winners(self) -> Int[np.ndarray, " n_cases"]:
        """Positions of those classes."""
        return self.scores.argmin(axis=1) if self._winners is None else self._winners

    def probabilities(self) -> Float[np.ndarray, "n_cases n_classes"]:
        """Return class probabilities, ``scores ** -inverse_temperature`` normalised."""
        return probabilities(self.scores, self._calibrated.inverse_temperature)

    def prediction_set(self, alpha: float) -> Bool[np.ndarray, "n_cases n_classes"]:
        """Return the classes that cannot be excluded at level alpha."""
        return self._calibrated.prediction_set(self.log_scores, alpha)

    def p_value(self) -> Float[np.ndarray, " n_cases"]:
        """Return the p-value of each case being of a known class, the predicted one."""
        return self._calibrated.p_value(self.nonconformity, self.winners)

    @property
    def _calibrated(self) -> Calibration:
        if self.calibration is None:
            raise ValueError(
                "this inversion has no calibration; make it with EGEMClassifier.invert"
            )
        return self.calibration

    @staticmethod
    def joined(parts: "list[Inversion]") -> "Inversion":
        """Concatenate cases."""
        if len(parts) == 1:
            return parts[0]
        views = [part.views for part in parts if part.views]
        winners = [part._winners for part in parts if part._winners is not None]
        return Inversion(
            parts[0].classes,
            np.concatenate([part.losses for part in parts]),
            np.concatenate([part.priors for part in parts]),
            np.concatenate([part.codes for part in parts]),
            np.concatenate([part.n_steps for part in parts]),
            np.concatenate([part.converged for part in parts]),
            parts[0]._decode,
            ViewLosses.joined(views) if views else None,
            summed([part.stats for part in parts]),
            parts[0].calibration,
            _winners=np.concatenate(winners) if winners else None,
        )

    @property
    def states(self) -> Shaped[np.ndarray, "n_cases n_classes"]:
        """How each search ended, (n_cases, n_classes): a :class:`State` as text."""
        found = np.where(self.converged, State.CONVERGED, State.UNFINISHED)
        found = np.where(np.isfinite(self.losses), found, State.NOT_FINITE)
        return found if self._among is None else np.where(self._among, found, State.LEFT_OUT)

    @property
    def undecided(self) -> Int[np.ndarray, " n"]:
        """Cases for which no expert found a finite loss."""
        lost = ~np.isfinite(self.losses).any(axis=1)
        return np.flatnonzero(lost if self._among is None else lost & self._among.any(axis=1))

    @property
    def troubles(self) -> list[str]:
        """One sentence for each kind of failed search, with its remedy; none as a rule."""
        states, sentences = self.states, []
        for state, remedy in _REMEDIES.items():
            cases, experts = np.nonzero(states == state)
            if len(cases):
                label = self.classes[experts[0]].item()
                sentences.append(
                    f"{len(cases)} of {states.size} searches (first: class {label!r}, case "
                    f"{cases[0]}): each {remedy}."
                )
        if len(self.undecided):
            sentences.append(_undecided(self.undecided))
        return sentences

    def check_decided(self, first: int = 0) -> None:
        """Refuse cases without a finite loss; ``first`` is the number of the first case.

        Raises
        ------
        FloatingPointError
            Naming the first such case, and what to do.
        """
        if len(self.undecided):
            raise FloatingPointError(_undecided(self.undecided + first))

    @property
    def scores(self) -> Float32[np.ndarray, "n_cases n_classes"]:
        """Scores, (n_cases, n_classes); the class of the lowest is predicted.

        Losses plus priors; with further views the weighted geometric mean of that and of the losses
        there.
        """
        scores = pooled(self.losses + self.priors, self.views)
        scores = np.where(np.isfinite(self.losses), scores, np.float32(np.inf))
        if self._winners is None:
            return scores
        # Classes that the search for the predicted one has dropped do not get below it again.
        lowest = np.take_along_axis(scores, self._winners[:, None], axis=1)
        floor = np.nextafter(lowest, np.float32(np.inf))
        others = np.arange(scores.shape[1]) != self._winners[:, None]
        return np.where(others, np.maximum(scores, floor), scores)

    @property
    def log_scores(self) -> Float[np.ndarray, "n_cases n_classes"]:
        """Logs of :attr:`scores`, (n_cases, n_classes)."""
        return safe_log(self.scores)

    @property
    def nonconformity(self) -> Float[np.ndarray, " n_cases"]:
        """How unlike the training cases each case is, (n_cases,), with all views counted in full.

        See :func:`egem.core.classify.nonconformity`. The out-of-distribution gate decides how far
        features are trusted with a classification; whether a case resembles the training cases is
        another question.
        """
        return nonconformity(self.log_scores + (self.views.gated if self.views else 0.0))

    @property
    def reconstructions(self) -> Float32[np.ndarray, "n_cases n_classes n_channels n_timepoints"]:
        """Every expert's sequence for every case, in the user's units; decoded at every call."""
        return np.stack([self._decode(e, self.codes[:, e]) for e in range(len(self.classes))], 1)

    def reconstructions_of(
        self, label: Any
    ) -> Float32[np.ndarray, "n_cases n_channels n_timepoints"]:
        """One class's sequence for every case, in the user's units.

        Raises
        ------
        ValueError
            Where there is no such class.
        """
        e = class_index(self.classes, label)
        return self._decode(e, self.codes[:, e])


def _undecided(cases: Int[np.ndarray, " n"]) -> str:
    return (
        f"no expert found a finite loss for {len(cases)} cases, first case {cases[0]} of X; look "
        "at it for extreme values, leave it out, or scale it as the training cases were."
    )


def class_index(classes: Shaped[np.ndarray, " n_classes"], label: Any) -> int:
    """Return a label's position; raise ValueError where there is no such class."""
    found = np.flatnonzero(classes == label)
    if not len(found):
        shown = ", ".join(repr(c) for c in classes.tolist()[:20])
        raise ValueError(f"label {label!r} is not a class of this model; its classes are {shown}.")
    return int(found[0])


def unknown_label(classes: Shaped[np.ndarray, " n_classes"], label: Any) -> np.ndarray:
    """Return the label of rejected cases: the one given, "unknown" or -1; not that of a class."""
    if label is None:
        label = "unknown" if classes.dtype.kind in "UO" else -1
    if label in classes.tolist():
        raise ValueError(f"unknown={label!r} is a class of this model; name another label.")
    return np.asarray(label)
