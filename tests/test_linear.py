"""The decomposition, where the quick algorithm ends and where it is made to give up."""

import numpy as np
import pytest

from egem.runtime import linalg as linear


def matrix():
    rng = np.random.default_rng(0)
    return rng.normal(size=(30, 4)) @ rng.normal(size=(4, 20))


@pytest.mark.parametrize("quick", [True, False])
def test_decomposition_is_thin_and_gives_the_matrix_back(monkeypatch, quick):
    if not quick:

        def give_up(*_, **__):
            raise np.linalg.LinAlgError("SVD did not converge")

        monkeypatch.setattr(linear.np.linalg, "svd", give_up)
    u, s, vt = linear.svd(matrix())
    assert u.shape == (30, 20) and s.shape == (20,) and vt.shape == (20, 20)
    np.testing.assert_allclose((u * s) @ vt, matrix(), atol=1e-10)
    assert (np.diff(s) <= 1e-12).all() and (s[4:] < 1e-10).all()
