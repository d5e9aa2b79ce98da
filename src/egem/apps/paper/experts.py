"""The published expert, trained many at a time.

Architecture, codes and loss are the paper's. What differs is how training gets to a low error:
gates start spread over time scales, the rate is higher and decays, and fewer updates are enough.
Noise levels are data, so that every setting shares one compiled program. An expert depends on its
own key and sequences, never on its neighbours.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Float32, PRNGKeyArray, UInt32

from egem.ensemble.decoder import Expert, decode, init_default, init_published
from egem.runtime.batching import tiled
from egem.runtime.parallel import run
from egem.runtime.progress import Advance

EXPERTS_PER_TILE = 20
UPDATES_PER_CALL = 250


@dataclass(frozen=True)
class Schedule:
    """How stacked experts are trained.

    Attributes
    ----------
    n_updates : int
        Adam steps.
    rate : float
        Learning rate at the start.
    cosine : bool
        Whether it decays to zero along a cosine.
    clip : float
        Largest gradient norm of an expert; ``inf`` for none.
    pairs : {"all", "one"}
        All pairs of the class in each step, or the published one, drawn at random.
    init : {"published", "spread"}
        Initial weights: as published, or :func:`init_spread`.
    """

    n_updates: int
    rate: float = 0.02
    cosine: bool = True
    clip: float = 1.0
    pairs: Literal["all", "one"] = "all"
    init: Literal["published", "spread"] = "spread"

    @classmethod
    def published(cls, n_updates: int) -> "Schedule":
        """Return the paper's recipe."""
        return cls(n_updates, 0.01, False, float("inf"), "one", "published")


def init_spread(key: PRNGKeyArray, code_size: int, n_cells: int, n_channels: int) -> Expert:
    """Draw an expert whose cells forget over 2 to 50 steps, each at its own pace.

    Tallec and Ollivier's initialisation of gates (ICLR 2018): forget biases log U(1, 49), input
    biases minus those. With PyTorch's, all cells forget within two steps and training idles on a
    plateau until some learn not to.
    """
    expert = init_default(key, code_size, n_cells, n_channels)
    pace = jax.random.uniform(jax.random.fold_in(key, 1), (n_cells,), jnp.float32, 1.0, 49.0)
    forget = slice(n_cells, 2 * n_cells)
    b_rec = jnp.asarray(expert.b_rec)
    b_rec = b_rec.at[forget].set(jnp.log(pace)).at[:n_cells].set(-jnp.log(pace))
    return expert._replace(b_rec=b_rec)


class Lesson(NamedTuple):
    """What experts are trained on, with a leading axis of experts.

    Attributes
    ----------
    key : array (e, 2)
        Random key of each expert.
    values : array (e, t, k, c)
        The k sequences of its class, time first.
    code_noise, value_noise : array (e,)
        Sd of the noise on codes and on sequences.
    """

    key: UInt32[np.ndarray, "e 2"]
    values: Float32[np.ndarray, "e t k c"]
    code_noise: Float32[np.ndarray, " e"]
    value_noise: Float32[np.ndarray, " e"]


class _State(NamedTuple):
    expert: Expert
    adam: Any


def train_stacked(
    lesson: Lesson, n_cells: int, schedule: Schedule, n_jobs: int | None, advance: Advance
) -> tuple[Expert, Float32[np.ndarray, " e"]]:
    """Train experts side by side.

    Parameters
    ----------
    lesson : Lesson
        What they learn.
    n_cells : int
        LSTM cells of each.
    schedule : Schedule
        How.
    n_jobs : int or None
        Threads.
    advance : callable
        Receives progress, in experts.

    Returns
    -------
    expert : Expert
        With a leading axis, the weights after the last update.
    losses : array (e,)
        Mean squared error of each over its pairs, without noise.
    """
    n = len(lesson.key)
    size = min(EXPERTS_PER_TILE, n)

    def work(at: np.ndarray, advance: Advance):
        tile = jax.tree.map(lambda a: jnp.asarray(a[at]), lesson)
        state = _start(tile.key, tile.values, n_cells, schedule)
        for i in range(0, schedule.n_updates, UPDATES_PER_CALL):
            stop = min(i + UPDATES_PER_CALL, schedule.n_updates)
            state = jax.block_until_ready(_updates(state, tile, i, stop, schedule))
            advance((stop - i) / schedule.n_updates * len(set(at)))
        return jax.tree.map(np.asarray, (state.expert, _clean_losses(state.expert, tile.values)))

    parts = run(work, tiled(n, size), n_jobs, advance)
    expert, losses = jax.tree.map(lambda *a: np.concatenate(a)[:n], *parts)
    return expert, losses


