"""Singular values and principal directions, with a fallback."""

import numpy as np
import scipy.linalg
from jaxtyping import Float


def svd(
    matrix: Float[np.ndarray, "m n"],
) -> tuple[Float[np.ndarray, "m k"], Float[np.ndarray, " k"], Float[np.ndarray, "k n"]]:
    """Return ``u, s, vt`` of the thin singular value decomposition, ``k = min(m, n)``.

    LAPACK's divide and conquer (``gesdd``) sometimes fails to converge on matrices of low rank,
    such as many warped copies of few cases; the slower QR iteration (``gesvd``) does converge.
    """
    try:
        return np.linalg.svd(matrix, full_matrices=False)
    except np.linalg.LinAlgError:
        u, s, vt = scipy.linalg.svd(matrix, full_matrices=False, lapack_driver="gesvd")
        return u, s, vt


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
