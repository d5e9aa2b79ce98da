"""The search as the paper has it: 50 Adam-like iterations on codes that are kept on the simplex."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from egem.data.preparation import Batch
from egem.ensemble.bank import Arena, Bound, Outcome
from egem.ensemble.decoder import Expert
from egem.ensemble.lm import Targets, inversion_losses
from egem.ensemble.metric import Metric
from egem.runtime.arrays import AnyArray
from egem.runtime.batching import in_tiles
from egem.runtime.parallel import run
from egem.runtime.progress import Advance


class Settled(NamedTuple):
    """Codes that were found, and their losses."""

    codes: Float[AnyArray, "*n k"]
    losses: Float[AnyArray, "*n"]


@partial(jax.jit, static_argnames=("n_iterations", "code_size"))
def published_adam(
    experts: Expert,
    targets: Targets,
    metric: Metric,
    keys: PRNGKeyArray,
    n_iterations: int,
    code_size: int,
) -> Settled:
    """Search as the paper does (METHOD: 50 iterations, no bias correction, rate 0.05).

    Each iteration clips the code to [0, 1], divides it by its sum, decodes, and takes an Adam-like
    step along the gradient at that normalised code. At the end the code is decoded as it is, and
    that loss decides; the code returned is clipped and normalised.

    Parameters
    ----------
    experts : Expert
        With a leading axis of groups.
    targets : Targets
        With leading axes of groups and cases (a shared factor has neither).
    metric : Metric
        The metric of the loss.
    keys : PRNGKeyArray (n_groups, n_cases)
        Randomness of the starts, uniform in 1/K +- 0.005.
    n_iterations : int
        Number of steps; 0 gives the loss of the random start.
    code_size : int
        K.

    Returns
    -------
    Settled
        With leading axes of groups and cases.
    """
    one = jax.vmap(partial(inversion_losses, metric=metric), (0, 0, targets.axes))

    def losses_of(codes: Float[Array, "g n k"]) -> Float[Array, "g n"]:
        return one(experts, codes, targets)

    gradient = jax.grad(lambda codes: jnp.sum(losses_of(codes)))
    start = jax.vmap(jax.vmap(lambda key: jax.random.uniform(key, (code_size,), minval=-1.0)))(keys)
    codes = 1.0 / code_size + 0.005 * start

    def iterate(_, state):
        z, m, v = state
        z = on_simplex(z)
        return published_step(z, m, v, gradient(z))

    zero = jnp.zeros_like(codes)
    z, *_ = jax.lax.fori_loop(0, n_iterations, iterate, (codes, zero, zero))
    return Settled(on_simplex(z), losses_of(z))


def published_step(z: Array, m: Array, v: Array, gradient: Array) -> tuple[Array, Array, Array]:
    """Take the paper's Adam-like step: no bias correction, rate 0.05, betas 0.9 and 0.99."""
    m, v = 0.9 * m + 0.1 * gradient, 0.99 * v + 0.01 * gradient**2
    return z - 0.05 * m / (jnp.sqrt(v) + 1e-8), m, v


def on_simplex(z: Float[Array, "*n k"]) -> Float[Array, "*n k"]:
    """Clip to [0, 1] and divide by the sum, as the paper does before each decoding."""
    z = jnp.clip(z, 0.0, 1.0)
    return z / jnp.maximum(jnp.sum(z, axis=-1, keepdims=True), 1e-8)


def settle(
    arena: Arena,
    batch: Batch,
    n_jobs: int | None,
    bar: Advance,
    keys: Callable[[int, int], Any],
) -> Outcome:
    """Let every expert search, as the paper does, for the codes of all cases.

    Parameters
    ----------
    arena : Arena
        The experts, the metric and the search.
    batch : Batch
        Prepared cases.
    n_jobs : int or None
        Threads, None for all cores.
    bar : callable
        Receives progress, in cases.
    keys : callable
        Gives the key, two numbers, for an expert and a case by their numbers.

    Returns
    -------
    Outcome
        With priors 0 and ``converged`` True: the published procedure has no such notion.
    """
    n_iterations = arena.search.n_iterations
    bound = Bound.of(batch, arena.metric)
    out = Outcome.blank(arena, batch.n_cases)
    out.n_steps[:], out.converged[:] = n_iterations, True
    tasks = []
    for team in arena.teams:
        pairs = np.arange(len(team.experts) * batch.n_cases)
        tasks += [(team, tile) for tile in in_tiles(pairs, pairs // batch.n_cases)]

    def work(task, advance: Advance) -> None:
        team, tile = task
        member, case = np.divmod(tile, batch.n_cases)
        expert = team.experts[member]
        drawn = [keys(e, i) for e, i in zip(expert.flat, case.flat, strict=True)]
        found = published_adam(
            jax.tree.map(lambda a: a[member[:, 0]], team.searchers.expert),
            bound.targets(case),
            arena.metric,
            jnp.asarray(drawn, jnp.uint32).reshape(*tile.shape, 2),
            n_iterations,
            team.book.shape[2],
        )
        out.codes[case, expert, : team.book.shape[2]] = found.codes
        out.losses[case, expert] = found.losses
        advance(batch.n_cases / len(tasks))

    run(work, tasks, n_jobs, bar)
    return out
