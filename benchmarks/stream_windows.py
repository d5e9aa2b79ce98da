"""Sliding windows along the path, labelled by the nearest example.

Windows have about the lengths of the examples; distances are those of dynamic time warping in the
normal form of pens. The bound separates distances of spliced negatives from those of examples to
the others of their class, or with one example a class from those of its deformed copies.
"""

from collections import deque

import numba
import numpy as np
from jaxtyping import Float

from egem import normalise
from egem.data.normal_form import path_length
from stream_negatives import N_COPIES, Path, copies, dtw, separating, spliced
from stream_score import Detection


@numba.njit(cache=True)
def resampled(path: np.ndarray, along: np.ndarray, n: int) -> np.ndarray:
    """Return n points evenly along a path (points, channels), centred, of length 1."""
    where = np.linspace(along[0], along[-1], n)
    out = np.empty((n, path.shape[1]))
    for c in range(path.shape[1]):
        out[:, c] = np.interp(where, along, path[:, c])
        out[:, c] -= out[:, c].mean()
    return out / (along[-1] - along[0])


@numba.njit(cache=True)
def nearest(form, examples, among, band):
    """Return the least distance to the examples that are compared, and which one it is."""
    best, which, n = np.inf, -1, len(form)
    for i in np.flatnonzero(among):
        cost = np.empty((n, n))
        for a in range(n):
            for b in range(max(0, a - band), min(n, a + band + 1)):
                cost[a, b] = ((examples[i, a] - form[b]) ** 2).sum()
        distance = dtw(cost, band)
        if distance < best:
            best, which = distance, i
    return best, which


class SlidingWindows:
    """Windows along the path, labelled by the nearest example."""

    STRIDES = 16  # of the shortest example
    RATIO = 1.2  # of one window's length to the next shorter one's
    RANGE = 1.4  # by which a window may be longer or shorter than the example it is compared with
    BAND = 3
    HOLD = 2  # strides for which a better window is waited for
    REST = 8  # frames without movement after which nothing is waited for

    def __init__(self, X: list[Path], y: list[str]):
        rng = np.random.default_rng(0)
        self.y = np.array(y)
        self.forms = np.stack([self._form(x) for x in X])
        self.lengths = np.array([path_length(x) for x in X])
        self.quantum = self.lengths.min() / self.STRIDES
        shortest, longest = self.lengths.min() / self.RANGE, self.lengths.max() * self.RANGE
        n = int(np.ceil(np.log(longest / shortest) / np.log(self.RATIO))) + 1
        self.windows = np.geomspace(shortest, longest, n)
        own = []
        for i, x in enumerate(X):
            others = (self.y == y[i]) & (np.arange(len(X)) != i)
            if others.any():
                own.append(nearest(self.forms[i], self.forms, others, self.BAND)[0])
            else:
                own += self._distances(copies(x, N_COPIES // len(X), rng), self.y == y[i])
        false = self._distances(spliced(X, rng), np.ones(len(X), bool))
        self.bound = separating(own, false)
        self.points: deque[tuple[float, ...]] = deque()  # frame, path so far, coordinates
        self.now, self.still, self.next = -1, 0, 0.0
        self.pending: list[tuple[float, float, float, float, float, str]] = []
        self.recent: deque[tuple[float, float]] = deque(maxlen=4)

    def _form(self, x: Path) -> Float[np.ndarray, "n 2"]:
        return np.ascontiguousarray(normalise(x, "pen").T)

    def _distances(self, X: list[Path], among: np.ndarray) -> list[float]:
        return [nearest(self._form(x), self.forms, among, self.BAND)[0] for x in X]

    def push(self, frame: Float[np.ndarray, "2"]) -> list[Detection]:
        """Take a frame; return the events that are now certain."""
        self.now += 1
        if not self.points:
            self.points.append((self.now, 0.0, *frame))
            return []
        _, length, *point = self.points[-1]
        moved = float(np.hypot(*(frame - point)))
        self.still = 0 if moved else self.still + 1
        if not moved:
            return self._released(np.inf) if self.still == self.REST else []
        length += moved
        self.points.append((self.now, length, *frame))
        while length - self.points[0][1] > 1.1 * self.windows[-1]:
            self.points.popleft()
        if length < self.next:
            return []
        self.next = length + self.quantum
        points = np.array(self.points)
        frames, along, path = points[:, 0], points[:, 1], points[:, 2:]
        for size in self.windows[self.windows <= length - along[0]]:
            first = int(np.searchsorted(along, length - size))
            ratio = size / self.lengths
            among = (ratio < self.RANGE) & (ratio > 1 / self.RANGE)
            if not among.any() or len(path) - first < 2:
                continue
            form = resampled(path[first:], along[first:], self.forms.shape[1])
            distance, i = nearest(form, self.forms, among, self.BAND)
            if distance <= self.bound:
                span = along[first], length, float(frames[first]), float(self.now)
                self.pending.append((distance, *span, str(self.y[i])))
        return self._released(length - self.HOLD * self.quantum)

    def _released(self, until: float) -> list[Detection]:
        """Return the best windows that no later one replaces."""
        out, waiting = [], []
        for best in sorted(self.pending):
            _, first, last, start, end, label = best
            if any(a < last and b > first for a, b in self.recent):
                continue
            if last > until:
                waiting.append(best)
            elif not any(w[1] < last and w[2] > first for w in waiting):
                self.recent.append((first, last))
                out.append(Detection(self.now, start, end, label))
        self.pending = waiting
        return out

    def flush(self) -> list[Detection]:
        """Return the events that further frames might still have changed."""
        return self._released(np.inf)
