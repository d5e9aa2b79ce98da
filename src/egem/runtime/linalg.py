"""The singular value decomposition that always ends."""

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
