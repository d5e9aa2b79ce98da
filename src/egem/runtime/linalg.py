"""Singular values and principal directions."""

import numpy as np
import scipy.linalg
from jaxtyping import Float


def svd(
    matrix: Float[np.ndarray, "m n"],
) -> tuple[Float[np.ndarray, "m k"], Float[np.ndarray, " k"], Float[np.ndarray, "k n"]]:
    """Return ``u, s, vt`` of the thin decomposition, ``k = min(m, n)``.

    LAPACK's quick divide and conquer now and then gives up on matrices of low rank, such as many
    bent copies of few cases are; its slow iteration does not.
    """
    try:
        return np.linalg.svd(matrix, full_matrices=False)
    except np.linalg.LinAlgError:
        thin = scipy.linalg.svd(matrix, full_matrices=False, lapack_driver="gesvd")
        return thin[0], thin[1], thin[2]  # pyright: ignore[reportIndexIssue, reportReturnType]


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
