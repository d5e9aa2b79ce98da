"""The published inverse classification, for stacks of experts.

The iteration is :func:`egem.ensemble.published.published_adam`'s. The gradient is written out, with
cells first and cases last. It keeps two numbers a cell and step and computes the gates anew, where
automatic differentiation keeps a dozen: these small programs wait for memory, not for arithmetic.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32

from egem.ensemble.decoder import Expert
from egem.ensemble.published import on_simplex, published_step
from egem.runtime.batching import tiled
from egem.runtime.parallel import run
from egem.runtime.progress import Advance

CASES_PER_TILE = 128


class Search(NamedTuple):
    """Result of inverse classification by stacked experts.

    Attributes
    ----------
    codes : array (e, n, k)
        Codes after the last iteration, clipped and normalised.
    raw_codes : array (n_recorded, e, n, k)
        Codes as the search left them, which are decoded and decide: at the start and after the last
        iteration, or at the start and after each iteration where the search was traced.
    losses : array (n_recorded, e, n)
        Losses of the raw codes.
    """

    codes: Float32[np.ndarray, "e n k"]
    raw_codes: Float32[np.ndarray, "i e n k"]
    losses: Float32[np.ndarray, "i e n"]


def random_starts(seed: list[int], n: int, k: int) -> Float32[np.ndarray, "n k"]:
    """Draw starting codes, uniform within 0.005 of 1/k."""
    return (1 / k + np.random.default_rng(seed).uniform(-0.005, 0.005, (n, k))).astype(np.float32)


def invert_stacked(
    expert: Expert,
    targets: Float32[np.ndarray, "n t c"],
    starts: Float32[np.ndarray, "e n k"],
    n_iterations: int,
    n_jobs: int | None,
    advance: Advance,
    trace: bool = False,
) -> Search:
    """Let each of many experts search the code of each target, as the paper does.

    Parameters
    ----------
    expert : Expert
        With a leading axis.
    targets : array (n, t, c)
        Sequences.
    starts : array (e, n, k)
        First codes.
    n_iterations : int
        Iterations, 50 in the paper.
    n_jobs : int or None
        Threads.
    advance : callable
        Receives progress, in pairs of expert and target.
    trace : bool
        Whether to record every iteration.

    Returns
    -------
    Search
    """
    (n_experts, n, k), by_case = starts.shape, np.moveaxis(targets, 0, -1)
    n_recorded = n_iterations + 1 if trace else 2
    raw = np.zeros((n_recorded, n_experts, n, k), np.float32)
    losses = np.zeros((n_recorded, n_experts, n), np.float32)
    size = min(CASES_PER_TILE, n)
    tiles = [(e, at) for e in range(n_experts) for at in tiled(n, size)]

    def work(tile, advance: Advance) -> None:
        e, at = tile
        codes, found = _search(
            jax.tree.map(lambda a: jnp.asarray(a[e]), expert),
            jnp.asarray(by_case[..., at]),
            jnp.asarray(starts[e, at].T),
            n_iterations,
            trace,
        )
        raw[:, e, at] = np.moveaxis(codes, 1, 2)
        losses[:, e, at] = found
        advance(len(set(at)))

    run(work, tiles, n_jobs, advance)
    return Search(np.asarray(on_simplex(jnp.asarray(raw[-1]))), raw, losses)


@partial(jax.jit, static_argnames=("n_iterations", "trace"))
def _search(
    expert: Expert,
    targets: Float[Array, "t c n"],
    codes: Float[Array, "k n"],
    n_iterations: int,
    trace: bool,
) -> tuple[Float[Array, "i k n"], Float[Array, "i n"]]:
    def iterate(state, _):
        z, m, v = state
        z = on_simplex(z.T).T
        z, m, v = published_step(z, m, v, code_gradient(expert, z, targets))
        return (z, m, v), z if trace else None

    zero = jnp.zeros_like(codes)
    (z, *_), each = jax.lax.scan(iterate, (codes, zero, zero), None, length=n_iterations)
    recorded = jnp.concatenate([codes[None], z[None] if each is None else each])
    return recorded, jax.lax.map(lambda z: _losses(expert, z, targets), recorded)


def _step(
    expert: Expert, before: Float[Array, "4h n"], cell: Float[Array, "h n"]
) -> tuple[Float[Array, "4h n"], Float[Array, "h n"], Float[Array, "h n"]]:
    """Return the gates, the next cell and its squashed value, from the gates' input."""
    # One tangent for all gates: sigmoid(x) = (1 + tanh(x / 2)) / 2.
    half = jnp.repeat(jnp.array([0.5, 0.5, 1.0, 0.5]), len(cell))[:, None]
    gates = half * jnp.tanh(half * before) + (1.0 - half)
    i, f, g, _ = jnp.split(gates, 4)
    cell = f * cell + i * g
    return gates, cell, jnp.tanh(cell)


