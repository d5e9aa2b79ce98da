"""Letters of which a part is missing, and pen digits in their guise, for `trust.py`."""

import numpy as np

from egem import load_dataset
from splits import Split

FRACTIONS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of a letter, of which the end is missing


def as_letters(digits) -> np.ndarray:
    """Resample pen digits to 205 time points and standardise them over all, as letters are."""
    n = 205
    out = []
    for x in digits:
        at = np.linspace(0, x.shape[1] - 1, n)
        out.append([np.interp(at, np.arange(x.shape[1]), row) for row in x[:2]])
    whole = np.array(out)
    mean, sd = (f(whole, axis=(0, 2), keepdims=True) for f in (np.mean, np.std))
    return (whole - mean) / sd


def parts_seen(name: str, X: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Masks of what is seen of cases, by what it is called."""
    raw = load_dataset(name, raw=True)[0]
    keys = _keys(load_dataset(name)[0])
    own_lengths = {tuple(x): np.shape(r)[1] for x, r in zip(keys, raw, strict=True)}
    lengths = [own_lengths[tuple(key)] for key in _keys(X)]
    rng = np.random.default_rng(seed)
    half = rng.random((len(X), 1, X.shape[2])) < 0.5
    seen = {"all": np.ones(X.shape, bool), "random half": np.broadcast_to(half, X.shape)}
    block = np.ones(X.shape, bool)
    for row, n in zip(block, lengths, strict=True):
        start = rng.integers(0, n - n // 4 + 1)
        row[:, start : start + n // 4] = False
    seen["block of a quarter"] = block
    for fraction in FRACTIONS:
        prefix = np.zeros(X.shape, bool)
        for row, n in zip(prefix, lengths, strict=True):
            row[:, : int(fraction * n)] = True
        seen[f"first {fraction:g}"] = prefix
    return seen


def _keys(X) -> np.ndarray:
    return np.round(np.asarray(X)[:, :, ::20].reshape(len(X), -1), 5)


def masked_nearest(cases: Split, Z: np.ndarray) -> np.ndarray:
    """1NN over the observed values alone."""
    return cases.y[nearest_observed(np.asarray(cases.X), Z)]


def nearest_observed(X: np.ndarray, Z: np.ndarray) -> np.ndarray:
    """The training case that is nearest to each case where that is observed."""
    apart = np.stack([np.nanmean((X - z) ** 2, axis=(1, 2)) for z in Z])
    return apart.argmin(axis=1)


def filled(Z: np.ndarray) -> np.ndarray:
    """Fill gaps along lines, and prefixes with their last value, as users of MiniRocket do."""
    out = Z.copy()
    time_points = np.arange(Z.shape[2])
    for row in out.reshape(-1, Z.shape[2]):
        known = np.flatnonzero(~np.isnan(row))
        row[:] = np.interp(time_points, known, row[known])
    return out
