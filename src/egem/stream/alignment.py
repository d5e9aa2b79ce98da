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
        self.means = np.empty((3, m, n))
        self.at = np.arange(m * (n + 2)).reshape(m, n + 2)[:, 2:]

    def advance(self, feature: Float[np.ndarray, " c"], now: int) -> Ends:
        """Advance by one step; an alignment that begins with it starts at ``now``."""
        m, n, _ = self.shape
        if self.along_path:
            cost = (1.0 - self.flat @ feature).reshape(m, n)
        else:
            cost = ((self.flat - feature) ** 2).mean(axis=1).reshape(m, n) / 2
        total, weight, start = self.total, self.weight, self.start
        total[:, 1], weight[:, 1], start[:, 1] = 0.0, 0.0, now
        means = self.means  # after an advance by 0, 1 and 2 elements
        np.divide(total[:, 1:-1] + cost, weight[:, 1:-1] + 1, out=means[1])
        cost += WARP
        np.divide(total[:, 2:] + cost, weight[:, 2:] + 1, out=means[0])
        cost[:, 1:] += cost[:, :-1] - WARP
        np.divide(total[:, :-2] + cost, weight[:, :-2] + 2, out=means[2])
        by, lowest = means.argmin(axis=0), means.min(axis=0)
        before = self.at - by
        weight[:, 2:] = weight.take(before) + 1 + (by == 2)
        start[:, 2:] = start.take(before)
        total[:, 2:] = lowest * weight[:, 2:]
        return Ends(lowest[:, -1], start[:, -1].copy())
