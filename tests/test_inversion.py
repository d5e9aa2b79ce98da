"""Searches for codes: right gradients, never worse than their start, and the paper's steps."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from egem.data.preparation import Batch
from egem.ensemble.bank import Arena, Bound, Search, Team
from egem.ensemble.codebook import Books, decoded, screen
from egem.ensemble.decoder import decode, init_default
from egem.ensemble.lm import (
    TOLERANCE,
    Searcher,
    Targets,
    advance,
    inversion_losses,
    linearised,
    start,
)
from egem.ensemble.metric import class_scatter, mse, patterns_of, whitened
from egem.ensemble.published import on_simplex, published_adam
from egem.ensemble.result import Evidence, class_index, decisive
from egem.ensemble.search import LOOKS, NEAREST, WINNER, Wanted, compete, follow
from egem.runtime.batching import in_tiles

K, H, C, T = 3, 5, 2, 12
P = T * C
E, N, BOOK = 2, 6, 8
STRENGTH = 0.05


def make_metric(name):
    rng = np.random.default_rng(4)
    values = rng.normal(size=(12, T, C)).cumsum(axis=1).astype(np.float32)
    scatter = class_scatter(Batch(values, np.ones(values.shape, bool)), np.repeat([0, 1, 2], 4))
    return mse(scatter, P) if name == "mse" else whitened(scatter, P, 0.2)


def make_arena(metric, strength=STRENGTH, n_iterations=60, precision=1.0):
    """Experts of one code size with random books."""
    keys = jax.random.split(jax.random.PRNGKey(0), E)
    experts = jax.vmap(lambda key: init_default(key, K, H, C))(keys)
    rng = np.random.default_rng(1)
    book = rng.normal(size=(E, BOOK, K)).astype(np.float32)
    mean = rng.normal(size=(E, K)).astype(np.float32)
    searchers = jax.tree.map(
        np.asarray, Searcher(experts, mean, np.full((E, K), precision, np.float32))
    )
    values = decoded(searchers.expert, book, T).reshape(E * BOOK, P)
    away = ((book - mean[:, None]) ** 2).sum(axis=2)
    prices = np.float32(strength * metric.noise) * precision * away
    team = Team(np.arange(E), searchers, book)
    search = Search("levenberg-marquardt", n_iterations, strength)
    return Arena((team,), Books(values, prices, metric), search)


def make_batch(values=None, missing=0.0):
    rng = np.random.default_rng(2)
    if values is None:
        values = 0.3 * rng.normal(size=(N, T, C)).cumsum(axis=1)
    mask = rng.random(values.shape) >= missing
    return Batch(np.where(mask, values, 0).astype(np.float32), mask)


def make_targets(metric, values=None, missing=0.0):
    """All cases with a factor each."""
    bound = Bound.of(make_batch(values, missing), metric)
    factors = bound.weights.factors[bound.weights.pattern]
    return Targets(bound.values, bound.mask, factors, bound.weights.n_observed)


def searched_to(arena, batch, n_iterations, **more):
    arena = arena._replace(search=arena.search._replace(n_iterations=n_iterations))
    return compete(arena, batch, 1, lambda _: None, **more)


def doubled(tree):
    return jax.tree.map(
        lambda a: jnp.asarray(a, bool if np.asarray(a).dtype == bool else jnp.float64), tree
    )


def one(tree, i):
    return jax.tree.map(lambda a: a[i], tree)


def inversion_loss(expert, code, target, metric):
    """Loss of one code against one target: the batched one, of a batch of one."""
    return inversion_losses(expert, code[None], jax.tree.map(lambda a: a[None], target), metric)[0]


def linearise(searcher, target, metric, strength, code):
    whole = linearised(
        searcher, jax.tree.map(lambda a: a[None], target), metric, strength, code[None]
    )
    return one(whole, 0)


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("name", ["mse", "whitened"])
def test_gradient_agrees_with_central_differences(float64, name, missing):
    metric = make_metric(name)
    searcher = one(doubled(make_arena(metric).teams[0].searchers), 0)
    target = one(doubled(make_targets(metric, missing=missing)), 0)
    metric = replace(metric, basis=jnp.asarray(metric.basis, jnp.float64))
    loss = jax.jit(lambda z: inversion_loss(searcher.expert, z, target, metric))
    code, h = jnp.asarray([0.4, -0.7, 1.1]), 1e-5
    numeric = np.array([(loss(code + e) - loss(code - e)) / (2 * h) for e in h * jnp.eye(K)])
    gradient = jax.grad(loss)(code)
    assert gradient.dtype == jnp.float64 and np.abs(numeric).max() > 1e-3
    assert np.linalg.norm(gradient - numeric) < 1e-6 * np.linalg.norm(numeric)

    # and what Levenberg-Marquardt works with is half of it, prior included
    at = jax.jit(partial(linearise, searcher, target, metric, STRENGTH))(code)
    unit = metric.noise / target.n_observed
    away = code - searcher.code_mean
    np.testing.assert_allclose(at.loss, loss(code), rtol=1e-10)
    np.testing.assert_allclose(at.prior, STRENGTH * unit * jnp.sum(away**2), rtol=1e-10)
    np.testing.assert_allclose(2 * at.gradient, numeric + 2 * STRENGTH * unit * away, rtol=1e-6)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_curvature_is_gauss_and_newtons(float64, missing):
    metric = make_metric("whitened")
    searcher = one(doubled(make_arena(metric).teams[0].searchers), 0)
    target = one(doubled(make_targets(metric, missing=missing)), 0)
    metric = replace(metric, basis=jnp.asarray(metric.basis, jnp.float64))
    code = jnp.asarray([0.4, -0.7, 1.1])
    at = linearise(searcher, target, metric, 0.0, code)
    jacobian = jax.jacrev(lambda z: decode(searcher.expert, z[None], T).ravel())(code)
    seen = np.asarray(target.mask)
    sigma = metric.floor * np.eye(P) + np.asarray(metric.basis @ metric.basis.T)
    whitener = np.linalg.inv(sigma[np.ix_(seen, seen)])
    expected = jacobian[seen].T @ whitener @ jacobian[seen] / seen.sum()
    np.testing.assert_allclose(at.curvature, expected, rtol=1e-5)


@pytest.fixture(scope="module", params=["mse", "whitened"])
def searched(request):
    """Arena and cases with what was found after 0, 2 and 60 steps."""
    metric = make_metric(request.param)
    arena, batch = make_arena(metric), make_batch(missing=0.2)
    return arena, batch, metric, {n: searched_to(arena, batch, n) for n in (0, 2, 60)}


def test_search_starts_at_the_best_of_the_book(searched):
    arena, _, metric, found = searched
    team, targets = arena.teams[0], make_targets(metric, missing=0.2)
    book_losses = jax.jit(
        lambda s, book, t: jax.vmap(lambda z: inversion_loss(s.expert, z, t, metric))(book)
    )
    for e in range(E):
        for n in range(N):
            s, t = one(team.searchers, e), one(targets, n)
            away = np.sum((team.book[e] - s.code_mean) ** 2, axis=1)
            scores = book_losses(s, team.book[e], t) + STRENGTH * metric.noise / t.n_observed * away
            np.testing.assert_array_equal(found[0].codes[n, e], team.book[e][scores.argmin()])
            first = found[0].losses[n, e] + found[0].priors[n, e]
            np.testing.assert_allclose(first, scores.min(), rtol=1e-4)
    assert (found[0].n_steps == 0).all() and not found[0].converged.any()


def test_screening_tells_the_scores_of_the_codes_it_finds(searched):
    arena, batch, metric, found = searched
    bound = Bound.of(batch, metric)
    first = screen(arena.books, bound.values, bound.mask, bound.weights)
    np.testing.assert_allclose(first.losses, found[0].losses, rtol=1e-4)
    np.testing.assert_allclose(first.priors, found[0].priors, rtol=1e-4, atol=1e-7)


def test_more_steps_are_never_worse(searched):
    *_, found = searched
    scores = [np.asarray(found[n].losses + found[n].priors) for n in (0, 2, 60)]
    assert (scores[1] <= scores[0]).all() and (scores[1] < scores[0]).mean() > 0.5
    assert (scores[2] <= scores[1]).all() and (scores[2] < scores[1]).any()


def test_losses_and_priors_are_those_of_the_codes_returned(searched):
    arena, _, metric, found = searched
    searchers, targets = arena.teams[0].searchers, make_targets(metric, missing=0.2)
    grid = jax.vmap(
        jax.vmap(lambda s, t, z: inversion_loss(s.expert, z, t, metric), (0, None, 0)), (None, 0, 0)
    )
    for f in found.values():
        np.testing.assert_allclose(f.losses, grid(searchers, targets, f.codes), rtol=1e-4)
        away = np.sum((f.codes - searchers.code_mean) ** 2, axis=-1)
        expected = STRENGTH * metric.noise / targets.n_observed[:, None] * away
        np.testing.assert_allclose(f.priors, expected, rtol=1e-4, atol=1e-7)


def test_converged_means_at_rest_and_unconverged_means_out_of_steps(searched):
    arena, _, metric, found = searched
    for max_steps, f in found.items():
        assert (f.n_steps <= max_steps).all()
        assert (f.n_steps[~f.converged] == max_steps).all()
    assert not found[2].converged.all()
    end = found[60]
    assert end.converged.all() and (end.n_steps < 60).any()

    @jax.jit
    @jax.vmap
    def score(z, s, t):
        unit = metric.noise / t.n_observed
        prior = STRENGTH * unit * jnp.sum((z - s.code_mean) ** 2)
        return inversion_loss(s.expert, z, t, metric) + prior

    # Around where it came to rest no small move lowers the score by much.
    of_n, of_e = np.divmod(np.arange(E * N), E)
    s = one(arena.teams[0].searchers, of_e)
    t, rest = one(make_targets(metric, missing=0.2), of_n), (end.losses + end.priors).ravel()
    for move in 0.01 * np.concatenate([np.eye(K), -np.eye(K)]).astype(np.float32):
        moved = score(end.codes.reshape(-1, K) + move, s, t)
        assert (moved > rest * (1 - 3 * TOLERANCE)).all()


def test_every_step_of_a_search_can_be_followed(searched):
    arena, batch, _, found = searched
    for e in range(E):
        codes, scores = follow(arena, e, batch)
        assert codes.shape == (N, 61, K) and (np.diff(scores, axis=1) <= 0).all()
        for n, f in found.items():
            np.testing.assert_allclose(scores[:, n], (f.losses + f.priors)[:, e], rtol=5e-3)
        np.testing.assert_array_equal(codes[:, 0], found[0].codes[:, e])


def test_going_on_is_the_same_as_never_having_stopped():
    metric = make_metric("whitened")
    arena = make_arena(metric)
    targets = jax.tree.map(lambda a: a[None], make_targets(metric))
    searchers = jax.tree.map(lambda a: a[:1], arena.teams[0].searchers)
    begun = start(arena.teams[0].book[:1, :N])
    straight = advance(searchers, targets, metric, STRENGTH, begun, 40)
    for steps in (3, 1, 36):
        begun = advance(searchers, targets, metric, STRENGTH, begun, steps)
    for there, here in zip(jax.tree.leaves(straight), jax.tree.leaves(begun), strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-5, atol=1e-5)


def test_a_full_step_promises_what_the_model_says(searched):
    arena, _, metric, _ = searched
    targets = jax.tree.map(lambda a: a[None], make_targets(metric, missing=0.2))
    searchers = jax.tree.map(lambda a: a[:1], arena.teams[0].searchers)
    at_first = advance(searchers, targets, metric, STRENGTH, start(arena.teams[0].book[:1, :N]), 1)
    at = at_first.at
    expected = [
        g @ np.linalg.solve(a, g)
        for g, a in zip(np.asarray(at.gradient[0]), np.asarray(at.curvature[0]), strict=True)
    ]
    np.testing.assert_allclose(at_first.promise[0], expected, rtol=1e-3)
    end = advance(searchers, targets, metric, STRENGTH, at_first, 60)
    assert (np.asarray(end.promise) < 1e-2 * np.asarray(end.at.loss)).all()


def test_cases_that_miss_the_same_may_share_a_factor():
    metric = make_metric("whitened")
    team, targets = make_arena(metric).teams[0], make_targets(metric)
    grouped = jax.tree.map(lambda a: a[None], targets)
    shared = grouped._replace(factor=targets.factor[0])
    searchers = jax.tree.map(lambda a: a[:1], team.searchers)
    begun = start(team.book[:1, :N])
    each, together = (advance(searchers, t, metric, STRENGTH, begun, 20) for t in (grouped, shared))
    np.testing.assert_allclose(each.at.loss, together.at.loss, rtol=1e-3)
    np.testing.assert_array_equal(each.converged, together.converged)


def test_a_sequence_of_its_own_is_recovered_with_its_code():
    metric = make_metric("mse")
    arena = make_arena(metric, strength=0.0)
    codes = np.random.default_rng(7).normal(size=(N, K)).astype(np.float32)
    own = np.asarray(decode(one(arena.teams[0].searchers, 0).expert, codes, T))
    found = searched_to(arena, make_batch(own), 60)
    assert (found.losses[:, 0] < 1e-6 * np.mean(own**2)).mean() > 0.8
    best = found.losses[:, 0] < 1e-6
    np.testing.assert_allclose(found.codes[best, 0], codes[best], atol=0.02)
    assert (found.losses[:, 1] > 10 * found.losses[:, 0])[best].all()  # the other expert cannot


def test_a_strong_prior_holds_codes_at_the_mean():
    metric, batch = make_metric("mse"), make_batch()
    ends = [searched_to(make_arena(metric, s), batch, 60) for s in (0.0, STRENGTH, 1e6)]
    mean = make_arena(metric).teams[0].searchers.code_mean
    away = [np.abs(f.codes - mean).max() for f in ends]
    assert away[2] < 1e-2 < 0.5 < away[1]
    free, held, fixed = (f.losses.mean() for f in ends)
    assert free < held < fixed


# ------------------------------------------------------------------------------------- contest


@pytest.mark.parametrize("wanted", [WINNER, NEAREST])
def test_who_leaves_a_contest_does_not_win_it(searched, wanted):
    arena, batch, _, found = searched
    full = found[60].losses + found[60].priors
    part = searched_to(arena, batch, 60, wanted=wanted)
    scores = part.losses + part.priors
    np.testing.assert_array_equal(scores.argmin(axis=1), full.argmin(axis=1))
    assert (scores >= full * (1 - 3 * TOLERANCE)).all()
    if wanted is NEAREST:
        np.testing.assert_allclose(scores.min(axis=1), full.min(axis=1), rtol=1e-2)


def test_who_matters_in_a_contest_searches_to_the_end(searched):
    arena, batch, _, found = searched
    apart = np.arange(N)[:, None] * [0.0, 0.5]  # the second expert is ever further behind
    evidence = Evidence(apart, 0.5, np.zeros((N, E)))
    full = found[60].losses + found[60].priors
    part = searched_to(arena, batch, 60, wanted=Wanted(np.log(1.5)), evidence=evidence)
    scores = part.losses + part.priors
    decided = decisive(full, evidence)
    matter = decided <= 1.5 * decided.min(axis=1, keepdims=True)
    assert N < matter.sum() < 2 * N and not part.converged.all()
    np.testing.assert_allclose(scores[matter], full[matter], rtol=1e-2)
    assert (scores >= full * (1 - 3 * TOLERANCE)).all()


def test_where_evidence_has_decided_nobody_searches(searched):
    arena, batch, *_ = searched
    evidence = np.zeros((N, E))
    evidence[:, 0] = 9.0
    settled = Evidence(evidence, 0.5, np.zeros((N, E)))
    winner = searched_to(arena, batch, 60, wanted=WINNER, evidence=settled)
    assert not winner.n_steps.any() and not winner.converged.any()
    nearest = searched_to(arena, batch, 60, wanted=NEAREST, evidence=settled)
    assert not nearest.n_steps[:, 0].any() and nearest.converged[:, 1].all()
    assert len(LOOKS) > 1


@pytest.mark.parametrize("n", [1, 3, 5, 16, 17, 70])
@pytest.mark.parametrize("few_cases", [0, 4])
def test_tiles_hold_every_pair_with_others_of_its_expert(n, few_cases):
    of = np.sort(np.random.default_rng(n).integers(0, 3, n))
    pairs = np.random.default_rng(n).permutation(100)[:n]
    tiles = in_tiles(pairs, of, few_cases)
    assert set(np.concatenate([tile.ravel() for tile in tiles])) == set(pairs)
    expert = dict(zip(pairs, of, strict=True))
    for tile in tiles:
        assert tile.shape == (4, 16) or (few_cases and tile.shape in ((8, 1), (1, 1)))
        assert all(len({expert[p] for p in group}) == 1 for group in tile)


def test_masks_are_told_apart():
    rng = np.random.default_rng(0)
    mask = rng.random((40, 11)) > 0.2
    mask[5] = mask[30]
    patterns, pattern = patterns_of(mask)
    np.testing.assert_array_equal(patterns[pattern], mask)
    assert len(patterns) == len({row.tobytes() for row in mask})


@jax.jit
def plain_loss(expert, z, values):
    return jnp.mean((decode(expert, z[None], T)[0] - values) ** 2)


plain_gradient = jax.jit(jax.grad(plain_loss, argnums=1))


def retraced(expert, values, key, n_iterations):
    """The paper's search, step by step, for one expert and one target."""
    z = 1 / K + 0.005 * np.asarray(jax.random.uniform(key, (K,), minval=-1.0), np.float64)
    assert np.abs(z - 1 / K).max() <= 0.005
    m = v = np.zeros(K)
    for _ in range(n_iterations):
        z = np.clip(z, 0, 1)
        z = z / z.sum()
        g = np.asarray(plain_gradient(expert, np.float32(z), values), np.float64)
        m = 0.9 * m + 0.1 * g
        v = 0.99 * v + 0.01 * g**2
        z = z - 0.05 * m / (np.sqrt(v) + 1e-8)
    clipped = np.clip(z, 0, 1)
    return plain_loss(expert, np.float32(z), values), clipped / clipped.sum()