def _run(
    expert: Expert, codes: Float[Array, "k n"], n_steps: int
) -> tuple[Float[Array, "t h n"], Float[Array, "t h n"]]:
    """Return output and cell of every step."""
    bias = (expert.b_code + expert.b_rec)[:, None]

    def step(state, _):
        before, cell = state
        gates, cell, squashed = _step(expert, before, cell)
        hidden = jnp.split(gates, 4)[3] * squashed
        return (expert.w_rec.T @ hidden + bias, cell), (hidden, cell)

    start = expert.w_code.T @ codes + bias, jnp.zeros((len(expert.w_rec), codes.shape[1]))
    return jax.lax.scan(step, start, None, length=n_steps)[1]


def imagine(expert: Expert, codes: Float[Array, "k n"], n_steps: int) -> Float[Array, "t c n"]:
    """Decode as :func:`egem.ensemble.decoder.decode` does, with cases along the last axis."""
    hidden, _ = _run(expert, codes, n_steps)
    return jnp.einsum("hc,thn->tcn", expert.w_out, hidden) + expert.b_out[:, None]


def _losses(expert: Expert, codes, targets: Float[Array, "t c n"]) -> Float[Array, " n"]:
    return jnp.mean((imagine(expert, codes, len(targets)) - targets) ** 2, axis=(0, 1))


def code_gradient(
    expert: Expert, codes: Float[Array, "k n"], targets: Float[Array, "t c n"]
) -> Float[Array, "k n"]:
    """Gradient of each case's mean squared error with respect to its code.

    Parameters
    ----------
    expert : Expert
        One expert.
    codes : array (k, n)
        Codes.
    targets : array (t, c, n)
        Sequences.

    Returns
    -------
    array (k, n)
    """
    bias = (expert.b_code + expert.b_rec)[:, None]
    hidden, cells = _run(expert, codes, len(targets))
    scale = 2.0 / (targets.shape[0] * targets.shape[1])

    def back(before, cell, hidden, target, at_hidden, at_cell):
        """Go back one step; returns the gradients at its gates' input and at the cell before."""
        gates, _, squashed = _step(expert, before, cell)
        i, f, g, o = jnp.split(gates, 4)
        residual = expert.w_out.T @ hidden + expert.b_out[:, None] - target
        at_hidden = at_hidden + expert.w_out @ (scale * residual)
        at_cell = at_cell + at_hidden * o * (1.0 - squashed**2)
        at_gates = jnp.concatenate(
            [
                at_cell * g * i * (1.0 - i),
                at_cell * cell * f * (1.0 - f),
                at_cell * i * (1.0 - g**2),
                at_hidden * squashed * o * (1.0 - o),
            ]
        )
        return at_gates, at_cell * f

    def back_from(state, step):
        hidden_before, cell, hidden, target = step
        before = expert.w_rec.T @ hidden_before + bias
        at_gates, at_cell = back(before, cell, hidden, target, *state)
        return (expert.w_rec @ at_gates, at_cell), None

    zero = jnp.zeros_like(cells[0])
    steps = hidden[:-1], cells[:-1], hidden[1:], targets[1:]
    (at_hidden, at_cell), _ = jax.lax.scan(back_from, (zero, zero), steps, reverse=True)
    before = expert.w_code.T @ codes + bias
    at_gates, _ = back(before, zero, hidden[0], targets[0], at_hidden, at_cell)
    return jnp.dot(expert.w_code, at_gates)
