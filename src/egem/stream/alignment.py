"""Continuous dynamic programming: the best alignment of every template that ends at each step."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

WARP = 0.03  # cost of a step that advances a template by none or two of its elements


class Ends(NamedTuple):
    """Where each template's best alignment to the latest step began, and its mean cost."""

    cost: Float[np.ndarray, " n_templates"]
    start: Int[np.ndarray, " n_templates"]


class Alignment:
    r"""Aligns templates of unit vectors or standardised values with a stream, step by step.

    A step of the stream advances a template by 0, 1 or 2 elements. With the cost c of an element
    and a step, and weight 1 for each element compared,

    .. math:: D_{i} = c_i + \min(D_i + w,\; D_{i-1},\; D_{i-2} + c_{i-1} + w)

    where the choice is that of the lowest mean cost, as alignments have any beginning.
    """

    def __init__(self, templates: Float[np.ndarray, "m n c"], along_path: bool):
        self.shape = m, n, _ = templates.shape
        self.flat = templates.reshape(m * n, -1)
        self.along_path = along_path
        # Two columns before the first element: what no alignment is in, and one that begins now.
        self.total = np.full((m, n + 2), np.inf)
        self.weight = np.ones((m, n + 2))
        self.start = np.zeros((m, n + 2), int)

    def advance(self, feature: Float[np.ndarray, " c"], now: int) -> Ends:
        """Advance by one step; an alignment that begins with it starts at ``now``."""
        m, n, _ = self.shape
        if self.along_path:
            cost = (1.0 - self.flat @ feature).reshape(m, n)
        else:
            cost = ((self.flat - feature) ** 2).mean(axis=1).reshape(m, n) / 2
        total, weight, start = self.total, self.weight, self.start
        total[:, 1], weight[:, 1], start[:, 1] = 0.0, 0.0, now
        skipping = cost + WARP
        skipping[:, 1:] += cost[:, :-1]
        totals = np.stack(
            [total[:, 2:] + cost + WARP, total[:, 1:-1] + cost, total[:, :-2] + skipping]
        )
        weights = np.stack([weight[:, 2:] + 1, weight[:, 1:-1] + 1, weight[:, :-2] + 2])
        starts = np.stack([start[:, 2:], start[:, 1:-1], start[:, :-2]])
        best = (totals / weights).argmin(axis=0)[None]
        total[:, 2:] = np.take_along_axis(totals, best, 0)[0]
        weight[:, 2:] = np.take_along_axis(weights, best, 0)[0]
        start[:, 2:] = np.take_along_axis(starts, best, 0)[0]
        return Ends(total[:, -1] / weight[:, -1], start[:, -1].copy())
