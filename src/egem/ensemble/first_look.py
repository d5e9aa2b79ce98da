"""The first look at the codes that searches begin with, of which many cases share each.

At a code of an expert's book, the sequence ``y`` and its Jacobian ``J`` are the same for all cases
that begin there. Of the model in :mod:`egem.ensemble.lm` only the residual is a case's own::

    gradient  = J Sigma^-1 (y - x) / n_observed + the prior's
    curvature = J Sigma^-1 J' / n_observed + the prior's

so that each code is decoded once, with its Jacobian, however many cases begin there.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from egem.ensemble.decoder import decode_with_jacobian
from egem.ensemble.lm import FIRST_DAMPING, Model, Searcher, Standing, Targets, posterior, promised
from egem.ensemble.metric import Metric, inner, squared
from egem.runtime.arrays import AnyArray

MOST_SEEN = 2**24  # floats of all views that are kept at a time


class View(NamedTuple):
    """What an expert makes of a code, flat: the sequence and its derivatives along the code."""

    imagined: Float[AnyArray, "*g p"]
    jacobian: Float[AnyArray, "*g k p"]


@partial(jax.jit, static_argnames="n_steps")
def views(searchers: Searcher, codes: Float[AnyArray, "g m k"], n_steps: int) -> View:
    """Decode codes, m of each of g experts; all fields get leading axes (g, m)."""
    y, jacobian = jax.vmap(lambda e, z: decode_with_jacobian(e, z, n_steps))(
        searchers.expert, codes
    )
    return View(y.reshape(*codes.shape[:2], -1), jacobian.reshape(*codes.shape, -1))


def look(
    searchers: Searcher,
    codes: Float[AnyArray, "g k"],
    seen: View,
    targets: Targets,
    metric: Metric,
    strength: float,
) -> Standing:
    """Begin the searches of g groups, each of one code and of n cases that miss no value.

    The products are NumPy's: XLA would cut those up, and two of its programs that do so at once
    have been seen to wait for each other for ever on two cores.

    Parameters
    ----------
    searchers : Searcher
        With a leading axis of groups.
    codes : array (g, k)
        One for all cases of a group.
    seen : View
        Of the codes.
    targets : Targets
        With leading axes of groups and cases; the factor is shared.
    metric : Metric
        The metric of the loss.
    strength : float
        Weight of the code prior.

    Returns
    -------
    Standing
        As :func:`egem.ensemble.lm.advance` has it after a single step from the start.
    """
    n_observed = targets.values.shape[-1]
    residuals = seen.imagined[:, None] - targets.values
    alone = Model(
        loss=squared(metric, targets.factor, residuals) / n_observed,
        prior=np.zeros(len(codes), np.float32),
        gradient=inner(metric, targets.factor, residuals, seen.jacobian) / n_observed,
        curvature=inner(metric, targets.factor, seen.jacobian, seen.jacobian) / n_observed,
    )
    return _begun(searchers, codes, alone, n_observed, metric, strength)


@jax.jit
def _begun(
    searchers: Searcher,
    codes: Float[AnyArray, "g k"],
    alone: Model,
    n_observed: int,
    metric: Metric,
    strength: float,
) -> Standing:
    """Begin where losses are known, and their gradients; prior and curvature are a code's."""

    def one(searcher: Searcher, code, alone: Model) -> tuple[Model, Float[AnyArray, " n"]]:
        of_code = alone._replace(prior=alone.prior[None], curvature=alone.curvature[None])
        at = posterior(
            searcher, metric, strength, code[None], jnp.full((1, 1), n_observed), of_code
        )

        n, k = at.gradient.shape
        # The curvature is mapped over by no axis: one factor serves all cases.
        promise = jax.vmap(lambda g: promised(at._replace(gradient=g, curvature=at.curvature[0])))
        promises = promise(at.gradient)
        curvature = jnp.broadcast_to(at.curvature, (n, k, k))
        return at._replace(prior=jnp.broadcast_to(at.prior, n), curvature=curvature), promises

    at, promises = jax.vmap(one)(searchers, codes, alone)
    nothing = jnp.zeros_like(at.loss)
    return Standing(
        code=jnp.broadcast_to(codes[:, None], at.gradient.shape),
        at=at,
        damping=nothing + FIRST_DAMPING,
        n_steps=nothing.astype(int),
        converged=nothing.astype(bool),
        promise=promises,
    )
