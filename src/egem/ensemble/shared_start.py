"""The first step of searches that start from the same code of a codebook.

There the sequence ``y`` and its Jacobian ``J`` are the same for all cases, and only the residual is
a case's own::

    gradient  = J Sigma^-1 (y - x) / n_observed + the prior's
    curvature = J Sigma^-1 J' / n_observed + the prior's

so that each code is decoded once, however many cases start from it.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from egem.core.config import AnyArray
from egem.core.decoder import Decoder
from egem.core.inversion import Expert, Targets, with_prior
from egem.core.levenberg_marquardt import INITIAL_DAMPING, LMState, Quadratic, predicted_reduction
from egem.core.metric import Metric, inner, squared

MAX_VALUES = 2**24  # floats of all linearisations that are kept at a time


class Linearised(NamedTuple):
    """Sequences of codes, flat, and their derivatives along the code."""

    values: Float[AnyArray, "*g p"]
    jacobian: Float[AnyArray, "*g k p"]


@partial(jax.jit, static_argnames=("decoder", "n_steps"))
def linearise(
    decoder: Decoder, experts: Expert, codes: Float[AnyArray, "g m k"], n_steps: int
) -> Linearised:
    """Decode m codes of each of g experts; all fields get leading axes (g, m)."""
    y, jacobian = jax.vmap(lambda p, z: decoder.linearise(p, z, n_steps))(experts.params, codes)
    return Linearised(y.reshape(*codes.shape[:2], -1), jacobian.reshape(*codes.shape, -1))


def first_step(
    experts: Expert,
    codes: Float[AnyArray, "g k"],
    at: Linearised,
    targets: Targets,
    metric: Metric,
    prior_weight: float,
) -> LMState:
    """Return the states of g groups, each of one code and n complete cases, after a first step.

    The products are NumPy's: XLA would cut those up, and two of its programs that do so at once
    have been seen to wait for each other for ever on two cores.
    """
    n_observed = at.values.shape[-1]
    residuals = at.values[:, None] - targets.values.reshape(*targets.values.shape[:2], -1)
    likelihood = Quadratic(
        loss=squared(metric, targets.factor, residuals) / n_observed,
        prior=np.zeros(len(codes), np.float32),
        gradient=inner(metric, targets.factor, residuals, at.jacobian) / n_observed,
        curvature=inner(metric, targets.factor, at.jacobian, at.jacobian) / n_observed,
    )
    return _state(experts, codes, likelihood, n_observed, metric, prior_weight)


@jax.jit
def _state(
    experts: Expert,
    codes: Float[AnyArray, "g k"],
    likelihood: Quadratic,
    n_observed: int,
    metric: Metric,
    prior_weight: float,
) -> LMState:
    """Add the priors; losses and gradients are a case's, prior and curvature a code's."""

    def one(expert: Expert, code, likelihood: Quadratic):
        of_code = likelihood._replace(
            prior=likelihood.prior[None], curvature=likelihood.curvature[None]
        )
        n_values = jnp.full((1, 1), n_observed)
        at = with_prior(expert, metric, prior_weight, code[None], n_values, of_code)
        n, k = at.gradient.shape
        # The curvature is mapped over by no axis: one factorisation serves all cases.
        reduction = jax.vmap(
            lambda g: predicted_reduction(at._replace(gradient=g, curvature=at.curvature[0]))
        )(at.gradient)
        curvature = jnp.broadcast_to(at.curvature, (n, k, k))
        return at._replace(prior=jnp.broadcast_to(at.prior, n), curvature=curvature), reduction

    at, reduction = jax.vmap(one)(experts, codes, likelihood)
    zero = jnp.zeros_like(at.loss)
    return LMState(
        code=jnp.broadcast_to(codes[:, None], at.gradient.shape),
        at=at,
        damping=zero + INITIAL_DAMPING,
        n_steps=zero.astype(int),
        converged=zero.astype(bool),
        predicted_reduction=reduction,
    )
