"""The search by all experts: codebooks, shared first steps, and experts that are dropped."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from banks import (
    DECODER,
    N_CASES,
    N_CODES,
    N_EXPERTS,
    PRIOR_WEIGHT,
    K,
    T,
    bank_of,
    loss_of,
    make_bank,
    make_batch,
    make_metric,
    make_targets,
    make_trained,
    one,
    searched_to,
)
from egem.core.config import SearchConfig
from egem.core.inversion import quadratic
from egem.core.levenberg_marquardt import TOLERANCE, init, search
from egem.data.cases import as_cases
from egem.data.preparation import mask_patterns
from egem.ensemble.cases import BoundCases
from egem.ensemble.codebook import screen
from egem.ensemble.inversion import invert_now
from egem.ensemble.result import class_index
from egem.ensemble.search import CLASS, LOWEST, Need, search_path
from egem.ensemble.shared_start import Linearised, first_step, linearise
from egem.runtime.batching import grouped_batches
from egem.views.views import ViewLosses, pooled


@pytest.fixture(scope="module", params=["mse", "whitened"])
def searched(request):
    """A bank and cases, with what was found after 0, 2 and 60 steps."""
    metric = make_metric(request.param)
    bank, batch = make_bank(metric), make_batch(missing=0.2)
    return bank, batch, metric, {n: searched_to(bank, batch, n) for n in (0, 2, 60)}


@jax.jit
def scores_of(expert, codes, target, metric):
    """Return losses and priors of codes against one case."""
    unit = PRIOR_WEIGHT * metric.noise / target.n_observed
    loss = jax.vmap(lambda z: loss_of(expert.params, z, target, metric))(codes)
    return loss, unit * jnp.sum(expert.code_precision * (codes - expert.code_mean) ** 2, axis=1)


def test_a_search_starts_at_the_best_of_the_codebook(searched):
    bank, batch, metric, found = searched
    group, targets = bank.groups[0], make_targets(metric, missing=0.2)
    first = screen(bank.codebook, BoundCases.of(batch, metric))
    for e in range(N_EXPERTS):
        for n in range(N_CASES):
            loss, prior = scores_of(one(group.experts, e), group.starts[e], one(targets, n), metric)
            best = (loss + prior).argmin()
            np.testing.assert_array_equal(found[0].codes[n, e], group.starts[e][best])
            for of in (found[0], first):
                np.testing.assert_allclose(of.losses[n, e], loss[best], rtol=1e-4)
                np.testing.assert_allclose(of.priors[n, e], prior[best], rtol=1e-4, atol=1e-7)
    assert (found[0].n_steps == 0).all() and not found[0].converged.any()


def test_more_steps_are_never_worse(searched):
    *_, found = searched
    scores = [np.asarray(found[n].losses + found[n].priors) for n in (0, 2, 60)]
    assert (scores[1] <= scores[0]).all() and (scores[1] < scores[0]).mean() > 0.5
    assert (scores[2] <= scores[1]).all() and (scores[2] < scores[1]).any()


def test_losses_and_priors_are_those_of_the_codes_returned(searched):
    bank, _, metric, found = searched
    targets = make_targets(metric, missing=0.2)
    for f in found.values():
        for e in range(N_EXPERTS):
            for n in range(N_CASES):
                expert, codes = one(bank.groups[0].experts, e), f.codes[n, e][None]
                loss, prior = scores_of(expert, codes, one(targets, n), metric)
                np.testing.assert_allclose(f.losses[n, e], loss[0], rtol=1e-4)
                np.testing.assert_allclose(f.priors[n, e], prior[0], rtol=1e-4, atol=1e-7)


def test_converged_means_at_rest_and_unconverged_means_out_of_steps(searched):
    bank, _, metric, found = searched
    for max_steps, f in found.items():
        assert (f.n_steps <= max_steps).all()
        assert (f.n_steps[~f.converged] == max_steps).all()
    assert not found[2].converged.all()
    end = found[60]
    assert end.converged.all() and (end.n_steps < 60).any()
    # No small move from where a search came to rest lowers the score by much.
    moves = 0.01 * np.concatenate([np.eye(K), -np.eye(K)]).astype(np.float32)
    targets = make_targets(metric, missing=0.2)
    for e in range(N_EXPERTS):
        for n in range(N_CASES):
            expert, codes = one(bank.groups[0].experts, e), end.codes[n, e] + moves
            moved = sum(scores_of(expert, codes, one(targets, n), metric))
            assert (moved > (end.losses + end.priors)[n, e] * (1 - 3 * TOLERANCE)).all()


def test_the_path_of_a_search_ends_where_the_search_ends(searched):
    bank, batch, _, found = searched
    for e in range(N_EXPERTS):
        codes, scores = search_path(bank, e, batch)
        assert codes.shape == (N_CASES, 61, K) and (np.diff(scores, axis=1) <= 0).all()
        for n, f in found.items():
            np.testing.assert_allclose(scores[:, n], (f.losses + f.priors)[:, e], rtol=5e-3)
        np.testing.assert_array_equal(codes[:, 0], found[0].codes[:, e])


@pytest.mark.parametrize("name", ["mse", "whitened"])
def test_a_shared_first_step_is_the_first_step_of_each_search(name):
    metric = make_metric(name)
    bank = make_bank(metric)
    group, bound = bank.groups[0], BoundCases.of(make_batch(), metric)
    codes = group.starts[:, 0]
    targets = bound.targets(np.tile(np.arange(N_CASES), (N_EXPERTS, 1)))
    at = linearise(bank.decoder, group.experts, codes[:, None], T)
    at = Linearised(*(np.asarray(a)[:, 0] for a in at))
    found = first_step(group.experts, codes, at, targets, metric, PRIOR_WEIGHT)
    for e in range(N_EXPERTS):
        own = make_targets(metric)
        expert, starts = one(group.experts, e), np.tile(codes[e], (N_CASES, 1))

        def evaluate(z, expert=expert, own=own):
            return quadratic(DECODER, expert, own, metric, PRIOR_WEIGHT, z)

        expected = search(evaluate, init(starts), 1, SearchConfig().bounds)
        leaves = zip(jax.tree.leaves(one(found, e)), jax.tree.leaves(expected), strict=True)
        for a, b in leaves:
            np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5)


def test_a_sequence_that_an_expert_decodes_is_recovered_with_its_code():
    metric = make_metric("mse")
    bank = make_bank(metric, prior_weight=0.0)
    codes = np.random.default_rng(7).normal(size=(N_CASES, K)).astype(np.float32)
    own = np.asarray(DECODER.decode_batch(one(bank.groups[0].experts, 0).params, codes, T))
    found = searched_to(bank, make_batch(own), 60)
    assert (found.losses[:, 0] < 1e-6 * np.mean(own**2)).mean() > 0.8
    best = found.losses[:, 0] < 1e-6
    np.testing.assert_allclose(found.codes[best, 0], codes[best], atol=0.02)
    assert (found.losses[:, 1] > 10 * found.losses[:, 0])[best].all()  # the other expert cannot


def test_a_strong_prior_holds_codes_at_the_mean():
    metric, batch = make_metric("mse"), make_batch()
    ends = [searched_to(make_bank(metric, s), batch, 60) for s in (0.0, PRIOR_WEIGHT, 1e6)]
    mean = make_bank(metric).groups[0].experts.code_mean
    away = [np.abs(f.codes - mean).max() for f in ends]
    assert away[2] < 1e-2 < 0.5 < away[1]
    free, held, fixed = (f.losses.mean() for f in ends)
    assert free < held < fixed


def test_experts_with_codes_of_different_sizes_are_searched_side_by_side():
    metric, batch = make_metric("whitened"), make_batch(missing=0.2)
    rng = np.random.default_rng(5)
    experts = [
        make_trained(jax.random.PRNGKey(e), rng.normal(size=(N_CODES, k)).astype("f4"), zero)
        for e, k in enumerate((K, 2 * K, K))
        for zero in [np.zeros(k, np.float32)]
    ]
    found = searched_to(bank_of(experts, metric), batch, 20)
    assert found.codes.shape == (N_CASES, 3, 2 * K)
    assert np.isnan(found.codes[:, ::2, K:]).all() and not np.isnan(found.codes[:, 1]).any()
    for e, expert in enumerate(experts):
        alone = searched_to(bank_of([expert], metric), batch, 20)
        np.testing.assert_allclose(found.losses[:, e], alone.losses[:, 0], rtol=1e-3)


# --------------------------------------------------- experts that are dropped


@pytest.mark.parametrize("need", [CLASS, LOWEST])
def test_an_expert_that_is_dropped_would_not_have_won(searched, need):
    bank, batch, _, found = searched
    full = found[60].losses + found[60].priors
    part = searched_to(bank, batch, 60, need=need)
    scores = part.losses + part.priors
    np.testing.assert_array_equal(scores.argmin(axis=1), full.argmin(axis=1))
    assert (scores >= full * (1 - 3 * TOLERANCE)).all()
    if need is LOWEST:
        np.testing.assert_allclose(scores.min(axis=1), full.min(axis=1), rtol=1e-2)


def test_experts_that_count_are_searched_to_the_end(searched):
    bank, batch, _, found = searched
    apart = np.arange(N_CASES)[:, None] * [0.0, 0.5]  # the second expert is ever further behind
    views = ViewLosses(apart, 0.5, np.zeros((N_CASES, N_EXPERTS)))
    full = found[60].losses + found[60].priors
    part = searched_to(bank, batch, 60, need=Need(np.log(1.5)), views=views)
    scores = part.losses + part.priors
    decisive = pooled(full, views)
    count = decisive <= 1.5 * decisive.min(axis=1, keepdims=True)
    assert N_CASES < count.sum() < 2 * N_CASES and not part.converged.all()
    np.testing.assert_allclose(scores[count], full[count], rtol=1e-2)
    assert (scores >= full * (1 - 3 * TOLERANCE)).all()


def test_where_other_views_have_decided_no_expert_is_searched(searched):
    bank, batch, *_ = searched
    log_losses = np.zeros((N_CASES, N_EXPERTS))
    log_losses[:, 0] = 9.0
    decided = ViewLosses(log_losses, 0.5, np.zeros((N_CASES, N_EXPERTS)))
    of_class = searched_to(bank, batch, 60, need=CLASS, views=decided)
    assert not of_class.n_steps.any() and not of_class.converged.any()
    lowest = searched_to(bank, batch, 60, need=LOWEST, views=decided)
    assert not lowest.n_steps[:, 0].any() and lowest.converged[:, 1].all()


@pytest.mark.parametrize("n", [1, 3, 5, 16, 17, 70])
@pytest.mark.parametrize("few_cases", [0, 4])
def test_tiles_hold_every_pair_with_others_of_its_expert(n, few_cases):
    of = np.sort(np.random.default_rng(n).integers(0, 3, n))
    pairs = np.random.default_rng(n).permutation(100)[:n]
    tiles = grouped_batches(pairs, of, few_cases)
    assert set(np.concatenate([tile.ravel() for tile in tiles])) == set(pairs)
    expert = dict(zip(pairs, of, strict=True))
    for tile in tiles:
        assert tile.shape == (4, 16) or (few_cases and tile.shape in ((8, 1), (1, 1)))
        assert all(len({expert[p] for p in group}) == 1 for group in tile)


def test_cases_are_grouped_by_what_they_miss():
    rng = np.random.default_rng(0)
    mask = rng.random((40, 11)) > 0.2
    mask[5] = mask[30]
    patterns, pattern = mask_patterns(mask)
    np.testing.assert_array_equal(patterns[pattern], mask)
    assert len(patterns) == len({row.tobytes() for row in mask})


# --------------------------------------------------- through the estimator


def test_an_unknown_label_is_refused_with_the_known_ones():
    assert class_index(np.array(["a", "b"]), "b") == 1
    with pytest.raises(ValueError, match=r"label 'q' is not a class.*'a', 'b'"):
        class_index(np.array(["a", "b"]), "q")


def at_once(clf, X, **options):
    found = invert_now(clf.model_, as_cases(X), **options)
    return replace(found, calibration=clf.model_.calibration)


def test_a_search_of_few_cases_finds_the_same_scores(digit_model, digits):
    X = digits[2][::40]
    whole, quick = digit_model.invert(X), at_once(digit_model, X, among=True)
    np.testing.assert_allclose(quick.scores, whole.scores, rtol=1e-3)
    np.testing.assert_allclose(quick.nonconformity, whole.nonconformity, atol=1e-3)
    np.testing.assert_allclose(quick.probabilities(), whole.probabilities(), atol=1e-3)
    alone = at_once(digit_model, X, among=True, views=False)
    assert alone.views is None and np.array_equal(alone.scores, alone.losses + alone.priors)


def test_a_search_of_few_cases_searches_the_pairs_that_are_asked_for(digit_model, digits):
    X = digits[2][::40]
    among = np.random.default_rng(0).random((len(X), 10)) < 0.3
    whole, some = digit_model.invert(X), at_once(digit_model, X, among=among)
    np.testing.assert_allclose(some.losses[among], whole.losses[among], rtol=1e-3)
    assert (some.n_steps[~among] == 0).all() and not some.converged[~among].any()
    few = at_once(digit_model, X, among=among, max_steps=2)
    assert few.n_steps[among].max() == 2
    assert (few.losses + few.priors >= 0.999 * (some.losses + some.priors))[among].all()
    with pytest.raises(ValueError, match="among has shape"):
        at_once(digit_model, X, among=among[:, :3])
