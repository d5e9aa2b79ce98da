"""What is under way: the classes it may become, and how it would go on."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from egem.stream.candidates import overlaps
from egem.stream.recogniser import Recogniser
from egem.stream.tracker import REST, Tracker
from egem.stream.windows import CEILING

LEAST = 0.25  # share of an example that must be aligned
EVIDENCE = 2.0  # log odds of a unit of mean cost, for each element of a template


class Partial(NamedTuple):
    """A movement that is under way.

    Attributes
    ----------
    probabilities : dict
        Those of all classes, by label, as if the movement is one of them.
    start : float
        When it began, in the unit of the events.
    share : float
        How much of the likeliest class's example it has covered, between 0 and 1.
    rest : array (n_channels, n_points)
        The rest of that example, from the present point on, in the units of the stream: for
        ``"pen"`` in the size of the movement so far. ``(n_points - 1) / 32`` is what of it is left.
    """

    probabilities: dict[Any, float]
    start: float
    share: float
    rest: Float[np.ndarray, "c n"]


def partial(recogniser: Recogniser, tracker: Tracker) -> Partial | None:
    r"""Return what is under way, or None.

    The first i elements of a template, aligned at mean cost d with weight w, have the evidence
    :math:`w (C - d)` over movement that no template fits at the ceiling C. A class has that of its
    best alignment.
    """
    windows, aligned = tracker.windows, tracker.windows.alignment
    if tracker.n_still >= REST or not windows.n_steps:
        return None
    total, weight, start = (a[:, 2:] for a in (aligned.total, aligned.weight, aligned.start))
    n = total.shape[1]
    evidence = weight * CEILING - total
    evidence[:, : int(LEAST * n)] = -np.inf
    last = windows.n_steps - 1
    for m, i in np.argwhere(evidence > 0):
        begun = int(start[m, i])
        if last - begun >= windows.longest or overlaps((begun, last), tracker.candidates.recent):
            evidence[m, i] = -np.inf
    if not (evidence > 0).any():
        return None
    best = evidence.max(axis=1)
    of_class = np.array(
        [best[recogniser.owners == e].max() for e in range(len(recogniser.classes))]
    )
    odds = np.exp(EVIDENCE * (np.maximum(of_class, 0.0) - of_class.max()))
    m = int(best.argmax())
    i = int(evidence[m].argmax())
    begun, form = int(start[m, i]), recogniser.forms[m]
    at = i + recogniser.along_path  # directions lie between points
    share = at / (form.shape[1] - 1)
    rest = np.array(form[:, at:])
    if recogniser.along_path:
        covered = (last + 1 - begun) * recogniser.quantum
        scale = covered / share if recogniser.kind == "pen" else 1.0
        rest = scale * (rest - rest[:, :1]) + windows.point(last + 1)[:, None]
    labels = recogniser.classes.tolist()
    return Partial(
        dict(zip(labels, (odds / odds.sum()).tolist(), strict=True)),
        windows.time(begun) * tracker.unit,
        share,
        rest,
    )
