"""The last steps of a stream: where its windows are cut from, in bounded memory."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from egem.stream.alignment import Alignment, Ends
from egem.stream.recogniser import Recogniser
from egem.stream.steps import Step

LONGEST = 3.0  # windows, in steps of the longest example
CEILING = 0.15  # mean cost of an alignment above which it proposes no window


class Window(NamedTuple):
    """A stretch of the stream, from step ``first`` to step ``last``, that a template fits."""

    template: int
    cost: float
    first: int
    last: int


class Windows:
    """Aligns every template with the stream, and proposes the windows that fit best.

    A window is proposed when the next step would make its mean cost no lower, or when the stream
    comes to rest.
    """

    def __init__(self, recogniser: Recogniser):
        self.alignment = Alignment(recogniser.templates, recogniser.along_path)
        m, _, c = recogniser.templates.shape
        self.longest = int(LONGEST * recogniser.longest)
        self.points = np.full((self.longest + 2, c), np.nan)
        self.times = np.full(self.longest + 2, np.nan)
        self.ends = np.full((2, m), np.inf)  # costs after the step before last, and the last
        self.starts = np.zeros(m, int)
        self.n_steps = 0

    def begin(self, point: Float[np.ndarray, " c"], when: float) -> None:
        """Enter the point that the first step starts from."""
        self.points[0], self.times[0] = point, when

    def advance(self, step: Step) -> list[Window]:
        """Take one step; return the windows that ended before it."""
        at = (self.n_steps + 1) % len(self.points)
        ends: Ends = self.alignment.advance(step.feature, self.n_steps)
        before, last = self.ends
        found = self._windows((last < before) & (last <= ends.cost))
        self.points[at], self.times[at] = step.point, step.when
        self.ends = np.stack([last, ends.cost])
        self.starts, self.n_steps = ends.start, self.n_steps + 1
        return found

    def rest(self) -> list[Window]:
        """Return the windows that end with the last step, as no other follows for now."""
        found = self._windows(self.ends[1] < self.ends[0])
        self.ends[0] = -np.inf  # so that the next step does not propose them again
        return found

    def cut(self, window: Window) -> Float[np.ndarray, "c n"]:
        """Return the points of a window."""
        return self.points[np.arange(window.first, window.last + 2) % len(self.points)].T

    def point(self, point: int) -> Float[np.ndarray, " c"]:
        """Return a point; step i leads from point i to point i + 1."""
        return self.points[point % len(self.points)]

    def time(self, point: int) -> float:
        """Return when a point was reached."""
        return float(self.times[point % len(self.times)])

    def _windows(self, turned: Int[np.ndarray, " m"]) -> list[Window]:
        last, cost = self.n_steps - 1, self.ends[1]
        fits = turned & (cost < CEILING) & (last - self.starts < self.longest)
        which = np.flatnonzero(fits)
        which = which[np.argsort(cost[which], kind="stable")]
        return [Window(int(m), float(cost[m]), int(self.starts[m]), last) for m in which]
