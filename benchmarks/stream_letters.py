"""Letters written one after the other, found from four examples of each of twenty.

    python benchmarks/stream_letters.py [--seeds 0] [--k 4]

A stream is made from `load_dataset("characters", raw=True)`: ten held-out letters of each class in
random order, the pen at rest for 10 to 40 frames (200 a second) before and after each, and a
bowed connecting stroke of 25 to 60 frames from the end of one to the beginning of the next. Rows
are appended to `docs/benchmarks/streams-letters.csv`; what is there is not run again.
"""

import argparse
import csv
import time
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Float

from egem import EGEMClassifier, Spotter, few_shot_split, load_dataset
from stream_score import Counts, Detection, Judged, Span, judge, total
from streams import OUT
from table import append, done, version

TABLE = OUT / "streams-letters.csv"
COLUMNS = (
    "version", "k", "seed", "label", "hits", "false", "missed", "minutes", "latency_frames",
    "frames_a_second",
)  # fmt: skip
RATE = 200.0  # frames a second
N_EACH = 10

Stream = Float[np.ndarray, "2 n"]


def stroke(to: Float[np.ndarray, "2"], n: int, bow: float) -> Stream:
    """Return a stroke from the origin, with the speed of least jerk."""
    t = np.linspace(0, 1, n)
    along = t**3 * (10 - 15 * t + 6 * t**2)
    across = np.array([-to[1], to[0]])
    return np.outer(to, along) + bow * np.outer(across, np.sin(np.pi * along))


def written(letters: list[Stream], y: list[str], seed: int) -> tuple[Stream, list[Span]]:
    """Return a stream of letters, and where they are."""
    rng, parts, spans = np.random.default_rng(seed), [np.zeros((2, 1))], []
    size = np.median([np.ptp(x, axis=1) for x in letters], axis=0)
    n = 1
    for i in rng.permutation(len(letters)).tolist():
        way = size * [rng.uniform(0.3, 1.2), rng.uniform(-0.6, 0.6)]
        link = stroke(way, int(rng.integers(25, 61)), rng.uniform(-0.3, 0.3))
        before, after = (np.zeros((2, int(rng.integers(10, 41)))) for _ in range(2))
        letter = letters[i] - letters[i][:, :1]
        begun = n + link.shape[1] + before.shape[1]
        spans.append(Span(y[i], begun, begun + letter.shape[1] - 1))
        for part in (link, before, letter, after):
            parts.append(parts[-1][:, -1:] + part)
        n = spans[-1].end + 1 + after.shape[1]
    return np.concatenate(parts, axis=1), spans


def rows(k: int, seed: int) -> list[list]:
    """Run one seed; return a row for each letter."""
    velocities, y = load_dataset("characters", raw=True)
    paths = [np.cumsum(np.asarray(v, float), axis=1) for v in velocities]
    y = np.asarray(y)
    train, test = few_shot_split(y, k, seed)
    rng = np.random.default_rng(seed)
    test = [i for label in np.unique(y) for i in rng.permutation(test[y[test] == label])[:N_EACH]]
    clf = EGEMClassifier(views=("linear",), random_state=0)
    spotter = Spotter(clf.fit([paths[i] for i in train], y[train]), kind="pen")
    stream, spans = written([paths[i] for i in test], y[test].tolist(), seed)
    spotter.push(stream[:, :500])  # programs are compiled
    spotter.reset()
    begun = time.process_time()
    found = spotter.push(stream) + spotter.flush()
    speed = stream.shape[1] / (time.process_time() - begun)
    minutes = stream.shape[1] / RATE / 60
    detections = [Detection(e.emitted, e.start, e.end, e.label) for e in found]
    judged = judge(detections, spans, [], minutes)
    figures = f"{minutes:.3f}", f"{np.median(judged.latencies):.1f}", f"{speed:.0f}"
    return [
        [label, c.hits, c.false, c.missed, *figures] for label, c in sorted(judged.by_label.items())
    ]


def table(path: Path) -> str:
    """Return the table of the page."""
    with path.open() as file:
        every = list(csv.DictReader(file))
    lines = [
        "| examples a letter | seeds | letters | F1 | precision | recall | false / min | "
        "latency, s | frames / s |",
        "|---" * 9 + "|",
    ]
    for k in sorted({row["k"] for row in every}):
        own = [row for row in every if row["k"] == k]
        seeds = {row["seed"]: row for row in own}
        sessions = []
        for seed, row in seeds.items():
            judged = Judged({}, [float(row["latency_frames"])], float(row["minutes"]))
            for r in own:
                if r["seed"] == seed:
                    counts = (int(r[n]) for n in ("hits", "false", "missed"))
                    judged.by_label[r["label"]] = Counts(*counts)
            sessions.append(judged)
        t = total({"": sessions})
        n = sum(int(row["hits"]) + int(row["missed"]) for row in own)
        speed = float(np.median([float(row["frames_a_second"]) for row in own]))
        cells = [k, " ".join(sorted(seeds)), str(n)]
        cells += [f"{t[name]:.3f}" for name in ("F1", "precision", "recall")]
        cells += [f"{t['false_per_minute']:.2f}", f"{t['latency_frames'] / RATE:.2f}"]
        lines.append("| " + " | ".join([*cells, f"{speed:,.0f}"]) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--k", type=int, nargs="+", default=[4])
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*longer than")
    code, known = version(), done(TABLE, "k", "seed")
    for seed in options.seeds:
        for k in options.k:
            if (str(k), str(seed)) not in known:
                append(TABLE, COLUMNS, [[code, k, seed, *row] for row in rows(k, seed)])


if __name__ == "__main__":
    main()
