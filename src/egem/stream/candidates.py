"""Windows that may become events: of those that overlap, the best."""

from collections.abc import Iterable
from typing import NamedTuple

HOLD = 4  # steps for which a better candidate is waited for
OVERLAP = 0.1  # share of the shorter one that two events may have in common

Span = tuple[float, float]  # first and last step


class Candidate(NamedTuple):
    """A window that may still be replaced by a better one that overlaps it."""

    score: float
    owner: float
    first: float  # steps
    last: float
    start: float  # times
    end: float
    probability: float


class Candidates:
    """Candidates that wait for better ones, and the spans of the last events."""

    def __init__(self):
        self.pending: list[Candidate] = []
        self.recent: list[Span] = []

    def release(self, now: int, rests: bool, reach: int) -> list[Candidate]:
        """Return those that no better one can replace any more, the best first.

        Windows reach back ``reach`` steps at most; where the stream rests, nothing is waited for.
        """
        released: list[Candidate] = []
        if not self.pending:
            return released
        waiting: list[Candidate] = []
        for c in sorted(self.pending):
            span = c.first, c.last
            if overlaps(span, self.recent):
                continue
            if not rests and c.last + HOLD >= now:
                waiting.append(c)
            elif not overlaps(span, ((o.first, o.last) for o in waiting)):
                self.recent.append(span)
                released.append(c)
        self.pending = waiting
        self.recent = [span for span in self.recent if span[1] >= now - reach]
        return released


def overlaps(span: Span, others: Iterable[Span]) -> bool:
    """Whether a span of steps has too much in common with one of the others."""
    return any(_common(span, other) > OVERLAP for other in others)


def _common(a: Span, b: Span) -> float:
    """Return the common part of two spans, as a share of the shorter one."""
    return (min(a[1], b[1]) - max(a[0], b[0]) + 1) / (min(a[1] - a[0], b[1] - b[0]) + 1)
