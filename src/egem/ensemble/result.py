"""What every expert made of every case, and how that decides."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Shaped

from egem.runtime.timings import summed


class State(StrEnum):
    """How the search of one expert for the code of one case ended."""

    CONVERGED = "converged"
    UNFINISHED = "unfinished"
    NOT_FINITE = "not finite"
    LEFT_OUT = "left out"


_REMEDIES = {
    State.UNFINISHED: "was still falling when its steps were used up; raise n_iterations",
    State.NOT_FINITE: "found no finite loss, and cannot win; look at the case for extreme values, "
    "and at the class's training cases",
}


@dataclass(frozen=True, eq=False)
class Inversion:
    """What every expert made of every case, how its search ended and how long all of it took.

    Attributes
    ----------
    classes : array (n_classes,)
        Class labels, the order of the second axis everywhere.
    losses : array (n_cases, n_classes)
        Remaining loss in the metric, per observed value; inf where none is finite.
    priors : array (n_cases, n_classes)
        Price of the code, in the same units; ``losses + priors`` is what the search minimised and
        what decides.
    codes : array (n_cases, n_classes, code_size)
        The codes found; experts with shorter codes have NaN at the end.
    n_steps : array of int (n_cases, n_classes)
        Steps taken.
    converged : array of bool (n_cases, n_classes)
        True where the last step changed the score by less than 0.1 %; False where the search was
        still falling when its steps were used up (raise ``n_iterations``).
    stats : mapping
        Seconds of each phase: ``"prepare"``, ``"spaces"`` (comparisons in further spaces),
        ``"search"``, compilation included where it was the first of its shape.
    """

    classes: Shaped[np.ndarray, " n_classes"]
    losses: Float32[np.ndarray, "n_cases n_classes"]
    priors: Float32[np.ndarray, "n_cases n_classes"]
    codes: Float32[np.ndarray, "n_cases n_classes code_size"]
    n_steps: Int[np.ndarray, "n_cases n_classes"]
    converged: Bool[np.ndarray, "n_cases n_classes"]
    _decode: Callable[[int, np.ndarray], np.ndarray] = field(repr=False)
    evidence: "Evidence | None" = field(default=None, repr=False)
    stats: Mapping[str, float] = field(default_factory=dict, repr=False)
    _among: Bool[np.ndarray, "n_cases n_classes"] | None = field(default=None, repr=False)

    @staticmethod
    def joined(parts: "list[Inversion]") -> "Inversion":
        """Put together what was made of some cases after others."""
        if len(parts) == 1:
            return parts[0]
        evidence = [part.evidence for part in parts if part.evidence]
        return Inversion(
            parts[0].classes,
            np.concatenate([part.losses for part in parts]),
            np.concatenate([part.priors for part in parts]),
            np.concatenate([part.codes for part in parts]),
            np.concatenate([part.n_steps for part in parts]),
            np.concatenate([part.converged for part in parts]),
            parts[0]._decode,
            Evidence.joined(evidence) if evidence else None,
            summed([part.stats for part in parts]),
        )

    @property
    def states(self) -> Shaped[np.ndarray, "n_cases n_classes"]:
        """How each search ended, (n_cases, n_classes): a :class:`State` as text."""
        found = np.where(self.converged, State.CONVERGED, State.UNFINISHED)
        found = np.where(np.isfinite(self.losses), found, State.NOT_FINITE)
        return found if self._among is None else np.where(self._among, found, State.LEFT_OUT)

    @property
    def undecided(self) -> Int[np.ndarray, " n"]:
        """Cases for which no expert found a finite loss: there is no nearest class."""
        lost = ~np.isfinite(self.losses).any(axis=1)
        return np.flatnonzero(lost if self._among is None else lost & self._among.any(axis=1))

    @property
    def troubles(self) -> list[str]:
        """One sentence for each kind of trouble, with what to do about it; none as a rule."""
        states, told = self.states, []
        for state, remedy in _REMEDIES.items():
            cases, experts = np.nonzero(states == state)
            if len(cases):
                label = self.classes[experts[0]].item()
                told.append(
                    f"{len(cases)} of {states.size} searches (first: class {label!r}, case "
                    f"{cases[0]}): each {remedy}."
                )
        if len(self.undecided):
            told.append(_undecided(self.undecided))
        return told

    def check_decided(self, first: int = 0) -> None:
        """Refuse cases without a nearest class; ``first`` is the number of the first case.

        Raises
        ------
        FloatingPointError
            Naming the first such case, and what to do.
        """
        if len(self.undecided):
            raise FloatingPointError(_undecided(self.undecided + first))

    @property
    def scores(self) -> Float32[np.ndarray, "n_cases n_classes"]:
        """What decides, (n_cases, n_classes); the lowest wins.

        Losses and priors together, or, where the metric compares in further spaces, the weighted
        geometric mean of that and of the losses there.
        """
        scores = decisive(self.losses + self.priors, self.evidence)
        return np.where(np.isfinite(self.losses), scores, np.float32(np.inf))

    @property
    def log_scores(self) -> Float[np.ndarray, "n_cases n_classes"]:
        """Logs of :attr:`scores`, (n_cases, n_classes)."""
        return floored_log(self.scores)

    @property
    def strangeness(self) -> Float[np.ndarray, " n_cases"]:
        """How far each case is from the nearest class, (n_cases,): a log score.

        Unlike in :attr:`scores`, all spaces count in full: whether features are to be trusted with
        a case is another matter than whether it looks like the training cases.
        """
        return (self.log_scores + (self.evidence.doubted if self.evidence else 0.0)).min(axis=1)

    @property
    def reconstructions(self) -> Float32[np.ndarray, "n_cases n_classes n_channels n_timepoints"]:
        """What each expert imagined for each case, in the user's units; decoded at every call."""
        return np.stack([self._decode(e, self.codes[:, e]) for e in range(len(self.classes))], 1)

    def reconstructions_of(
        self, label: Any
    ) -> Float32[np.ndarray, "n_cases n_channels n_timepoints"]:
        """What one class's expert imagined for each case, in the user's units.

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


class Evidence(NamedTuple):
    """What else than the experts' own losses counts in the decision.

    Attributes
    ----------
    log_losses : array (n_cases, n_classes)
        Weighted sum of the log losses in further spaces.
    share : float
        Weight of the log of the experts' own losses; all weights sum to 1.
    doubted : array (n_cases, n_classes)
        Log losses left out of the former, where they are not to be trusted.
    """

    log_losses: Float[np.ndarray, "n_cases n_classes"]
    share: float
    doubted: Float[np.ndarray, "n_cases n_classes"]

    @staticmethod
    def joined(parts: "list[Evidence]") -> "Evidence":
        """Put together what counts for some cases after others."""
        return Evidence(
            np.concatenate([part.log_losses for part in parts]),
            parts[0].share,
            np.concatenate([part.doubted for part in parts]),
        )

    def __getitem__(self, index: Any) -> "Evidence":  # type: ignore[override]
        return Evidence(self.log_losses[index], self.share, self.doubted[index])


def decisive(
    scores: Float32[np.ndarray, "n_cases n_classes"], evidence: Evidence | None
) -> Float32[np.ndarray, "n_cases n_classes"]:
    """Join the experts' own scores with further evidence, if there is any."""
    if evidence is None:
        return scores
    own = floored_log(scores)
    return np.exp(evidence.share * own + evidence.log_losses).astype(np.float32)


def floored_log(losses: Float32[np.ndarray, "n_cases n_classes"]) -> Float[np.ndarray, "n c"]:
    """Return the logs of losses, in double precision; a loss of 0 has one as well."""
    return np.log(np.maximum(losses, 1e-12, dtype=np.float64))


def class_index(classes: Shaped[np.ndarray, " n_classes"], label: Any) -> int:
    """Find a label's position, or say clearly that there is none."""
    found = np.flatnonzero(classes == label)
    if not len(found):
        shown = ", ".join(repr(c) for c in classes.tolist()[:20])
        raise ValueError(f"label {label!r} is not a class of this model; its classes are {shown}.")
    return int(found[0])
