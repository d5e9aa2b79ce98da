"""Augmentation of training cases by deformations and mixup.

A deformation has a few coordinates with a standard normal prior. Training deforms the cases at
random and appends the coordinates to their codes. The decoder thus learns the deformation as a
function of the code, and inversion infers its coordinates under their prior.

============ ============================== ======================================================
augmentation for                            coordinates
============ ============================== ======================================================
none         nothing                        none
series       sensors, any channels          3 sine warps of time, 1 gain
pen          2 or 3 coupled channels        3 sine warps of time, a linear map of the channels
image        rows over time, columns as     6 of an affine map of the picture
             channels
============ ============================== ======================================================
"""

from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from egem.core.training import Pairs
from egem.data.cases import Case
from egem.data.preparation import Batch

Augmentation = Literal["none", "series", "pen", "image"]

WARP = 0.05  # sd of a time warp, as a share of the length
GAIN = 0.08  # sd of a gain or of an entry of a channel map
PICTURE = np.array([0.10, 0.15, 0.15, 0.10, 0.05, 0.05])  # sd: zoom, shears, zoom; shifts
VALUES_AT_ONCE = 2**20  # of pairs that are deformed together, in double precision


def guess_augmentation(cases: list[Case]) -> Augmentation:
    """Choose the augmentation by the shape and the smoothness of the cases.

    Images have 8 or more channels and steps, one length, and channels that correlate with their
    neighbours (above 0.3 on average) more than with far channels (by 0.2). Pen trajectories have 2
    or 3 channels. Other cases are series.
    """
    n_channels = len(cases[0])
    lengths = {x.shape[1] for x in cases}
    if n_channels >= 8 and len(lengths) == 1 and min(lengths) >= 8:
        flat = np.concatenate(cases, axis=1)
        flat = flat[:, ~np.isnan(flat).any(axis=0)]
        alive = flat[flat.std(axis=1) > 0]
        if len(alive) >= 6 and flat.shape[1] > 1:
            r = np.corrcoef(alive)
            near, far = np.diagonal(r, 1).mean(), np.diagonal(r, len(alive) // 2).mean()
            if near > 0.3 and near > far + 0.2:
                return "image"
    return "pen" if n_channels in (2, 3) else "series"


def n_coordinates(augmentation: Augmentation, n_channels: int) -> int:
    """Return the number of coordinates of a deformation."""
    return {"none": 0, "series": 4, "pen": 3 + n_channels**2, "image": 6}[augmentation]


def deform(
    batch: Batch,
    by: Float[np.ndarray, "n_cases n_coordinates"],
    augmentation: Augmentation,
    steps_used: int,
) -> Batch:
    """Deform each case by its own coordinates; all zeros are the identity.

    Parameters
    ----------
    batch : Batch
        Cases on the experts' grid.
    by : array (n_cases, n_coordinates)
        Coordinates with a standard normal prior.
    augmentation : {"none", "series", "pen", "image"}
        The augmentation.
    steps_used : int
        Steps that carry data; the padding of the grid stays masked.

    Returns
    -------
    Batch
        A deformed value is observed if all values it was interpolated from are.
    """
    if augmentation == "none" or not batch.n_cases:
        return batch
    values, mask = batch.values.astype(np.float64), batch.mask
    n_channels = values.shape[2]
    if augmentation == "image":
        rows, columns = _picture_map(by * PICTURE, steps_used, n_channels)
        values, mask = _sample(values, mask, rows, columns)
    else:
        values, mask = _sample_rows(values, mask, _warp(by[:, :3] * WARP, steps_used))
        if augmentation == "series":
            values = values * (1.0 + GAIN * by[:, 3])[:, None, None]
        else:
            maps = np.eye(n_channels) + GAIN * by[:, 3:].reshape(-1, n_channels, n_channels)
            values = np.einsum("ntc,ncd->ntd", values, maps)
            mask = np.einsum("ntc,ncd->ntd", ~mask, maps != 0) == 0
    out = np.zeros_like(batch.values)
    seen = np.zeros_like(batch.mask)
    out[:, :steps_used], seen[:, :steps_used] = np.where(mask, values, 0.0), mask
    return Batch(out, seen)


def deformed_copies(
    cases: list[Case],
    augmentation: Augmentation,
    n_copies: int,
    mean: Float[np.ndarray, " n_channels"],
    scale: Float[np.ndarray, " n_channels"],
    rng: np.random.Generator,
) -> list[Case]:
    """Deform each case at random, at its own length.

    Parameters
    ----------
    cases : list of array (n_channels, length_i)
        Sequences in the user's units; NaN is a missing value.
    augmentation : {"none", "series", "pen", "image"}
        The augmentation.
    n_copies : int
        Copies of each case.
    mean, scale : array (n_channels,)
        Standardisation of the cases; deformations act on standardised values.
    rng : numpy.random.Generator
        Random number generator.

    Returns
    -------
    list of array (n_channels, length_i)
        The copies of the first case, then those of the second, and so on.
    """
    copies = []
    for case in cases:
        steps = ((case - mean[:, None]) / scale[:, None]).T
        steps = np.repeat(steps[None], n_copies, axis=0)
        batch = Batch(np.nan_to_num(steps).astype(np.float32), ~np.isnan(steps))
        by = rng.normal(size=(n_copies, n_coordinates(augmentation, len(case))))
        warped = deform(batch, by, augmentation, case.shape[1])
        for values, mask in zip(warped.values, warped.mask, strict=True):
            copy = values.T * scale[:, None] + mean[:, None]
            copies.append(np.where(mask.T, copy, np.nan) if mask.any() else np.array(case))
    return copies


def _warp(by: Float[np.ndarray, "n 3"], n_steps: int) -> Float[np.ndarray, "n t"]:
    """Return warped times, in steps: the identity plus three sines that vanish at both ends."""
    t = np.linspace(0.0, 1.0, n_steps)
    order = np.arange(1, by.shape[1] + 1)
    sines = np.sin(np.pi * order[:, None] * t) / order[:, None]
    return np.clip(t + by @ sines, 0.0, 1.0) * (n_steps - 1)


def _picture_map(
    by: Float[np.ndarray, "n 6"], n_rows: int, n_columns: int
) -> tuple[Float[np.ndarray, "n t c"], Float[np.ndarray, "n t c"]]:
    """Return the source row and column of every pixel under an affine map about the centre."""
    middle = (n_rows - 1) / 2, (n_columns - 1) / 2
    y, x = np.meshgrid(
        np.arange(n_rows) - middle[0], np.arange(n_columns) - middle[1], indexing="ij"
    )
    zoom_y, shear_y, shear_x, zoom_x, shift_y, shift_x = by.T[..., None, None]
    rows = (1 + zoom_y) * y + shear_y * x + shift_y * n_rows + middle[0]
    columns = shear_x * y + (1 + zoom_x) * x + shift_x * n_columns + middle[1]
    return rows, columns


def _sample(
    values: Float[np.ndarray, "n t c"],
    mask: Bool[np.ndarray, "n t c"],
    rows: Float[np.ndarray, "n s c"],
    columns: Float[np.ndarray, "n s c"],
) -> tuple[Float[np.ndarray, "n s c"], Bool[np.ndarray, "n s c"]]:
    """Interpolate bilinearly at each source point; points outside take the value of the edge."""
    last_row, last_column = rows.shape[1] - 1, values.shape[2] - 1
    rows, columns = np.clip(rows, 0, last_row), np.clip(columns, 0, last_column)
    top: Int[np.ndarray, "n s c"] = np.minimum(rows.astype(int), max(last_row - 1, 0))
    left: Int[np.ndarray, "n s c"] = np.minimum(columns.astype(int), max(last_column - 1, 0))
    down, right = rows - top, columns - left
    case = np.arange(len(values))[:, None, None]
    total, seen = np.zeros(rows.shape), np.ones(rows.shape, bool)
    for dy, wy in ((0, 1 - down), (1, down)):
        for dx, wx in ((0, 1 - right), (1, right)):
            weight = wy * wx
            at = case, np.minimum(top + dy, last_row), np.minimum(left + dx, last_column)
            total += weight * values[at]
            seen &= mask[at] | (weight < 1e-9)  # not a neighbour by rounding alone
    return total, seen


def _sample_rows(
    values: Float[np.ndarray, "n t c"],
    mask: Bool[np.ndarray, "n t c"],
    rows: Float[np.ndarray, "n s"],
) -> tuple[Float[np.ndarray, "n s c"], Bool[np.ndarray, "n s c"]]:
    """Interpolate linearly at each source row; rows outside take the values of the edge."""
    last = rows.shape[1] - 1
    rows = np.clip(rows, 0, last)
    top: Int[np.ndarray, "n s"] = np.minimum(rows.astype(int), max(last - 1, 0))
    down, case = rows - top, np.arange(len(values))[:, None]
    total, seen = 0.0, True
    for at, weight in ((top, 1 - down), (np.minimum(top + 1, last), down)):
        total = total + weight[..., None] * values[case, at]
        seen = seen & (mask[case, at] | (weight < 1e-9)[..., None])
    return np.asarray(total), np.asarray(seen)


def make_pairs(
    batch: Batch,
    augmentation: Augmentation,
    size: int,
    steps_used: int,
    rng: np.random.Generator,
    mixup: bool = True,
) -> Pairs:
    """Make ``size`` training pairs from the cases of one class, by mixup and deformation.

    Parameters
    ----------
    batch : Batch
        The cases of the class.
    augmentation : {"none", "series", "pen", "image"}
        The augmentation.
    size : int
        Number of pairs, at least the number of cases.
    steps_used : int
        Steps that carry data.
    rng : numpy.random.Generator
        Random number generator.
    mixup : bool, default True
        Mixup: whether half of the pairs are mixtures of two cases.

    Returns
    -------
    Pairs
        The first ``n_cases`` are the cases themselves.
    """
    n = batch.n_cases
    first, second = rng.integers(n, size=size), rng.integers(n, size=size)
    mixed = (rng.random(size) < 0.5) & mixup
    share = np.where(mixed, rng.random(size), 1.0)
    warp = rng.normal(size=(size, n_coordinates(augmentation, batch.values.shape[2])))
    first[:n], share[:n], warp[:n] = np.arange(n), 1.0, 0.0
    second = np.where(share == 1.0, first, second)
    values = np.empty((size, *batch.values.shape[1:]), np.float32)
    mask = np.empty(values.shape, bool)
    at_once = max(VALUES_AT_ONCE // batch.values[0].size, 1)
    for start in range(0, size, at_once):
        of = slice(start, start + at_once)
        draws = first[of], second[of], share[of], warp[of]
        values[of], mask[of] = _combined(batch, *draws, augmentation, steps_used)
    return Pairs(first, second, share.astype(np.float32), warp.astype(np.float32), values, mask)


def _combined(
    batch: Batch,
    first: Int[np.ndarray, " n"],
    second: Int[np.ndarray, " n"],
    share: Float[np.ndarray, " n"],
    warp: Float[np.ndarray, "n n_coordinates"],
    augmentation: Augmentation,
    steps_used: int,
) -> Batch:
    """Mix pairs of cases and deform the mixtures.

    A pair without an observed value is replaced, in the arguments too, by what it was made of.
    """
    mixture = Batch(
        (
            share[:, None, None] * batch.values[first]
            + (1 - share)[:, None, None] * batch.values[second]
        ).astype(np.float32),
        batch.mask[first] & batch.mask[second],
    )
    blind = ~mixture.mask.any(axis=(1, 2))  # mixtures of two cases with gaps
    second[blind], share[blind] = first[blind], 1.0
    mixture.values[blind], mixture.mask[blind] = batch[first[blind]]
    warped = deform(mixture, warp, augmentation, steps_used)
    blind = ~warped.mask.any(axis=(1, 2))
    warp[blind] = 0.0
    warped.values[blind], warped.mask[blind] = mixture[blind]
    return warped
