"""A stream in even steps: along its path, or in time."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Point = Float[np.ndarray, " c"]


class Step(NamedTuple):
    """The point that a step leads to, and what it is compared by."""

    point: Point
    feature: Point  # the direction of the step; in time, the standardised values
    when: float


class Steps:
    """Turns frames into even steps; its state is the last point and its time.

    Along the path, a step of length ``quantum`` is made towards each new frame that is at least so
    far away: a trembling hand that rests makes none. In time, values are interpolated at multiples
    of ``quantum``.
    """

    def __init__(self, quantum: float, along_path: bool, mean: Point, scale: Point):
        self.quantum, self.along_path, self.mean, self.scale = quantum, along_path, mean, scale
        self.point: Point = np.full(len(mean), np.nan)
        self.when = np.nan

    def to(self, frame: Point, when: float) -> list[Step]:
        """Return the steps towards a complete frame."""
        if np.isnan(self.when):
            self.point, self.when = frame, when
            return []
        return self._along(frame, when) if self.along_path else self._in_time(frame, when)

    def _along(self, frame: Point, when: float) -> list[Step]:
        way = frame - self.point
        distance = float(np.sqrt(way @ way))
        n = int(distance / self.quantum)
        if not n:
            return []
        direction = way / distance
        points = [self.point + i * self.quantum * direction for i in range(1, n + 1)]
        self.point, self.when = points[-1], when
        return [Step(point, direction, when) for point in points]

    def _in_time(self, frame: Point, when: float) -> list[Step]:
        first, last = int(self.when / self.quantum) + 1, int(when / self.quantum)
        out = []
        for i in range(first, last + 1):
            share = (i * self.quantum - self.when) / (when - self.when)
            point = self.point + share * (frame - self.point)
            out.append(Step(point, (point - self.mean) / self.scale, i * self.quantum))
        self.point, self.when = frame, when
        return out
