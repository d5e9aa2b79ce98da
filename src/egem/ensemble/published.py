"""The paper's search: Adam-like iterations on codes that are kept on the simplex (section 2)."""

import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from egem.core.config import AnyArray
from egem.core.decoder import Decoder
from egem.core.inversion import Targets, losses
from egem.core.metric import Metric
from egem.data.preparation import Batch
from egem.ensemble.bank import Bank, Found, Group
from egem.ensemble.cases import BoundCases, axes_of
from egem.ensemble.training import label_key
from egem.runtime.batching import grouped_batches
from egem.runtime.parallel import run
from egem.runtime.progress import Advance


class Settled(NamedTuple):
    """Codes that were found, and their losses."""

    codes: Float[AnyArray, "*n k"]
    losses: Float[AnyArray, "*n"]


@partial(jax.jit, static_argnames=("decoder", "n_iterations", "code_size"))
def published_adam(
    decoder: Decoder,
    params,
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
    """
    one: Callable[..., Any] = jax.vmap(
        lambda params, codes, targets: losses(decoder, params, codes, targets, metric),
        (0, 0, axes_of(targets)),
    )

    def losses_of(codes: Float[Array, "g n k"]) -> Float[Array, "g n"]:
        return one(params, codes, targets)

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


def search_published(
    bank: Bank, batch: Batch, n_jobs: int | None, advance: Advance, labels: np.ndarray, seed: int
) -> Found:
    """Search for the codes of all cases by every expert, as the paper does.

    Random starts derive from the seed, the expert's label and the case's content. Priors are 0 and
    ``converged`` is True: the published procedure has no such notion.
    """
    n_iterations = bank.search.max_steps
    cases = BoundCases.of(batch, bank.metric)
    out = Found.blank(bank, batch.n_cases)
    out.n_steps[:], out.converged[:] = n_iterations, True
    of_case = [zlib.crc32(batch.values[i].tobytes()) for i in range(batch.n_cases)]
    of_expert = [zlib.crc32(repr(label_key(seed, c)).encode()) for c in labels]
    tasks = []
    for group in bank.groups:
        pairs = np.arange(len(group.numbers) * batch.n_cases)
        tasks += [(group, block) for block in grouped_batches(pairs, pairs // batch.n_cases)]

    def work(task: tuple[Group, np.ndarray], advanced: Advance) -> None:
        group, block = task
        member, case = np.divmod(block, batch.n_cases)
        expert = group.numbers[member]
        keys = [(of_expert[e], of_case[i]) for e, i in zip(expert.flat, case.flat, strict=True)]
        found = published_adam(
            bank.decoder,
            jax.tree.map(lambda a: a[member[:, 0]], group.experts.params),
            cases.targets(case),
            bank.metric,
            jnp.asarray(keys, jnp.uint32).reshape(*block.shape, 2),
            n_iterations,
            group.starts.shape[2],
        )
        out.codes[case, expert, : group.starts.shape[2]] = found.codes
        out.losses[case, expert] = found.losses
        advanced(batch.n_cases / len(tasks))

    run(work, tasks, n_jobs, advance)
    return out
