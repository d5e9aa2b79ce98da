"""Singular values and principal directions, with a fallback."""

import numpy as np
import scipy.linalg
from jaxtyping import Float

WIDE = 16_384  # values, more than cases have as a rule
SMALLEST = 1e-7


def svd(
    matrix: Float[np.ndarray, "m n"],
) -> tuple[Float[np.ndarray, "m k"], Float[np.ndarray, " k"], Float[np.ndarray, "k n"]]:
    """Return ``u, s, vt`` of the thin singular value decomposition, ``k = min(m, n)``.

    LAPACK's divide and conquer (``gesdd``) sometimes fails to converge on matrices of low rank,
    such as many warped copies of few cases; the slower QR iteration (``gesvd``) does converge.
    Rows of very many values are decomposed by their products with each other, several times as
    fast; what is below ``SMALLEST`` of the largest singular value is 0 then.
    """
    m, n = matrix.shape
    if n > WIDE and n > 16 * m:
        return _of_products(matrix)
    if m > WIDE and m > 16 * n:
        v, s, ut = _of_products(matrix.T)
        return ut.T, s, v.T
    try:
        return np.linalg.svd(matrix, full_matrices=False)
    except np.linalg.LinAlgError:
        u, s, vt = scipy.linalg.svd(matrix, full_matrices=False, lapack_driver="gesvd")
        return u, s, vt


def _of_products(
    rows: Float[np.ndarray, "m n"],
) -> tuple[Float[np.ndarray, "m m"], Float[np.ndarray, " m"], Float[np.ndarray, "m n"]]:
    wide = rows.astype(np.float64, copy=False)
    squares, u = np.linalg.eigh(wide @ wide.T)
    s, u = np.sqrt(np.maximum(squares[::-1], 0.0)), u[:, ::-1]
    s[s <= SMALLEST * s[0]] = 0.0
    vt = (u / np.where(s > 0, s, np.inf)).T @ wide
    return tuple(each.astype(rows.dtype, copy=False) for each in (u, s, vt))  # type: ignore[return-value]


def principal(
    rows: Float[np.ndarray, "n p"],
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, "k p"]]:
    """Return singular values and right singular vectors, the largest first."""
    n, p = rows.shape
    if n <= 2 * p:
        _, s, directions = svd(rows)
        return s, directions
    squares, directions = np.linalg.eigh(rows.T @ rows)
    return np.sqrt(np.maximum(squares[::-1], 0.0)), directions.T[::-1]
