"""False alarms in foreign movement, at the default bound and after calibration.

    python benchmarks/stream_foreign.py [--draws 0] [--k 1 4] [--people ...] [--minutes 10]

Each person's spotter, of k own examples of each mouse gesture, runs over two stretches. Half of a
stretch is cut from sessions of every second other person: what lies a half second or more from any
labelled event and void attempt. The other half are random walks whose velocities have the same
spectrum. At the default bound both are counted; after `calibrate(false_alarms_per_hour=6)` on one
stretch the other one is, and the reverse. Rows are appended to
`docs/benchmarks/streams-foreign.csv`; what is there is not run again.
"""

import argparse
import csv
import os
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Float

from egem import Spotter
from streams import OUT, RATE, Session, egem, few, load
from table import append, done, version

TABLE = OUT / "streams-foreign.csv"
COLUMNS = "version", "k", "draw", "person", "bound", "movement", "false", "minutes"
ALLOWED = 6.0  # false alarms an hour
MARGIN = int(RATE / 2)  # frames cut off beside an event

Stream = Float[np.ndarray, "2 n"]


def without_events(session: Session) -> Stream:
    """Return what is left of a session; what follows a cut begins where it was cut."""
    keep = np.ones(session.stream.shape[1], bool)
    for span in session.truth + session.void:
        keep[max(span.start - MARGIN, 0) : span.end + MARGIN] = False
    return np.diff(session.stream, axis=1)[:, keep[1:]].cumsum(axis=1)


def walk(like: Stream, n: int, rng: np.random.Generator) -> Stream:
    """Return a random walk whose velocities have the spectrum of a stream's."""
    spectrum = np.fft.rfft(np.diff(like, axis=1), axis=1)
    turned = spectrum * np.exp(2j * np.pi * rng.random(spectrum.shape[1]))
    velocities = np.fft.irfft(turned, like.shape[1] - 1, axis=1)
    return np.resize(velocities.T, (n, 2)).T.cumsum(axis=1)


def stretches(sessions: dict[str, Session], person: str, minutes: float) -> list[dict[str, Stream]]:
    """Return both stretches, as sessions and walks."""
    others = [name for name in sessions if name != person]
    n, out = int(30 * RATE * minutes), []
    for half in range(2):
        cut = [without_events(sessions[name]) for name in others[half::2]]
        share = n // len(cut)
        parts, at = [], np.zeros((2, 1))
        for x in cut:
            parts.append(x[:, :share] - x[:, :1] + at)
            at = parts[-1][:, -1:]
        whole = np.concatenate(parts, axis=1)
        made = walk(whole, whole.shape[1], np.random.default_rng([int(person), half]))
        out.append({"sessions": whole, "walks": made})
    return out


def false_alarms(spotter: Spotter, stretch: dict[str, Stream]) -> dict[str, tuple[int, float]]:
    """Count what is found in each movement; return counts and minutes."""
    return {
        movement: (len(spotter.spot(x)), x.shape[1] / RATE / 60) for movement, x in stretch.items()
    }


def rows(spotter: Spotter, both: list[dict[str, Stream]]) -> list[list]:
    """Return a row for each bound and movement."""
    counted = [("default", false_alarms(spotter, stretch)) for stretch in both]
    for i, stretch in enumerate(both):
        background = np.concatenate([*both[1 - i].values()], axis=1)
        spotter.calibrate(background, false_alarms_per_hour=ALLOWED, rate=RATE)
        counted.append(("calibrated", false_alarms(spotter, stretch)))
    out = []
    for bound in ("default", "calibrated"):
        for movement in both[0]:
            own = np.array([c[movement] for b, c in counted if b == bound])
            n, minutes = own.sum(axis=0)
            out.append([bound, movement, int(n), f"{minutes:.2f}"])
    return out


def table(path: Path) -> str:
    """Return the table of the page."""
    with path.open() as file:
        every = list(csv.DictReader(file))
    lines = ["| k | bound | movement | people | hours | false alarms | an hour |", "|---" * 7 + "|"]
    for k in sorted({row["k"] for row in every}):
        for bound in ("default", "calibrated"):
            for movements in (("sessions",), ("walks",), ("sessions", "walks")):
                own = [
                    row
                    for row in every
                    if (row["k"], row["bound"]) == (k, bound) and row["movement"] in movements
                ]
                hours = sum(float(row["minutes"]) for row in own) / 60
                n, people = sum(int(row["false"]) for row in own), {row["person"] for row in own}
                name = movements[0] if len(movements) == 1 else "both"
                cells = k, bound, name, len(people), f"{hours:.2f}", n, f"{n / hours:.1f}"
                lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, nargs="+", default=[0])
    parser.add_argument("--k", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--people", nargs="+")
    parser.add_argument("--minutes", type=float, default=10.0, help="of each stretch")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*longer than")
    sessions = load(Path(os.environ["EGEM_DATA_DIR"], "streams_mouse.npz"))
    code, known = version(), done(TABLE, "k", "draw", "person")
    for draw in options.draws:
        for person in options.people or sessions:
            for k in options.k:
                key = str(k), str(draw), person
                if key not in known:
                    spotter = egem(*few(sessions[person], k, draw))
                    both = stretches(sessions, person, options.minutes)
                    append(TABLE, COLUMNS, [[code, *key, *row] for row in rows(spotter, both)])


if __name__ == "__main__":
    main()
