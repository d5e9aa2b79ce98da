"""The page of the stream benchmark, from its tables."""

import csv
from pathlib import Path

import numpy as np

import stream_foreign
import stream_letters
from stream_score import Counts, Judged, total
from streams import RATE


def page(table: Path) -> str:
    """Return the page."""
    with table.open() as file:
        every = list(csv.DictReader(file))
    groups: dict[tuple, dict[str, dict[str, Judged]]] = {}
    for row in every:
        cell = groups.setdefault(tuple(row[n] for n in ("k", "method", "pace")), {})
        one = cell.setdefault(row["person"], {}).setdefault(
            row["draw"], Judged({}, [float(row["latency_frames"])], float(row["minutes"]))
        )
        one.by_label[row["label"]] = Counts(*(int(row[n]) for n in ("hits", "false", "missed")))
    lines = [HEAD]
    for key, people in sorted(groups.items()):
        own = [row for row in every if tuple(row[n] for n in ("k", "method", "pace")) == key]
        t = total({person: list(draws.values()) for person, draws in people.items()})
        draws = " ".join(sorted({row["draw"] for row in own}))
        speed, median, p99 = (
            float(np.median([float(row[n]) for row in own]))
            for n in ("frames_a_second", "push_median_ms", "push_p99_ms")
        )
        cells = [*key[:2], key[2], str(len(people)), draws]
        cells += [f"{t[n]:.3f}" for n in ("F1", "F1_mean", "precision", "recall")]
        cells += [f"{t['false_per_minute']:.2f}", f"{t['latency_frames'] / RATE:.2f}"]
        cells += [f"{speed:,.0f}", f"{median:.2f}, {p99:.1f}"]
        lines.append("| " + " | ".join(cells) + " |")
    for title, text, other in (
        ("Foreign movement", FOREIGN, stream_foreign),
        ("Letters one after the other", LETTERS, stream_letters),
    ):
        if other.TABLE.exists():
            lines += ["", f"## {title}", "", text, other.table(other.TABLE)]
    return "\n".join(lines) + "\n"


HEAD = """# Events in streams

Made by `python benchmarks/streams.py` and `--report` from [streams.csv](streams.csv), where each
row names the version of the code. Ten people made ten mouse gestures among minutes of similar
movement (Taranta et al. 2021, *high activity*); each person's spotter knows `k` of that person's
own cut-out examples of each gesture. An event counts as found where a detection of its label
overlaps it; F1 is over all events, F1 (mean) averages precision and recall over gestures and
repetitions first, as the original does. Pace is the frame rate of the stream beside that of the
examples. Latency is the median of the sessions' medians, from the end of the event as labelled by
hand. Speed is in processor time of one core, and programs of others ran beside.

Weights and the margin of egem's bound were chosen on draw 0, with four examples on five of the
people. Draws 30 and up are reported, each run once. The other methods were written here from their
descriptions (`benchmarks/stream_machete.py`, `stream_windows.py`) and are not their authors' code.
All of them set their bounds from the same examples, without any other movement. Jackknife's
thresholds have deformed copies as positives here: a patent application covers stochastic path
resampling, which the authors use. That makes the thresholds unstable, so these rows of Machete +
Jackknife are a lower end of what the method can do. So are those of the windows with one example,
whose bound is the largest distance of a copy.

| k | method | pace | people | draws | F1 | F1 (mean) | precision | recall | false / min | \
latency, s | frames / s | ms a push: median, 99 % |
|---|---|---|---|---|---|---|---|---|---|---|---|---|"""
FOREIGN = """From `python benchmarks/stream_foreign.py` in
[streams-foreign.csv](streams-foreign.csv): false alarms in movement that holds none of the events,
from sessions of other people, cut, and random walks with the spectrum of these; at the default
bound, and at that of `calibrate(false_alarms_per_hour=6)` on other such movement. A person's share
is two stretches of ten minutes, so that one stretch allows one false alarm.
"""
LETTERS = """From `python benchmarks/stream_letters.py` in
[streams-letters.csv](streams-letters.csv): letters of twenty classes (UCI Character Trajectories),
one after the other with pauses and connecting strokes.
"""
