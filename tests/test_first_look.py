"""The first look, shared by cases, is what a search sees at its first code by itself."""

import jax
import numpy as np
import pytest

from egem.ensemble.bank import Bound
from egem.ensemble.first_look import View, look, views
from egem.ensemble.lm import advance, start
from test_inversion import STRENGTH, E, K, N, T, make_arena, make_batch, make_metric


@pytest.mark.parametrize("name", ["mse", "whitened"])
def test_shared_look_is_the_first_step(name):
    metric = make_metric(name)
    arena = make_arena(metric)
    team, bound = arena.teams[0], Bound.of(make_batch(), metric)
    codes = team.book[:, 0]
    targets = bound.targets(np.tile(np.arange(N), (E, 1)))
    seen = View(*(np.asarray(a)[:, 0] for a in views(team.searchers, codes[:, None], T)))
    found = look(team.searchers, codes, seen, targets, metric, STRENGTH)
    alone = start(np.broadcast_to(codes[:, None], (E, N, K)))
    expected = advance(team.searchers, targets, metric, STRENGTH, alone, 1)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5)
