"""Other ways to find events in streams."""

import numpy as np
from jaxtyping import Float

from egem.data.normal_form import directions, normalise, path_length
from stream_score import Detection

N_DIRECTIONS, BAND = 16, 3
SIZES = (0.5, 0.7, 1.0, 1.4)  # windows, in lengths of an example's path
STRIDE = 1 / 16  # of a window
BOUND = 0.11  # mean cost: the best on the streams themselves, for all people


class SlidingDTW:
    """Windows of a few lengths slide along the path; the nearest example under DTW names them."""

    def __init__(self, X: list[Float[np.ndarray, "2 n"]], y: list[str]):
        self.labels = y
        self.templates = np.stack([_directions(x) for x in X])
        self.length = float(np.median([path_length(x) for x in X]))

    def spot(self, stream: Float[np.ndarray, "2 n"], bound: float = BOUND) -> list[Detection]:
        """Return the best of the windows that overlap; it is certain when it ends."""
        steps = np.linalg.norm(np.diff(stream, axis=1), axis=0)
        moved = np.append(True, steps > 0)
        along = np.cumsum(np.append(0.0, steps))
        frame = np.arange(stream.shape[1])
        found = []
        for size in SIZES:
            span = size * self.length
            first = np.arange(0.0, along[-1] - span, span * STRIDE)
            at = first[:, None] + np.linspace(0.0, span, N_DIRECTIONS + 1)
            points = np.stack([np.interp(at, along[moved], row[moved]) for row in stream], axis=2)
            way = np.diff(points, axis=1)
            way /= np.maximum(np.linalg.norm(way, axis=2, keepdims=True), 1e-12)
            cost = np.stack([_dtw(way, t) for t in self.templates], axis=1)
            best = cost.argmin(axis=1)
            start = np.interp(at[:, 0], along[moved], frame[moved])
            end = np.interp(at[:, -1], along[moved], frame[moved])
            near = np.flatnonzero(cost.min(axis=1) <= bound)
            found += [(cost[i, best[i]], start[i], end[i], self.labels[best[i]]) for i in near]
        out: list[Detection] = []
        for _, start, end, label in sorted(found):
            if not any(start < other.end and other.start < end for other in out):
                out.append(Detection(end, start, end, label))
        return out


def _directions(x: Float[np.ndarray, "2 n"]) -> Float[np.ndarray, "n 2"]:
    return directions(normalise(x, "pen", N_DIRECTIONS + 1)).T


def _dtw(
    windows: Float[np.ndarray, "w n 2"], template: Float[np.ndarray, "n 2"]
) -> Float[np.ndarray, " w"]:
    """Return the mean cost of the warped alignment of every window with one template."""
    local, n = 1.0 - windows @ template.T, len(template)
    total = np.full((n + 1, n + 1, len(windows)), np.inf)
    total[0, 0] = 0.0
    for i in range(n):
        for j in range(max(0, i - BAND), min(n, i + BAND + 1)):
            before = np.minimum(np.minimum(total[i, j], total[i, j + 1]), total[i + 1, j])
            total[i + 1, j + 1] = local[:, i, j] + before
    return total[n, n] / n
