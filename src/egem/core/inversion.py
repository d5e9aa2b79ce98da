"""Inversion: the objective of the search for an expert's code of a case.

Up to factors the score is minus the log posterior of the code::

    score(z) = loss(y(z), x) + prior(z)
    prior(z) = prior_weight noise |z - mean|^2_precision / n_observed

with the loss of :mod:`egem.core.metric`; :mod:`egem.core.levenberg_marquardt` minimises it.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from egem.core.config import AnyArray, SearchConfig
from egem.core.decoder import Decoder
from egem.core.levenberg_marquardt import LMState, Quadratic, init, search
from egem.core.metric import Metric, inner_of_products, squared


class Expert(NamedTuple):
    """A decoder's parameters for one class, and the normal prior on its codes."""

    params: Any
    code_mean: AnyArray  # (k,)
    code_precision: AnyArray  # (k,)


class Targets(NamedTuple):
    """Cases with the metric's factor for what is observed of them."""

    values: AnyArray  # (n, t, c), 0 where missing
    mask: AnyArray  # (n, t, c), True where observed
    factor: AnyArray  # (q, q), one for all, or (n, q, q)
    n_observed: AnyArray  # (n,)


def invert(
    decoder: Decoder, expert: Expert, targets: Targets, metric: Metric, config: SearchConfig, codes
) -> LMState:
    """Search for the codes of n cases by one expert, from the first codes (n, k)."""

    def evaluate(codes):
        return quadratic(decoder, expert, targets, metric, config.prior_weight, codes)

    # One more step evaluates the first codes.
    return search(evaluate, init(codes), config.max_steps + 1, config.bounds)


def quadratic(
    decoder: Decoder, expert: Expert, targets: Targets, metric: Metric, prior_weight, codes
) -> Quadratic:
    """Evaluate codes (n, k) of one expert, each for its own case."""
    products, projected = decoder.normal_equations(
        expert.params, codes, targets.values, targets.mask, metric.basis
    )
    n_observed = targets.n_observed[:, None]
    gram = inner_of_products(metric, targets.factor, products, projected, projected)
    gram = gram / n_observed[..., None]
    likelihood = Quadratic(gram[:, 0, 0], jnp.zeros(len(codes)), gram[:, 0, 1:], gram[:, 1:, 1:])
    return with_prior(expert, metric, prior_weight, codes, n_observed, likelihood)


def with_prior(
    expert: Expert, metric: Metric, prior_weight, codes, n_observed, likelihood: Quadratic
) -> Quadratic:
    """Add the prior at codes (n, k); ``n_observed`` is (n, 1)."""
    weight = prior_weight * metric.noise / n_observed * expert.code_precision
    away = codes - expert.code_mean
    return Quadratic(
        loss=likelihood.loss,
        prior=jnp.sum(weight * away**2, axis=1),
        gradient=likelihood.gradient + weight * away,
        curvature=likelihood.curvature + jax.vmap(jnp.diag)(weight),
    )


def losses(decoder: Decoder, params: Any, codes, targets: Targets, metric: Metric) -> AnyArray:
    """Return the loss of each code (n, k) against its case, (n,)."""
    y = decoder.decode_batch(params, codes, targets.values.shape[1])
    r = jnp.where(targets.mask, y - targets.values, 0.0).reshape(len(codes), 1, -1)
    return squared(metric, targets.factor, r)[:, 0] / targets.n_observed
