"""Gradient descent: Adam on random batches of pairs, for a tile of experts side by side."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Float32, UInt32

from egem.data.augment import Pool
from egem.ensemble.codes import pair_codes
from egem.ensemble.decoder import Expert, decode, init_default, init_published
from egem.ensemble.recipe import Recipe
from egem.runtime.arrays import AnyArray
from egem.runtime.progress import Advance

UPDATES_PER_CALL = 100  # between two looks at the clock, the progress bar and Ctrl-C


class State(NamedTuple):
    """What training changes: an expert, the codes it learns, and Adam's averages."""

    expert: Expert
    table: Float[AnyArray, "n_rows case_size"]
    adam: Any


class _Schedule(NamedTuple):
    """What of a recipe changes no program."""

    learning_rate: np.float32
    angle: np.float32  # of the cosine, an update


class _Step(NamedTuple):
    """What of a recipe an update is compiled for."""

    batch_size: int
    cosine: bool
    clip: float | None
    clip_codes: bool
    code_noise: float
    value_noise: float

    @classmethod
    def of(cls, recipe: Recipe) -> "_Step":
        return cls(
            *(recipe.batch_size, recipe.cosine, recipe.clip, recipe.published_init),
            *(recipe.code_noise, recipe.value_noise),
        )


class Task(NamedTuple):
    """What one expert is trained on; stacked, what a tile is."""

    key: UInt32[AnyArray, " 2"]
    table: Float32[np.ndarray, "n_rows case_size"]
    learned: np.bool_
    pool: Pool
    n_pairs: np.int32


def descend(
    tile: Task, recipe: Recipe, advance: Advance
) -> tuple[State, Float32[np.ndarray, " e"]]:
    """Train a tile of experts by their recipe; also return their losses over all their pairs."""
    tile = jax.tree.map(jnp.asarray, tile)
    init = init_published if recipe.published_init else init_default
    size = tile.table.shape[-1] + tile.pool.bend.shape[-1]
    expert = _start(tile.key, init, size, recipe.n_cells, tile.pool.values.shape[-1])
    trained = expert, jnp.array(tile.table)  # a copy: updates use up the state they are given
    step = _Step.of(recipe)
    state = State(*trained, jax.vmap(_optimiser(step).init)(trained))
    schedule = _Schedule(
        np.float32(recipe.learning_rate),
        np.float32(np.pi) * np.float32(1.0 / max(recipe.n_updates, 1)),
    )
    best = None
    for i in range(0, recipe.n_updates, UPDATES_PER_CALL):
        stop = min(i + UPDATES_PER_CALL, recipe.n_updates)
        state = jax.block_until_ready(_updates(state, tile, i, stop, schedule, step))
        advance((stop - i) / recipe.n_updates)
        if not recipe.cosine:  # a constant rate never settles: where it came nearest counts
            best = _better(best, state, _pool_losses(state, tile))
    state, losses = best or (state, _pool_losses(state, tile))
    return jax.tree.map(np.asarray, state), np.asarray(losses)


def _better(best, state: State, losses: Float[Array, " e"]) -> tuple[State, Array]:
    """Keep each expert's weights of the lowest loss so far; the new ones may be reused."""
    if best is None:
        return jax.tree.map(jnp.copy, state), losses
    lower = losses < best[1]

    def keep(new, old):
        return jnp.where(lower.reshape(lower.shape + (1,) * (new.ndim - 1)), new, old)

    return jax.tree.map(keep, (state, losses), best)


def _optimiser(step: _Step) -> optax.GradientTransformation:
    clip = optax.identity() if step.clip is None else optax.clip_by_global_norm(step.clip)
    return optax.chain(clip, optax.scale_by_adam())


@partial(jax.jit, static_argnums=(1, 2, 3, 4))  # apart from the rest: it compiles slowly
def _start(keys, init, code_size: int, n_cells: int, n_channels: int) -> Expert:
    return jax.vmap(lambda key: init(jax.random.fold_in(key, 0), code_size, n_cells, n_channels))(
        keys
    )


@partial(jax.jit, static_argnames="step", donate_argnums=0)
def _updates(state: State, tile: Task, start, stop, schedule: _Schedule, step: _Step) -> State:
    """Run updates ``start`` to ``stop`` of a schedule."""

    def update(i, state):
        rate = schedule.learning_rate
        if step.cosine:
            rate = rate * 0.5 * (1.0 + jnp.cos(i * schedule.angle))
        return jax.vmap(partial(_update, step=step), (0, 0, None, None))(state, tile, i, rate)

    return jax.lax.fori_loop(start, stop, update, state)


def _update(state: State, task: Task, i, rate, step: _Step) -> State:
    """One Adam step of one expert on a random batch of its pairs."""
    pick, code_key, value_key = jax.random.split(jax.random.fold_in(task.key, i + 1), 3)
    m = jax.random.randint(pick, (step.batch_size,), 0, task.n_pairs)
    pairs = jax.tree.map(lambda a: a[m], task.pool)
    values = pairs.values
    if step.value_noise:
        values += step.value_noise * jax.random.normal(value_key, values.shape)

    def loss(trained):
        expert, table = trained
        codes = pair_codes(table, pairs)
        if step.code_noise:
            codes = codes + step.code_noise * jax.random.normal(code_key, codes.shape)
            codes = jnp.clip(codes, 0.0, 1.0) if step.clip_codes else codes
        return training_loss(expert, codes, values, pairs.mask)

    gradient = jax.grad(loss)((state.expert, state.table))
    gradient = (gradient[0], jnp.where(task.learned, gradient[1], 0.0))
    moves, adam = _optimiser(step).update(gradient, state.adam)
    expert, table = jax.tree.map(lambda w, s: w - rate * s, (state.expert, state.table), moves)
    return State(expert, table, adam)


def training_loss(expert: Expert, codes, values, mask) -> Float[Array, ""]:
    """Mean squared error over the observed values of a batch of pairs."""
    error = jnp.where(mask, decode(expert, codes, values.shape[1]) - values, 0.0)
    return jnp.sum(error**2) / jnp.maximum(jnp.sum(mask), 1)


@jax.jit
def _pool_losses(state: State, tile: Task) -> Float[Array, " e"]:
    def one(state, task):
        codes = pair_codes(state.table, task.pool)
        valid = (jnp.arange(len(codes)) < task.n_pairs)[:, None, None]
        return training_loss(state.expert, codes, task.pool.values, task.pool.mask & valid)

    return jax.vmap(one)(state, tile)
