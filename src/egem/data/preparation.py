"""Conversion of cases in the user's units to arrays for the experts, and back.

Values are standardised, sequences are laid on one grid of steps, and missing values are masked.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from egem.data.cases import Case
from egem.data.validation import SENTINEL, of_one_shape

MAX_STEPS = 64  # longer sequences are averaged over blocks of time points down to this many steps


class Batch(NamedTuple):
    """Cases on the experts' grid; missing values are 0 in ``values`` and False in ``mask``."""

    values: Float32[np.ndarray, "n_cases n_steps n_channels"]
    mask: Bool[np.ndarray, "n_cases n_steps n_channels"]

    def __getitem__(self, index: Any) -> "Batch":  # type: ignore[override]
        return Batch(self.values[index], self.mask[index])

    @property
    def n_cases(self) -> int:
        """Number of cases."""
        return len(self.values)


def mask_patterns(
    mask: Bool[np.ndarray, "n p"],
) -> tuple[Bool[np.ndarray, "n_patterns p"], Int[np.ndarray, " n"]]:
    """Return the different rows of a mask, and which of them each row is."""
    if (mask == mask[:1]).all():  # as a rule, and then there is nothing to sort
        return mask[:1], np.zeros(len(mask), int)
    packed = np.packbits(mask, axis=1)
    _, first, pattern = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    return mask[first], pattern.ravel()


def canonical_order(batch: Batch) -> np.ndarray:
    """Return the order of cases by content, which the order of the input cannot change."""
    content = [batch.values[i].tobytes() + batch.mask[i].tobytes() for i in range(batch.n_cases)]
    return np.array(sorted(range(batch.n_cases), key=content.__getitem__), int)


class Coverage(NamedTuple):
    """Coverage of the training cases, beyond which a case has gaps or is a prefix.

    Attributes
    ----------
    n_steps : int
        Length of the shortest training case, in steps.
    missing : float
        0.9 quantile of the training cases' missing shares.
    """

    n_steps: int
    missing: float

    @staticmethod
    def of(mask: Bool[np.ndarray, "n n_steps n_channels"]) -> "Coverage":
        """Measure it on the masks of the training cases."""
        shortest = int(np.min(_ends(mask)))
        missing = Coverage(shortest, 0.0).lacking(mask)
        return Coverage(shortest, float(np.quantile(missing, 0.9)))

    def lacking(self, mask: Bool[np.ndarray, "n n_steps n_channels"]) -> Float[np.ndarray, " n"]:
        """Return the missing share of each case in excess of the training cases'."""
        length = np.maximum(_ends(mask), self.n_steps)
        missing = 1.0 - np.count_nonzero(mask, axis=(1, 2)) / (length * mask.shape[2])
        return np.maximum(missing - self.missing, 0.0)


def _ends(mask: Bool[np.ndarray, "n n_steps n_channels"]) -> Int[np.ndarray, " n"]:
    """Return the length of each case up to its last observed step."""
    return mask.shape[1] - np.flip(np.any(mask, axis=2), axis=1).argmax(axis=1)


