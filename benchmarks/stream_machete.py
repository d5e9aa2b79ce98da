"""Machete and Jackknife, written from their published descriptions.

Machete (Taranta et al., ACM TOCHI 28(1), 2021) proposes segments of a smoothed stream by continuous
dynamic programming on directions, against examples simplified to a few vectors; a segment is
proposed where the cost of its alignment has a minimum below half of its running mean. Jackknife
(Taranta et al., CHI 2017) accepts a segment whose dynamic time warping distance on directions,
times two correction factors, is below a threshold for each example. The threshold separates spliced
negatives from positives. Positives are deformed copies (`egem.data.augment`) here: the published
method makes them by stochastic path resampling, which a patent application covers.
"""

from collections import deque

import numba
import numpy as np
from jaxtyping import Float

from egem import normalise
from egem.data.normal_form import directions, path_length
from stream_negatives import N_COPIES, Path, copies, dtw, separating, spliced
from stream_score import Detection

RATE = 90.0  # frames a second of the recordings
CUTOFF = 5.0  # Hz, of the low-pass filter
SMOOTHING = 1.0 / (1.0 + RATE / (2 * np.pi * CUTOFF))
NEAR = 10.0  # pixels that the mouse must move for a step
FIRST_ANGLE = np.deg2rad(20.0)  # by which a beginning may deviate


@numba.njit(cache=True)
def advance(way, length, now, vectors, sizes, total, weight, start):
    """Advance the alignments of all examples by one step of the stream, in place."""
    before = np.empty((3, vectors.shape[1] + 1))
    first = (1.0 - np.cos(FIRST_ANGLE)) ** 2
    for m in range(len(vectors)):
        before[0], before[1], before[2] = total[m], weight[m], start[m]
        start[m, 0] = now
        for i in range(1, sizes[m] + 1):
            local = (1.0 - way @ vectors[m, i - 1]) ** 2 * length
            best, d, w, s = np.inf, 0.0, 0.0, float(now)
            for which in range(3):  # one element on at this step, one on, and none
                j = i - (which < 2)
                if which:
                    d_, w_, s_ = before[0, j], before[1, j], before[2, j]
                else:
                    d_, w_, s_ = total[m, j], weight[m, j], start[m, j]
                mean = first if j == 0 else d_ / w_
                if mean < best:
                    best, d, w, s = mean, d_, w_, s_
            total[m, i], weight[m, i], start[m, i] = d + local, w + length, s


def smoothed(x: Path) -> Path:
    """Return the exponential moving average of a path."""
    filtered, out = x[:, 0], []
    for point in x.T:
        filtered = filtered + SMOOTHING * (point - filtered)
        out.append(filtered)
    return np.array(out).T


def simplified(x: Path, tolerance: float) -> Path:
    """Return the corners of a path by the algorithm of Douglas and Peucker."""
    kept, spans = {0, x.shape[1] - 1}, [(0, x.shape[1] - 1)]
    while spans:
        a, b = spans.pop()
        if b - a < 2:
            continue
        chord, off = x[:, b] - x[:, a], x[:, a + 1 : b] - x[:, [a]]
        share = np.clip(chord @ off / max(chord @ chord, 1e-12), 0, 1)
        apart = np.linalg.norm(off - np.outer(chord, share), axis=0)
        if apart.max() > tolerance:
            middle = a + 1 + int(apart.argmax())
            kept.add(middle)
            spans += [(a, middle), (middle, b)]
    return x[:, sorted(kept)]


class Jackknife:
    """Distances to examples, and a threshold for each."""

    POINTS = 16
    BAND = 2

    def __init__(self, X: list[Path]):
        rng = np.random.default_rng(0)
        self.forms = [self._form(x) for x in X]
        negatives = [self._form(x) for x in spliced(X, rng)]
        self.thresholds = []
        for i, x in enumerate(X):
            own = [self._distance(self._form(c), i) for c in copies(x, N_COPIES, rng)]
            self.thresholds.append(separating(own, [self._distance(f, i) for f in negatives]))

    def accepts(self, x: Path, example: int) -> bool:
        """Whether a segment is a case of an example's class."""
        return self._distance(self._form(x), example) < self.thresholds[example]

    def _form(self, x: Path):
        form = normalise(x, "motion", self.POINTS)
        moved, extent = np.abs(np.diff(form, axis=1)).sum(axis=1), np.ptp(form, axis=1)
        return directions(form), moved / np.linalg.norm(moved), extent / np.linalg.norm(extent)

    def _distance(self, form, example: int) -> float:
        ways, moved, extent = self.forms[example]
        factor = max(moved @ form[1], 0.01) * max(extent @ form[2], 0.01)
        return dtw(1.0 - ways.T @ form[0], self.BAND) / factor


