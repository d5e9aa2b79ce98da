"""Where a spotter is in its stream: steps, windows and counts, with their state as arrays."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from egem.stream.candidates import Candidate, Candidates
from egem.stream.recogniser import Recogniser
from egem.stream.windows import Window, Windows

REST = 8  # frames without a step after which nothing is waited for

Arrays = dict[str, Float[np.ndarray, "..."]]


class Tracker:
    """Follows a stream: frames in, windows out."""

    def __init__(self, recogniser: Recogniser):
        self.n_frames, self.now = 0, -np.inf
        self.unit = 1.0  # of the times of events
        self.begin(recogniser)

    def begin(self, recogniser: Recogniser) -> None:
        """Align from the next frame on; times and the count of frames go on."""
        self.steps, self.windows = recogniser.steps(), Windows(recogniser)
        self.candidates, self.n_still = Candidates(), 0

    def follow(
        self, block: Float[np.ndarray, "c n"], when: Float[np.ndarray, " n"]
    ) -> Iterator[tuple[list[Window], bool]]:
        """Yield the windows that each step or rest proposes, and whether it is a rest."""
        missing = np.asarray(np.isnan(block).any(axis=0))
        for frame, time, drop in zip(block.T, when.tolist(), missing.tolist(), strict=True):
            self.now = time
            self.n_frames += 1
            self.n_still += 1
            first = np.isnan(self.steps.when)
            for step in () if drop else self.steps.to(np.array(frame), time):
                self.n_still = 0
                yield self.windows.advance(step), False
            if first and not drop:
                self.windows.begin(frame, time)
            if self.n_still == REST:
                yield self.windows.rest(), True

    @property
    def arrays(self) -> Arrays:
        """The state, for :meth:`restore`."""
        steps, windows = self.steps, self.windows
        aligned, waiting = windows.alignment, self.candidates
        counts = self.n_frames, self.n_still, windows.n_steps, self.now, self.unit
        return {
            "counts": np.array(counts),
            "point": np.append(steps.point, steps.when),
            "points": np.column_stack([windows.points, windows.times]),
            "ends": np.vstack([windows.ends, windows.starts]),
            "alignments": np.stack([aligned.total, aligned.weight, aligned.start]),
            "pending": np.array(waiting.pending).reshape(-1, len(Candidate._fields)),
            "recent": np.array(waiting.recent).reshape(-1, 2),
        }

    def restore(self, state: Arrays) -> None:
        """Go on from the arrays of a tracker with an equal recogniser."""
        steps, windows, waiting = self.steps, self.windows, self.candidates
        own = self.arrays
        for name in ("points", "alignments"):
            if np.shape(state[name]) != own[name].shape:
                raise ValueError(
                    f"state: {name} has shape {np.shape(state[name])}, and this classifier's "
                    f"spotter has {own[name].shape}; give the classifier and kind it was saved "
                    "with."
                )
        self.n_frames, self.n_still, windows.n_steps = map(int, state["counts"][:3])
        self.now, self.unit = map(float, state["counts"][3:])
        steps.point, steps.when = np.array(state["point"][:-1]), float(state["point"][-1])
        windows.points = np.array(state["points"][:, :-1])
        windows.times = np.array(state["points"][:, -1])
        windows.ends, windows.starts = np.array(state["ends"][:2]), state["ends"][2].astype(int)
        total, weight, start = state["alignments"]
        aligned = windows.alignment
        aligned.total, aligned.weight = np.array(total), np.array(weight)
        aligned.start = start.astype(int)
        waiting.pending = [Candidate(*row) for row in state["pending"].tolist()]
        waiting.recent = [(first, last) for first, last in state["recent"].tolist()]