class Preparation(NamedTuple):
    """Scaling and grid of the cases: ``step = mean over block of (value - mean) / scale``.

    Attributes
    ----------
    mean, scale : array (n_channels,)
        Offset and divisor of each channel, in the user's units.
    n_timepoints : int
        Time points of the grid; longer cases do not fit on it.
    block : int
        Time points averaged into one step.
    n_steps : int
        Steps of the grid, ``ceil(n_timepoints / block)``, by default rounded up to a multiple of
        4; the additional steps are always masked.
    stretch : bool
        Whether each case is resampled to ``n_timepoints`` first, so that cases are compared at
        relative times; otherwise a shorter case is compared up to its end.
    """

    mean: Float[np.ndarray, " n_channels"]
    scale: Float[np.ndarray, " n_channels"]
    n_timepoints: int
    block: int
    n_steps: int
    stretch: bool = False

    @property
    def n_channels(self) -> int:
        """Channels of a case."""
        return len(self.mean)

    @property
    def steps_used(self) -> int:
        """Steps of the grid that carry data."""
        return -(-self.n_timepoints // self.block)

    def align(self, cases: list[Case]) -> list[Case]:
        """Resample cases to one length, if this preparation stretches them."""
        return [stretched(x, self.n_timepoints) for x in cases] if self.stretch else cases

    def apply(self, cases: list[Case], first: int = 0) -> Batch:
        """Standardise cases and lay them on the grid.

        Points beyond ``n_timepoints`` are dropped; the caller checks for them. ``first`` is the
        index of the first case among all of the user's, for messages.

        Raises
        ------
        ValueError
            If a value lies a million standard deviations of the training cases from their mean.
        """
        values = np.zeros((len(cases), self.n_steps, self.n_channels), np.float32)
        mask = np.zeros(values.shape, bool)
        for alike, each in of_one_shape(self.align(cases)):
            length = min(each.shape[2], self.n_timepoints)
            with np.errstate(over="ignore"):
                known = (each[:, :, :length] - self.mean[:, None]) / self.scale[:, None]
            far = np.abs(known) > SENTINEL  # False for NaN
            if far.any():
                i, c, t = np.argwhere(far)[0]
                raise ValueError(
                    f"X: case {first + alike[i]} holds {each[i, c, t]:g}, over a million times the "
                    "spread of the training cases; give the same units as at fit, or NaN where it "
                    "stands for a missing value."
                )
            seen = ~np.isnan(known)
            total, count = np.where(seen, known, 0.0), seen.astype(np.int32)
            if self.block > 1:
                lacking = (0, 0), (0, 0), (0, -length % self.block)
                blocks = (*known.shape[:2], -1, self.block)
                total, count = (np.pad(a, lacking).reshape(blocks).sum(-1) for a in (total, count))
                total /= np.maximum(count, 1)
            values[alike, : total.shape[2]] = total.swapaxes(1, 2)
            mask[alike, : total.shape[2]] = count.swapaxes(1, 2) > 0
        return Batch(values, mask)

    def restore(
        self, values: Float32[np.ndarray, "n_cases n_steps n_channels"]
    ) -> Float32[np.ndarray, "n_cases n_channels n_timepoints"]:
        """Convert steps to the user's units and time points."""
        restored = self._onto_points(values)
        return (restored * self.scale[:, None] + self.mean[:, None]).astype(np.float32)

    def onto(self, sequence: Case, n_timepoints: int) -> Case:
        """Bring a restored sequence to the time points of a case of this length."""
        if self.stretch:
            return stretched(sequence, n_timepoints)
        return sequence[:, :n_timepoints]

    def restore_spread(
        self, sds: Float[np.ndarray, "n_cases n_steps n_channels"]
    ) -> Float32[np.ndarray, "n_cases n_channels n_timepoints"]:
        """Convert standard deviations of steps to the user's units and time points."""
        return (self._onto_points(sds) * self.scale[:, None]).astype(np.float32)

    def restore_share(
        self, shares: Float[np.ndarray, "n n_steps"]
    ) -> Float[np.ndarray, "n n_timepoints"]:
        """Divide the share of each step evenly among its time points; sums are kept."""
        points = np.arange(self.n_timepoints) // self.block
        return shares[:, points] / np.bincount(points)[points]

    def _onto_points(self, values: Float[np.ndarray, "n t c"]) -> Float[np.ndarray, "n c p"]:
        """Interpolate steps to time points, linearly between the centres of blocks."""
        starts = np.arange(self.n_steps) * self.block
        ends = np.minimum(starts + self.block, self.n_timepoints)
        used = starts < self.n_timepoints
        centres = ((starts + ends - 1) / 2)[used]
        steps = np.asarray(values, np.float64)[:, used]
        points = np.arange(self.n_timepoints)
        right = np.clip(np.searchsorted(centres, points, side="right"), 1, max(len(centres) - 1, 1))
        if len(centres) == 1:
            onto = np.ones((self.n_timepoints, 1))
        else:
            width = centres[right] - centres[right - 1]
            share = np.clip((points - centres[right - 1]) / width, 0.0, 1.0)
            onto = np.zeros((self.n_timepoints, len(centres)))
            onto[points, right - 1] = 1.0 - share
            onto[points, right] += share
        return np.einsum("pt,ntc->ncp", onto, steps)


def stretched(case: Case, length: int) -> Case:
    """Resample a case to a number of time points by linear interpolation.

    A case that shrinks is averaged over equal intervals. If a neighbour of a point is missing, the
    point is the mean of the observed values nearest to it, or missing if there are none.

    >>> stretched(np.array([[0.0, 2.0]]), 3)
    array([[0., 1., 2.]])
    >>> stretched(np.array([[0.0, 0.0, 6.0, 6.0]]), 2)
    array([[0., 6.]])
    >>> stretched(np.array([[0.0, np.nan, 2.0, np.nan, 4.0]]), 9)
    array([[ 0., nan, nan, nan,  2., nan, nan, nan,  4.]])
    """
    n = case.shape[1]
    if n == length:
        return case
    per_point = -(-n // length)
    at = np.linspace(0, n - 1, length * per_point)
    left = np.minimum(at.astype(int), max(n - 2, 0))
    share = at - left
    right = np.minimum(left + 1, n - 1)
    # A missing neighbour of weight 0 must not make the value missing: 0 * nan is nan.
    fine = np.where(share > 0, case[:, right] * share, 0.0)
    fine += np.where(share < 1, case[:, left] * (1 - share), 0.0)
    whole = fine.reshape(len(case), length, per_point).mean(axis=2)
    seen = ~np.isnan(case)
    if seen.all():
        return whole
    # Sparse observations have no neighbours to interpolate to, and must not vanish.
    onto = _nearest(n, length)
    for row, out, known in zip(case, whole, seen, strict=True):
        count = np.bincount(onto[known], minlength=length)
        total = np.bincount(onto[known], row[known], length)
        alone = np.isnan(out) & (count > 0)
        out[alone] = total[alone] / count[alone]
    return whole


def _nearest(n: int, length: int) -> Int[np.ndarray, " n"]:
    """Return the point of the resampled case that is nearest to each point of a case."""
    if length < n:
        return np.arange(n) * length // n
    return np.rint(np.arange(n) * ((length - 1) / max(n - 1, 1))).astype(int)


def fit_preparation(
    cases: list[Case],
    shared_scale: bool,
    standardise: bool = True,
    max_steps: int | None = None,
    stretch: bool = False,
) -> Preparation:
    """Choose scaling and grid from the training cases.

    Parameters
    ----------
    cases : list of array (n_channels, length_i)
        Training cases.
    shared_scale : bool
        Whether all channels share one mean and standard deviation, as in images.
    standardise : bool, default True
        False keeps the values as they are, as the published setting does.
    max_steps : int or None
        Longest grid; None is 64. Longer sequences are averaged over equal blocks of time points.
    stretch : bool, default False
        Whether cases are resampled to their median length.

    Returns
    -------
    Preparation
    """
    n_channels = len(cases[0])
    lengths = [x.shape[1] for x in cases]
    n_timepoints = int(np.median(lengths)) if stretch else max(lengths)
    block = -(-n_timepoints // (max_steps or MAX_STEPS))
    n_steps = -(-n_timepoints // block)
    if max_steps is None:
        n_steps += -n_steps % 4  # few distinct shapes, few compilations
    mean, scale = np.zeros(n_channels), np.ones(n_channels)
    if standardise:
        pooled = [np.concatenate([x[c] for x in cases]) for c in range(n_channels)]
        if shared_scale:
            pooled = [np.concatenate(pooled)]
        for c, values in enumerate(pooled):
            seen = np.sort(values[~np.isnan(values)])  # sums must not depend on the cases' order
            if not len(seen):
                continue  # a channel without an observation stays masked
            mean[c], spread = seen.mean(), seen.std()
            constant = spread <= 1e-9 * max(abs(mean[c]), np.finfo(float).tiny)
            scale[c] = 1.0 if constant else spread
        if shared_scale:
            mean[:], scale[:] = mean[0], scale[0]
    return Preparation(mean, scale, n_timepoints, block, n_steps, stretch)