class Machete:
    """Segments of a stream that Jackknife accepts."""

    def __init__(self, X: list[Path], y: list[str]):
        X = [smoothed(x) for x in X]
        self.y, self.jackknife = y, Jackknife(X)
        corners = [self._corners(x) for x in X]
        self.sizes = np.array([c.shape[1] - 1 for c in corners])
        self.vectors = np.zeros((len(X), self.sizes.max(), 2))
        for v, c in zip(self.vectors, corners, strict=True):
            v[: c.shape[1] - 1] = directions(c).T
        ways = [c[:, -1] - c[:, 0] for c in corners]
        chords = np.array([np.linalg.norm(way) for way in ways])
        lengths = np.array([path_length(x) for x in X])
        diagonals = np.array([np.linalg.norm(np.ptp(x, axis=1)) for x in X])
        self.chords = np.array(ways) / np.maximum(chords, 1e-9)[:, None]
        self.closed = chords / lengths
        self.weight_closed = 1 - chords / diagonals
        self.weight_chord = np.minimum(1, 2 * chords / diagonals)
        self.shortest = np.array([x.shape[1] // 2 for x in X])
        shape = len(X), self.sizes.max() + 1
        self.total, self.weight = np.full(shape, np.inf), np.full(shape, 1e-9)
        self.total[:, 0] = self.weight[:, 0] = 0.0
        self.start = np.zeros(shape)
        self.sum, self.count = np.zeros(len(X)), 0
        self.last_costs = np.full((2, len(X)), np.inf)
        self.last_starts = np.zeros(len(X), int)
        self.recent: deque[Path] = deque(maxlen=5 * max(x.shape[1] for x in X))
        self.point = self.filtered = None
        self.now, self.last_step = -1, 0
        self.accepted: dict[str, float] = {}

    @staticmethod
    def _corners(x: Path) -> Path:
        corners = simplified(x, 0.01 * float(np.linalg.norm(np.ptp(x, axis=1))))
        for end in (1, -1):  # short hooks at either end are left out
            steps = np.linalg.norm(np.diff(corners[:, ::end], axis=1), axis=0)
            if len(steps) > 2 and steps[0] < 0.2 * steps[1]:
                corners = corners[:, ::end][:, 1:][:, ::end]
        return corners

    def push(self, frame: Float[np.ndarray, "2"]) -> list[Detection]:
        """Take a frame; return the segments that are accepted after it."""
        self.now += 1
        if self.filtered is None or self.point is None:
            self.filtered = self.point = frame
        self.filtered = self.filtered + SMOOTHING * (frame - self.filtered)
        self.recent.append(self.filtered)
        way = self.filtered - self.point
        length = float(np.linalg.norm(way))
        if length < NEAR:
            return []
        self.point = self.filtered
        state = self.vectors, self.sizes, self.total, self.weight, self.start
        advance(way / length, length, float(self.now), *state)
        which = np.arange(len(self.sizes))
        raw = self.total[which, self.sizes] / self.weight[which, self.sizes]
        starts = np.maximum(self.start[which, self.sizes].astype(int) - 1, 0)
        costs = raw * self._corrections(starts)
        self.sum += np.where(np.isfinite(raw), raw, 0.0)
        self.count += 1
        before, last = self.last_costs
        turned = (last < before) & (last <= costs) & (last < self.sum / self.count / 2)
        found = [self._judged(int(m)) for m in which[turned][last[turned].argsort()]]
        self.last_costs = np.stack([last, costs])
        self.last_starts, self.last_step = starts, self.now
        return [f for f in found if f is not None]

    def _corrections(self, starts: np.ndarray) -> np.ndarray:
        """Return factors for other closedness, another chord, and too short a segment."""
        n_frames = self.now - starts + 1
        known = n_frames < len(self.recent)
        begun = np.array([self.recent[-n] if k else self.recent[0]
                          for n, k in zip(n_frames, known, strict=True)])  # fmt: skip
        way = self.recent[-1] - begun
        chord = np.maximum(np.linalg.norm(way, axis=1), 1e-9)
        closed = chord / np.maximum(self.weight[np.arange(len(way)), self.sizes], 1e-9)
        ratio = np.maximum(closed, self.closed) / np.minimum(closed, self.closed)
        by_closed = np.minimum(2, 1 + self.weight_closed * (ratio - 1))
        cosine = (self.chords * way / chord[:, None]).sum(axis=1)
        by_chord = np.minimum(2, 1 + self.weight_chord * (1 - cosine) / 2)
        factor = np.where(known, by_closed * by_chord, 4.0)
        return np.where(n_frames < self.shortest, 1000 * factor, factor)

    def _judged(self, example: int) -> Detection | None:
        start, end, label = int(self.last_starts[example]), self.last_step, self.y[example]
        oldest = self.now - len(self.recent) + 1
        x = np.array([self.recent[i - oldest] for i in range(max(start, oldest), end + 1)]).T
        if x.shape[1] < 2 or not path_length(x) or not self.jackknife.accepts(x, example):
            return None
        again = start <= self.accepted.get(label, -1)  # overlaps what was accepted before
        self.accepted[label] = end
        return None if again else Detection(self.now, start, end, label)

    def flush(self) -> list[Detection]:
        """Return nothing, as events never wait."""
        return []
