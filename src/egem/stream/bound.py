"""The bound that scores of events must not exceed, set from invented or from real movement."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from egem.data.augment import Augmentation, deformed_copies
from egem.data.cases import Case
from egem.stream.recogniser import Recogniser
from egem.stream.windows import Windows

COPIES = 40  # of all examples together, at least one of each
MARGIN = 2.2  # of the bound over the median score of copies, with one example of each class
NEARER = 0.2  # by which each doubling of the examples brings movements nearer to one of them


class Bound(NamedTuple):
    """The bound, and the scores of invented members that p-values are shares of."""

    score: float
    members: Float[np.ndarray, " n"]

    @classmethod
    def invented(cls, recogniser: Recogniser) -> "Bound":
        """Set the bound from deformed copies of the examples, found and judged as a stream is."""
        rng, scores = np.random.default_rng(0), []
        kind: Augmentation = "pen" if recogniser.along_path else "series"
        n_copies = max(COPIES // len(recogniser.cases), 1)
        for owner, case in zip(recogniser.owners.tolist(), recogniser.cases, strict=True):
            whole = case[:, ~np.isnan(case).any(axis=0)]
            middle = whole.mean(axis=1)
            size = np.full(len(whole), whole.std()) if recogniser.along_path else recogniser.scale
            for copy in deformed_copies([whole], kind, n_copies, middle, size, rng):
                scores += _own_score(recogniser, owner, copy)
        if not scores:
            raise ValueError(
                "no example was found again in itself; give longer examples, or another kind."
            )
        members = np.sort(scores)
        return cls(_default(members, recogniser), members)

    def carried_over(self, known: Recogniser, new: Recogniser) -> "Bound":
        """Return the bound for other examples, as far from their default as this one from its."""
        other = Bound.invented(new)
        return other._replace(score=other.score + self.score - _default(self.members, known))

    def p_value(self, score: float) -> float:
        """Return the share of members that fit no better, of them and the window itself."""
        worse = len(self.members) - int(np.searchsorted(self.members, score))
        return (worse + 1) / (len(self.members) + 1)

    def for_rate(self, scores: list[float], n_allowed: float) -> "Bound":
        """Return the bound that so many of the scores, of events in background, do not exceed."""
        ordered, n = np.sort(scores), int(n_allowed)
        if n >= len(ordered):
            return self if not n else self._replace(score=max(self.score, *ordered, -np.inf))
        below = ordered[n - 1] if n else ordered[0] - 1.0
        return self._replace(score=float((below + ordered[n]) / 2))


def _default(members: Float[np.ndarray, " n"], recogniser: Recogniser) -> float:
    """Return the bound that members' scores suggest, with as many examples a class."""
    k = len(recogniser.cases) / len(recogniser.classes)
    return float(np.median(members)) + MARGIN - NEARER * float(np.log2(k))


def _own_score(recogniser: Recogniser, owner: int, case: Case) -> list[float]:
    """Return the best score of its own class that a case gets where it ends; none if not found."""
    steps, windows = recogniser.steps(), Windows(recogniser)
    found, begun = [], False
    for i, frame in enumerate(case.T):
        for step in steps.to(frame, float(i)):
            found += [(w, windows.cut(w)) for w in windows.advance(step)]
        if not begun:
            windows.begin(frame, 0.0)
            begun = True
    found += [(w, windows.cut(w)) for w in windows.rest()]
    late = [(w, x) for w, x in found if w.last >= 0.8 * windows.n_steps]
    own = [(w, x) for w, x in late if recogniser.owners[w.template] == owner]
    return [min(recogniser.score(x, w.template, w.cost) for w, x in own)] if own else []