@partial(jax.jit, static_argnames=("n_cells", "schedule"))
def _start(key, values: Float[Array, "e t k c"], n_cells: int, schedule: Schedule) -> _State:
    init = {"published": init_published, "spread": init_spread}[schedule.init]
    k, c = values.shape[2:]
    expert = jax.vmap(lambda key: init(jax.random.fold_in(key, 0), k, n_cells, c))(key)
    return _State(expert, jax.vmap(_optimiser(schedule).init)(expert))


def _optimiser(schedule: Schedule) -> optax.GradientTransformation:
    clip = optax.clip_by_global_norm(schedule.clip) if np.isfinite(schedule.clip) else None
    return optax.chain(clip or optax.identity(), optax.scale_by_adam())


@partial(jax.jit, static_argnames="schedule", donate_argnums=0)
def _updates(state: _State, lesson: Lesson, start, stop, schedule: Schedule) -> _State:
    """Run updates ``start`` to ``stop``."""

    def update(i, state):
        rate = schedule.rate
        if schedule.cosine:
            rate = rate * 0.5 * (1.0 + jnp.cos(jnp.pi * i / schedule.n_updates))

        def one(state: _State, lesson: Lesson) -> _State:
            codes, values = _noisy_pairs(lesson, i, schedule.pairs)
            gradient = loss_gradient(state.expert, codes, values)
            step, adam = _optimiser(schedule).update(gradient, state.adam)
            expert = jax.tree.map(lambda w, s: w - rate * s, state.expert, step)
            return _State(expert, adam)

        return jax.vmap(one)(state, lesson)

    return jax.lax.fori_loop(start, stop, update, state)


def _noisy_pairs(lesson: Lesson, i, pairs: str):
    """Draw one expert's codes and sequences for update ``i``."""
    pick, code_key, value_key = jax.random.split(jax.random.fold_in(lesson.key, i + 1), 3)
    codes, values = jnp.eye(lesson.values.shape[1]), jnp.asarray(lesson.values)
    if pairs == "one":
        chosen = jax.random.randint(pick, (1,), 0, len(codes))
        codes, values = codes[chosen], values[:, chosen]
    codes += lesson.code_noise * jax.random.normal(code_key, codes.shape)
    values += lesson.value_noise * jax.random.normal(value_key, values.shape)
    return jnp.clip(codes, 0.0, 1.0), values


def loss_gradient(
    expert: Expert, codes: Float[Array, "n k"], values: Float[Array, "t n c"]
) -> Expert:
    """Gradient of the mean squared error with respect to the weights of one expert.

    Backpropagation yields the gradient at every step's gates; the weights' gradients are then
    single products over all steps, about twice as fast as summing them up step by step.
    """
    bias = expert.b_code + expert.b_rec

    def loss(taps: Float[Array, "t n 4h"]):
        def step(state, tap):
            before, c = state
            i, f, g, o = jnp.split(before + tap, 4, axis=-1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h @ expert.w_rec + bias, c), h

        c = jnp.zeros((len(codes), expert.w_rec.shape[0]))
        _, h = jax.lax.scan(step, (codes @ expert.w_code + bias, c), taps)
        residual = h @ expert.w_out + expert.b_out - values
        return jnp.mean(residual**2), (residual, h)

    taps = jnp.zeros((*values.shape[:2], len(bias)))
    at_gates, (residual, h) = jax.grad(loss, has_aux=True)(taps)
    at_output = 2.0 * residual / residual.size
    at_bias = jnp.sum(at_gates, axis=(0, 1))
    return Expert(
        w_code=codes.T @ at_gates[0],
        b_code=at_bias,
        w_rec=jnp.einsum("tnh,tng->hg", h[:-1], at_gates[1:]),
        b_rec=at_bias,
        w_out=jnp.einsum("tnh,tnc->hc", h, at_output),
        b_out=jnp.sum(at_output, axis=(0, 1)),
    )


@jax.jit
def _clean_losses(expert: Expert, values: Float[Array, "e t k c"]) -> Float[Array, " e"]:
    def one(expert, values):
        imagined = decode(expert, jnp.eye(values.shape[1]), len(values))
        return jnp.mean((imagined - jnp.moveaxis(values, 1, 0)) ** 2)

    return jax.vmap(one)(expert, values)
