"""Judging of events found in streams, as Taranta et al. (Machete, ACM TOCHI 28(1), 2021) do it.

A detection hits an event of its label that it overlaps by a frame. Further detections of an event
are neither right nor wrong; one that hits nothing is a false alarm, unless it overlaps a void
attempt at its label.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np


class Span(NamedTuple):
    """An event as it was labelled by hand, in frames."""

    label: str
    start: int
    end: int


class Detection(NamedTuple):
    """An event as it was found, after frame ``emitted``."""

    emitted: float
    start: float
    end: float
    label: str


@dataclass
class Counts:
    """Hits, false alarms and misses of a label or of all."""

    hits: int = 0
    false: int = 0
    missed: int = 0

    @property
    def rates(self) -> tuple[float, float, float]:
        """Precision, recall and their harmonic mean."""
        precision = self.hits / max(self.hits + self.false, 1)
        recall = self.hits / max(self.hits + self.missed, 1)
        return precision, recall, 2 * precision * recall / max(precision + recall, 1e-12)


@dataclass
class Judged:
    """One session, judged."""

    by_label: dict[str, Counts]
    latencies: list[float] = field(default_factory=list)  # frames from an event's end to its hit
    minutes: float = 0.0


def judge(
    detections: Iterable[Detection], truth: Sequence[Span], void: Sequence[Span], minutes: float
) -> Judged:
    """Judge the detections of one session."""
    judged = Judged({}, minutes=minutes)
    taken: set[int] = set()

    def counts(label: str) -> Counts:
        return judged.by_label.setdefault(label, Counts())

    for found in sorted(detections):
        hits = [i for i, e in enumerate(truth) if e.label == found.label and _touch(e, found, 0)]
        if not hits:
            excused = any(e.label == found.label and _touch(e, found, 1) for e in void)
            counts(found.label).false += not excused
        elif hits[0] not in taken:
            taken.add(hits[0])
            judged.latencies.append(found.emitted - truth[hits[0]].end)
            counts(found.label).hits += 1
    for i, event in enumerate(truth):
        counts(event.label).missed += i not in taken
    return judged


def _touch(event: Span, found: Detection, inside: int) -> bool:
    """Whether they overlap; a void attempt's first frame does not count."""
    return event.start + inside <= found.end and event.end >= found.start


def total(sessions: Mapping[str, Sequence[Judged]]) -> dict[str, float]:
    """Pool sessions by person; ``F1_mean`` averages over gestures, repetitions and people."""
    every = [judged for own in sessions.values() for judged in own]
    counts = Counts()
    for judged in every:
        for c in judged.by_label.values():
            counts.hits += c.hits
            counts.false += c.false
            counts.missed += c.missed
    people = []
    for own in sessions.values():
        rates = np.array([c.rates[:2] for judged in own for c in judged.by_label.values()])
        p, r = rates.mean(axis=0)
        people.append(2 * p * r / max(p + r, 1e-12))
    precision, recall, f1 = counts.rates
    latencies = [t for judged in every for t in judged.latencies]
    return {
        "F1": f1,
        "F1_mean": float(np.mean(people)),
        "precision": precision,
        "recall": recall,
        "false_per_minute": counts.false / sum(judged.minutes for judged in every),
        "latency_frames": float(np.median(latencies)) if latencies else float("nan"),
    }
