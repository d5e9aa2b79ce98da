"""Events in streams: ten people's mouse gestures, found from one and from four examples.

    python benchmarks/streams.py [--draws 0 1 2] [--k 1 4] [--people ...] [--paces 1 0.5 2]
    python benchmarks/stream_foreign.py, python benchmarks/stream_letters.py
    python benchmarks/streams.py --report

Reads `streams_mouse.npz` (Taranta et al. 2021, `high activity`, mouse) in `EGEM_DATA_DIR`, and
appends a row for each person, draw and method to `docs/benchmarks/streams.csv`; what is there is
not run again. A draw is a random choice of k of a person's five examples of each gesture. Speed is
counted in processor time. `--report` writes `docs/benchmarks/streams.md` from the tables of all
three scripts.
"""

import argparse
import os
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from egem import EGEMClassifier, Spotter
from stream_machete import Machete
from stream_score import Detection, Span, judge
from stream_windows import SlidingWindows
from table import append, done, version

OUT = Path("docs/benchmarks")
COLUMNS = (
    "version", "method", "k", "draw", "person", "pace", "label", "hits", "false", "missed",
    "minutes", "latency_frames", "frames_a_second", "push_median_ms", "push_p99_ms",
)  # fmt: skip
KEY = ("method", "k", "draw", "person", "pace", "label")
RATE = 90.0  # frames a second of the recordings


class Session(NamedTuple):
    """A person's examples and stream."""

    examples: dict[str, list[Float[np.ndarray, "2 n"]]]
    stream: Float[np.ndarray, "2 n"]
    minutes: float
    truth: list[Span]
    void: list[Span]


def load(path: Path) -> dict[str, Session]:
    """Read the sessions by person."""
    d = np.load(path)
    cut = {p: np.split(d[f"{p}_values"].T, np.cumsum(d[f"{p}_lengths"])[:-1], axis=1) for p in "XS"}
    seconds = np.split(d["S_times"], np.cumsum(d["S_lengths"])[:-1])
    out = {}
    for person, stream, t in zip(d["S_subject"].tolist(), cut["S"], seconds, strict=True):
        examples: dict[str, list] = {}
        for x, label, who in zip(cut["X"], d["y"].tolist(), d["subject"].tolist(), strict=True):
            if who == person:
                examples.setdefault(label, []).append(x.astype(float))
        spans = []
        for p in "TB":
            rows = zip(
                *(d[f"{p}_{n}"].tolist() for n in ("subject", "label", "start", "end")), strict=True
            )
            spans.append([Span(*row[1:]) for row in rows if row[0] == person])
        out[person] = Session(examples, stream.astype(float), (t[-1] - t[0]) / 60, *spans)
    return out


def few(session: Session, k: int, draw: int) -> tuple[list[Float[np.ndarray, "2 n"]], list[str]]:
    """Draw k examples of each gesture."""
    rng, X, y = np.random.default_rng(draw), [], []
    for label in sorted(session.examples):
        own = session.examples[label]
        X += [own[i] for i in sorted(rng.permutation(len(own))[:k])]
        y += [label] * min(k, len(own))
    return X, y


def at_pace(x: Float[np.ndarray, "2 n"], pace: float) -> Float[np.ndarray, "2 m"]:
    """Return a stream as if it had been recorded at ``pace`` times the frame rate."""
    where = np.arange(0, x.shape[1] - 1, 1 / pace)
    return np.stack([np.interp(where, np.arange(x.shape[1]), row) for row in x])


def found_by(spotter, stream: Float[np.ndarray, "2 n"]):
    """Push frame by frame; return detections, frames a second, and milliseconds a push."""
    found, each = [], np.zeros(stream.shape[1])
    begun = time.process_time()
    for i, frame in enumerate(stream.T):
        before = time.process_time()
        found += spotter.push(frame)
        each[i] = time.process_time() - before
    seconds = time.process_time() - begun
    found += spotter.flush()
    detections = [Detection(e.emitted, e.start, e.end, e.label) for e in found]
    return detections, stream.shape[1] / seconds, 1e3 * np.quantile(each, [0.5, 0.99])


def egem(X: list, y: list[str]) -> Spotter:
    """Return the spotter of a person's examples, its programs compiled."""
    spotter = Spotter(EGEMClassifier(views=("linear",), random_state=0).fit(X, y), kind="pen")
    spotter.spot(np.concatenate(X[:10], axis=1))
    spotter.reset()
    return spotter


METHODS = {"egem": egem, "Machete + Jackknife": Machete, "windows, 1NN-DTW": SlidingWindows}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--k", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--people", nargs="+")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--paces", type=float, nargs="+", default=[1.0])
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    table = OUT / "streams.csv"
    if options.report:
        from stream_report import page

        (OUT / "streams.md").write_text(page(table))
        return
    warnings.filterwarnings("ignore", message=".*longer than")
    code = version()
    sessions = load(Path(os.environ["EGEM_DATA_DIR"], "streams_mouse.npz"))
    known = {key[:5] for key in done(table, *KEY)}
    for draw in options.draws:
        for k in options.k:
            for person in options.people or sessions:
                for pace in options.paces:
                    for method in options.methods:
                        key = (method, str(k), str(draw), person, f"{pace:g}")
                        if key not in known:
                            append(table, COLUMNS, rows(code, key, sessions[person]))


def rows(version: str, key: tuple[str, ...], session: Session) -> list[list]:
    """Run one method on one person's stream; return a row for each gesture."""
    method, k, draw, _, pace = key
    X, y = few(session, int(k), int(draw))
    found, speed, push = found_by(METHODS[method](X, y), at_pace(session.stream, float(pace)))
    r = float(pace)
    found = [Detection(e.emitted / r, e.start / r, e.end / r, e.label) for e in found]
    judged = judge(found, session.truth, session.void, session.minutes)
    late = float(np.median(judged.latencies)) if judged.latencies else np.nan
    figures = f"{late:.1f}", f"{speed:.0f}", f"{push[0]:.3f}", f"{push[1]:.3f}"
    return [
        [version, *key, label, c.hits, c.false, c.missed, f"{session.minutes:.3f}", *figures]
        for label, c in sorted(judged.by_label.items())
    ]


if __name__ == "__main__":
    main()
