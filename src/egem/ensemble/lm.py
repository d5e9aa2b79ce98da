"""The search for codes: damped Gauss-Newton steps, for many pairs of an expert and a case at once.

Levenberg-Marquardt minimises, for each pair, what is up to factors minus the log posterior of the
code::

    score(z) = loss(y(z), x) + prior(z)
    loss  = r' Sigma_oo^-1 r / n_observed,                r = y(z) - x   (see egem.ensemble.metric)
    prior = strength * noise * |z - mean|^2_precision / n_observed

Pairs come in groups of one expert and some cases, and groups in tiles of a fixed number, so that
there is one program to compile. Where a search stands is kept between calls: searches that are
over, or hopeless, can be left out of the next.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from egem.ensemble.decoder import Expert, decode, normal_products
from egem.ensemble.metric import Metric, inner_of, squared
from egem.runtime.arrays import AnyArray

PRIOR_STRENGTH = 1.0
MAX_STEPS = 20
FIRST_DAMPING = 1e-2
SMALLER, LARGER = 0.2, 5.0  # damping after a step that helped, and after one that did not
TOLERANCE = 1e-3  # relative fall of the score in a step below which a search has converged
EVERYWHERE = (-np.inf, np.inf)  # where codes may lie
NOWHERE = 1e30  # score before the first evaluation


class Searcher(NamedTuple):
    """An expert, and the prior on its codes."""

    expert: Expert
    code_mean: Float[AnyArray, "*e k"]
    code_precision: Float[AnyArray, "*e k"]


class Targets(NamedTuple):
    """Cases as the search wants them: flat, 0 where missing, with their share of the metric."""

    values: Float[AnyArray, "*g n p"]
    mask: Bool[AnyArray, "*g n p"]
    factor: Float[AnyArray, "q q"] | Float[AnyArray, "*g n q q"]  # one for all, or one a case
    n_observed: Float[AnyArray, "*g n"]

    @property
    def axes(self) -> "Targets":
        """The axis of groups of each field, for :func:`jax.vmap`; a shared factor has none."""
        shared = None if jnp.ndim(self.factor) == 2 else 0
        return Targets(0, 0, shared, 0)  # pyright: ignore[reportArgumentType]


class Model(NamedTuple):
    """Everything a step needs to know at a code: the score, halved gradient and curvature."""

    loss: Float[AnyArray, "*n"]
    prior: Float[AnyArray, "*n"]
    gradient: Float[AnyArray, "*n k"]
    curvature: Float[AnyArray, "*n k k"]


class Standing(NamedTuple):
    """Where searches stand; every field with the same leading axes.

    Attributes
    ----------
    code : array (*n, k)
        The best code so far.
    at : Model
        The score there.
    damping : array (*n)
        Of the next step.
    n_steps : array of int (*n)
        Steps taken; -1 before the first code was looked at.
    converged : array of bool (*n)
        Whether the last step changed the score by less than 0.1 %.
    promise : array (*n)
        By how much a full step is to lower the score, if the model at the code holds.
    """

    code: Float[AnyArray, "*n k"]
    at: Model
    damping: Float[AnyArray, "*n"]
    n_steps: Int[AnyArray, "*n"]
    converged: Bool[AnyArray, "*n"]
    promise: Float[AnyArray, "*n"]

    def put(self, index: np.ndarray, part: "Standing") -> None:
        """Write where some searches stand, in place."""
        for whole, now in zip(jax.tree.leaves(self), jax.tree.leaves(part), strict=True):
            whole[index] = now


def start(codes: Float[AnyArray, "*n k"]) -> Standing:
    """Return searches that are about to look at their first codes."""
    n, k = codes.shape[:-1], codes.shape[-1]
    nothing = np.zeros(n, np.float32)
    curvature = np.broadcast_to(np.eye(k, dtype=np.float32), (*n, k, k))
    at = Model(nothing + NOWHERE, nothing.copy(), np.zeros((*n, k), np.float32), curvature.copy())
    damping = nothing + FIRST_DAMPING / SMALLER  # the first look counts as a step that helped
    steps, converged = np.full(n, -1, np.int32), np.zeros(n, bool)
    return Standing(codes, at, damping, steps, converged, nothing.copy())


@jax.jit
def advance(
    searchers: Searcher,
    targets: Targets,
    metric: Metric,
    strength,
    standing: Standing,
    most_steps: Int[AnyArray, ""] | int,
    bounds: tuple[float, float] = EVERYWHERE,
) -> Standing:
    """Search on with every group, each an expert and some cases.

    Parameters
    ----------
    searchers : Searcher
        With a leading axis of groups.
    targets : Targets
        With leading axes of groups and cases (a shared factor has neither).
    metric : Metric
        The metric of the loss.
    strength : float
        Weight of the code prior.
    standing : Standing
        With leading axes of groups and cases.
    most_steps : int
        Most steps from now; the first look at a code is one. A search stops where it has converged.
    bounds : tuple of float
        Least and greatest entry of a code; steps end there.

    Returns
    -------
    Standing
    """

    def linearise(codes: Float[AnyArray, "g n k"]) -> Model:
        def one(searcher: Searcher, target: Targets, codes: Float[AnyArray, "n k"]) -> Model:
            return linearised(searcher, target, metric, strength, codes)

        return jax.vmap(one, (0, targets.axes, 0))(searchers, targets, codes)

    steps_of = jax.vmap(jax.vmap(damped_step))

    def step(now: Standing) -> Standing:
        tried = jnp.clip(now.code - steps_of(now.at, now.damping), *bounds)
        there = linearise(tried)
        before, after = now.at.loss + now.at.prior, there.loss + there.prior
        better = after < before  # False for NaN as well
        moved = Standing(
            tried,
            there,
            now.damping * SMALLER,
            now.n_steps + 1,
            before - after <= TOLERANCE * jnp.abs(before),
            now.promise,
        )
        stayed = now._replace(
            damping=now.damping * LARGER,
            n_steps=now.n_steps + 1,
            converged=now.damping > 1e4,  # no shorter step helps: a minimum, in float32
        )
        return _choose(now.converged, now, _choose(better, moved, stayed))

    def unfinished(state):
        i, now = state
        return (i < most_steps) & ~jnp.all(now.converged)

    _, end = jax.lax.while_loop(unfinished, lambda s: (s[0] + 1, step(s[1])), (0, standing))
    return end._replace(promise=jax.vmap(jax.vmap(promised))(end.at))


def linearised(
    searcher: Searcher, targets: Targets, metric: Metric, strength, codes: Float[AnyArray, "n k"]
) -> Model:
    """Evaluate the scores of codes, each for its own target, by one expert."""
    products, projected = normal_products(
        searcher.expert, codes, targets.values, targets.mask, metric.basis
    )
    n_observed = targets.n_observed[:, None]
    gram = inner_of(metric, targets.factor, products, projected, projected) / n_observed[..., None]
    loss, gradient, curvature = gram[:, 0, 0], gram[:, 0, 1:], gram[:, 1:, 1:]
    alone = Model(loss, jnp.zeros(len(codes)), gradient, curvature)
    return posterior(searcher, metric, strength, codes, n_observed, alone)


def posterior(
    searcher: Searcher,
    metric: Metric,
    strength,
    codes: Float[AnyArray, "#n k"],
    n_observed: Float[AnyArray, "n 1"],
    likelihood: Model,
) -> Model:
    """Add the prior on codes to a model of the loss alone."""
    weight = strength * metric.noise / n_observed * searcher.code_precision
    away = codes - searcher.code_mean
    return Model(
        loss=likelihood.loss,
        prior=jnp.sum(weight * away**2, axis=1),
        gradient=likelihood.gradient + weight * away,
        curvature=likelihood.curvature + jax.vmap(jnp.diag)(weight),
    )


def promised(at: Model) -> Float[Array, ""]:
    """By how much a full step from a code is to lower its score."""
    return jnp.sum(damped_step(at, 0.0) * at.gradient)


def inversion_losses(
    expert: Expert, codes: Float[AnyArray, "n k"], targets: Targets, metric: Metric
) -> Float[Array, " n"]:
    """Loss of each code against its target: the metric's mean over the observed values."""
    imagined = decode(expert, codes, _n_steps(expert, targets)).reshape(targets.values.shape)
    residuals = jnp.where(targets.mask, imagined - targets.values, 0.0)
    lengths = squared(metric, targets.factor, residuals[:, None])[:, 0]
    return jnp.asarray(lengths) / targets.n_observed


def _n_steps(expert: Expert, targets: Targets) -> int:
    return targets.values.shape[-1] // expert.b_out.shape[-1]


def damped_step(at: Model, damping) -> Float[Array, " k"]:
    """Solve ``(A + damping diag A) step = gradient``."""
    diagonal = jnp.diag(at.curvature)
    damped = at.curvature + jnp.diag(damping * diagonal + 1e-9 * jnp.max(diagonal) + 1e-20)
    return jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(damped), at.gradient)


def _choose(condition: Bool[AnyArray, "*n"], yes, no):
    """Take a pytree's entries from ``yes`` where the condition holds, else from ``no``."""

    def leaf(a, b):
        trailing = (1,) * (a.ndim - condition.ndim)
        return jnp.where(condition.reshape(condition.shape + trailing), a, b)

    return jax.tree.map(leaf, yes, no)
