"""A small bank of recurrent experts with random weights, and cases for it."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from egem.calibration.scatter import class_scatter
from egem.core.config import SearchConfig
from egem.core.inversion import Targets, losses
from egem.core.lstm import LSTMDecoder
from egem.core.metric import METRICS
from egem.data.preparation import Batch
from egem.ensemble.bank import Bank
from egem.ensemble.cases import BoundCases
from egem.ensemble.codes import TrainedExpert
from egem.ensemble.search import search_codes

K, H, C, T = 3, 5, 2, 12
P = T * C
N_EXPERTS, N_CASES, N_CODES = 2, 6, 8
PRIOR_WEIGHT = 0.05
DECODER = LSTMDecoder(H)


def make_metric(name):
    rng = np.random.default_rng(4)
    values = rng.normal(size=(12, T, C)).cumsum(axis=1).astype(np.float32)
    scatter = class_scatter(Batch(values, np.ones(values.shape, bool)), np.repeat([0, 1, 2], 4))
    return METRICS[name](scatter, P, 0.2)


def make_bank(metric, prior_weight=PRIOR_WEIGHT, max_steps=60):
    """Return experts with codes of one size and random codebooks."""
    rng = np.random.default_rng(1)
    codebook = rng.normal(size=(N_EXPERTS, N_CODES, K)).astype(np.float32)
    means = rng.normal(size=(N_EXPERTS, K)).astype(np.float32)
    keys = jax.random.split(jax.random.PRNGKey(0), N_EXPERTS)
    experts = [make_trained(*of) for of in zip(keys, codebook, means, strict=True)]
    return bank_of(experts, metric, prior_weight, max_steps)


def make_trained(key, codebook, mean):
    """Return an expert with random weights."""
    size = codebook.shape[1]
    params = jax.tree.map(np.asarray, DECODER.init(key, size, C))
    return TrainedExpert(params, codebook, mean, np.ones(size, np.float32), codebook, 0.1, 0)


def bank_of(experts, metric, prior_weight=PRIOR_WEIGHT, max_steps=60):
    return Bank.of(tuple(experts), DECODER, metric, SearchConfig(max_steps, prior_weight), T)


def make_batch(values=None, missing=0.0):
    rng = np.random.default_rng(2)
    if values is None:
        values = 0.3 * rng.normal(size=(N_CASES, T, C)).cumsum(axis=1)
    mask = rng.random(values.shape) >= missing
    return Batch(np.where(mask, values, 0).astype(np.float32), mask)


def make_targets(metric, values=None, missing=0.0):
    """Return all cases, with a factor each."""
    bound = BoundCases.of(make_batch(values, missing), metric)
    factors = bound.factors[bound.pattern]
    return Targets(bound.values, bound.mask, factors, bound.n_observed)


def searched_to(bank, batch, max_steps, **more):
    bank = bank._replace(search=replace(bank.search, max_steps=max_steps))
    return search_codes(bank, batch, 1, lambda _: None, **more)


def one(tree, i):
    return jax.tree.map(lambda a: a[i], tree)


def doubled(tree):
    """Return the same in double precision."""
    return jax.tree.map(
        lambda a: jnp.asarray(a, bool if np.asarray(a).dtype == bool else jnp.float64), tree
    )


def loss_of(params, code, target, metric, decoder=DECODER):
    """Return the loss of one code against one case."""
    alone = jax.tree.map(lambda a: a[None], target)
    return losses(decoder, params, code[None], alone, metric)[0]
