"""The spotter: pushes of frames in, events out."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from egem.stream.alignment import Alignment
from egem.stream.recogniser import Recogniser
from egem.stream.steps import Step, Steps

HOLD = 4  # steps for which a better candidate is waited for
REST = 8  # frames without a step after which none is
LONGEST = 3.0  # windows, in steps of the longest example
OVERLAP = 0.1  # share of the shorter one's span that two events may have in common


class Event(NamedTuple):
    """Something that was found.

    ``start``, ``end`` and ``emitted`` are frames counted from 0, or in the units of ``times``.
    """

    label: Any
    start: float
    end: float
    emitted: float
    probability: float
    p_value: float


class Candidate(NamedTuple):
    """A window that was accepted and may still be replaced by a better one that overlaps it."""

    score: float
    owner: int
    first: int  # steps
    last: int
    due: int
    probability: float
    p_value: float


class Spotter:
    def __init__(self, recogniser: Recogniser):
        self.recogniser = r = recogniser
        self.size = int(LONGEST * r.longest) + HOLD + 2
        self.reset()

    def reset(self) -> None:
        r = self.recogniser
        self._steps = Steps(r.quantum, r.along_path, r.mean, r.scale)
        self._alignment = Alignment(r.templates, r.along_path)
        m, c = len(r.templates), r.templates.shape[2]
        self._points = np.full((self.size, c), np.nan)
        self._when = np.full(self.size, np.nan)
        self._costs = np.full((2, m), np.inf)  # at the last step, and the one before
        self._starts = np.zeros(m, int)
        self._counts = np.zeros(3, int)  # frames, steps, frames since the last step
        self._pending: list[Candidate] = []
        self._recent: list[tuple[int, int]] = []

    def push(self, frames: ArrayLike, times: ArrayLike | None = None) -> list[Event]:
        frames = np.asarray(frames, float)
        block = frames[:, None] if frames.ndim == 1 else frames
        n = block.shape[1]
        when = self._counts[0] + np.arange(n) if times is None else np.atleast_1d(times)
        events = []
        for frame, t in zip(block.T, np.asarray(when, float).tolist(), strict=True):
            self._counts[0] += 1
            self._counts[2] += 1
            if not np.isnan(frame).any():
                for step in self._steps.to(frame, t):
                    events += self._advance(step, t)
            if self._counts[2] == REST:
                events += self._settle(t)
        return events

    def flush(self) -> list[Event]:
        return self._settle(self._now)

    def _advance(self, step: Step, t: float) -> list[Event]:
        self._now = t
        i = int(self._counts[1])
        if i == 0:
            self._points[0], self._when[0] = step.point, step.when
        self._points[(i + 1) % self.size], self._when[(i + 1) % self.size] = step.point, step.when
        ends = self._alignment.advance(step.feature, i)
        before, last = self._costs
        self._consider((last < before) & (last <= ends.cost), last, self._starts, i - 1)
        self._costs[0], self._costs[1], self._starts = last, ends.cost, ends.start
        self._counts[1:] = i + 1, 0
        return self._release(i, t)

    def _settle(self, t: float) -> list[Event]:
        before, last = self._costs
        i = int(self._counts[1])
        self._consider(last < before, last, self._starts, i - 1)
        self._costs[0] = -np.inf
        return self._release(i + HOLD + 1, t)

    def _consider(self, turned, cost, start, last: int) -> None:
        r = self.recogniser
        which = np.flatnonzero(turned & (cost < r.ceiling) & (last - start < self.size - HOLD - 2))
        for m in which[np.argsort(cost[which], kind="stable")]:
            first = int(start[m])
            at = np.arange(first, last + 2) % self.size
            verdict = r.judge(self._points[at].T, int(m), float(cost[m]))
            if verdict is not None:
                self._pending.append(Candidate(verdict.score, int(r.owners[m]), first, last, last + HOLD, verdict.probability, verdict.p_value))

    def _release(self, now: int, t: float) -> list[Event]:
        if not self._pending or min(c.due for c in self._pending) >= now:
            return []
        events = []
        left = []
        for c in sorted(self._pending):
            if any(_overlap(c.first, c.last, *span) > OVERLAP for span in self._recent):
                continue
            if c.due >= now:
                left.append(c)
                continue
            if any(_overlap(c.first, c.last, o.first, o.last) > OVERLAP for o in left):
                continue
            self._recent.append((c.first, c.last))
            end = min(c.last + 1, int(self._counts[1]))
            events.append(Event(self.recogniser.classes[c.owner], float(self._when[c.first % self.size]), float(self._when[end % self.size]), t, c.probability, c.p_value))
        self._pending = left
        self._recent = [span for span in self._recent if span[1] > now - self.size]
        return events


def _overlap(a: int, b: int, c: int, d: int) -> float:
    return (min(b, d) - max(a, c)) / max(min(b - a, d - c), 1)


def spot(spotter, stream, times=None):
    spotter.reset()
    return spotter.push(stream, times) + spotter.flush()