@pytest.mark.parametrize("n_iterations", [0, 50])
def test_published_search_step_by_step(n_iterations):
    metric = make_metric("mse")
    experts, targets = make_arena(metric).teams[0].searchers.expert, make_targets(metric)
    keys = jax.random.split(jax.random.PRNGKey(3), (E, N))
    every = jax.tree.map(lambda a: np.broadcast_to(a, (E, *a.shape)), targets)
    found = published_adam(experts, every, metric, keys, n_iterations, K)
    for e in range(E):
        for n in range(N):
            values = targets.values[n].reshape(T, C)
            loss, code = retraced(one(experts, e), values, keys[e, n], n_iterations)
            np.testing.assert_allclose(found.losses[e, n], loss, rtol=1e-4)
            np.testing.assert_allclose(found.codes[e, n], code, atol=1e-4)


def test_the_simplex_survives_codes_with_nothing_positive():
    z = jnp.asarray([[2.0, 0.5, -1.0], [-1.0, -2.0, -3.0]])
    np.testing.assert_allclose(on_simplex(z), [[2 / 3, 1 / 3, 0], [0, 0, 0]], atol=1e-6)


def test_an_unknown_label_is_told_the_known_ones():
    assert class_index(np.array(["a", "b"]), "b") == 1
    with pytest.raises(ValueError, match=r"label 'q' is not a class.*'a', 'b'"):
        class_index(np.array(["a", "b"]), "q")


def test_a_glance_finds_what_invert_finds(digit_model, digits):
    X = digits[2][::40]
    whole, glance = digit_model.invert(X), digit_model.glance(X)
    assert np.allclose(glance.scores, whole.scores, rtol=1e-3)
    assert np.allclose(glance.strangeness, whole.strangeness, atol=1e-3)
    alone = digit_model.glance(X, spaces=False)
    assert alone.evidence is None and np.array_equal(alone.scores, alone.losses + alone.priors)


def test_a_glance_works_on_the_pairs_that_are_asked_for(digit_model, digits):
    X = digits[2][::40]
    among = np.random.default_rng(0).random((len(X), 10)) < 0.3
    whole, glance = digit_model.invert(X), digit_model.glance(X, among)
    assert np.allclose(glance.losses[among], whole.losses[among], rtol=1e-3)
    assert (glance.n_steps[~among] == 0).all() and not glance.converged[~among].any()
    few = digit_model.glance(X, among, n_iterations=2)
    assert few.n_steps[among].max() == 2
    assert (few.losses + few.priors >= 0.999 * (glance.losses + glance.priors))[among].all()
    with pytest.raises(ValueError, match="among has shape"):
        digit_model.glance(X, among[:, :3])
