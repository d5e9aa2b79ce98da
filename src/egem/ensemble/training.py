"""Training of all experts, in batches of fixed shape, on threads or on other processes.

An expert sees nothing but its own class. What it becomes depends on its cases, its label and the
seed, never on the other classes.
"""

import logging
import zlib
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32

from egem.core import training
from egem.core.config import TrainingConfig
from egem.core.decoder import Decoder
from egem.core.training import Pairs, Schedule, State, Task
from egem.data.augment import make_pairs
from egem.data.preparation import Batch, canonical_order
from egem.ensemble.codes import Recipe, TrainedExpert, case_codes, case_size, with_prior
from egem.errors import TrainingDiverged
from egem.runtime.batching import batched_indices, bucket, stack
from egem.runtime.dispatch import dispatch
from egem.runtime.forks import claim_jax
from egem.runtime.native import accelerated
from egem.runtime.progress import Advance

log = logging.getLogger(__name__)

EXPERTS_PER_BATCH = 4  # or one
MAX_PAIRS = 8192  # drawn before training for a class, unless it has more cases than that
ATTEMPTS = 3
UPDATES_PER_CALL = 100  # between two reports of progress


class TrainingTask(NamedTuple):
    """Experts of equal shapes that are trained side by side."""

    labels: list  # the classes
    batches: list[Batch]  # their cases
    recipe: Recipe  # how they are trained
    steps_used: int  # steps of the grid that carry data
    seed: int  # what random numbers derive from, beside the label
    attempt: int  # what random numbers derive from, beside the label


class CheckpointStore(Protocol):
    """Keeps trained experts; see :mod:`egem.io.checkpoint`."""

    def find(self, tasks: list[TrainingTask]) -> dict[int, list[TrainedExpert | None]]:
        """Return the experts of tasks that were finished before, by their positions."""
        ...

    def put(self, task: TrainingTask, experts: list[TrainedExpert | None]) -> None:
        """Keep the experts of a task."""
        ...


def label_key(seed: int, label) -> list[int]:
    """Return the entropy of a class: the same whatever other classes there are."""
    return [seed, zlib.crc32(str(label).encode())]


def train(
    batches: list[Batch],
    labels: list,
    recipe: Recipe,
    steps_used: int,
    seed: int,
    n_jobs: int | None,
    advance: Advance,
    store: CheckpointStore | None = None,
) -> list[TrainedExpert]:
    """Train one expert for each class.

    Raises
    ------
    TrainingDiverged
        Where an expert has no finite loss from three starting points; names the class.
    """
    done: dict[int, TrainedExpert] = {}
    left = list(range(len(labels)))
    for attempt in range(ATTEMPTS):
        groups: dict[tuple[int, ...], list[int]] = {}
        for i in left:
            groups.setdefault(_shapes(batches[i].n_cases, recipe), []).append(i)
        members = [np.array(of)[at] for of in groups.values() for at in _cut(len(of))]
        tasks = [
            TrainingTask(
                [labels[i] for i in of],
                [batches[i] for i in of],
                *(recipe, steps_used, seed, attempt),
            )
            for of in members
        ]
        for of, experts in zip(members, _run(tasks, n_jobs, advance, store), strict=True):
            done |= {i: it for i, it in zip(of, experts, strict=True) if it is not None}
        left = [i for i in left if i not in done]
        if not left:
            return [done[i] for i in range(len(labels))]
        log.warning("no finite loss from start %d: %s", attempt + 1, [labels[i] for i in left])
    raise TrainingDiverged(
        f"The expert of class {labels[left[0]]!r} did not reach a finite loss from {ATTEMPTS} "
        f"starting points; lower learning_rate (now {recipe.config.learning_rate:g}) or look at "
        "that class's cases for extreme values."
    )


def _n_pairs(n_cases: int, recipe: Recipe) -> int:
    if recipe.augmentation == "none" and not recipe.mixup:
        return n_cases
    return max(min(bucket(2 * n_cases, 512), MAX_PAIRS), n_cases)


def _shapes(n_cases: int, recipe: Recipe) -> tuple[int, ...]:
    """Return the shapes that experts of one task have in common."""
    return bucket(n_cases, 4), case_size(n_cases, recipe), bucket(_n_pairs(n_cases, recipe), 4)


def _cut(n: int) -> list[np.ndarray]:
    """Cut ``range(n)`` into batches of full size, and what is left into batches of one.

    That makes two programs to compile, and no copies to train.
    """
    full = n - n % EXPERTS_PER_BATCH
    return batched_indices(full, EXPERTS_PER_BATCH) + [np.array([i]) for i in range(full, n)]


def _run(
    tasks: list[TrainingTask], n_jobs: int | None, advance: Advance, store: CheckpointStore | None
) -> list[list[TrainedExpert | None]]:
    """Run the tasks that are not in the store yet."""
    found = {} if store is None else store.find(tasks)
    advance(float(sum(len(tasks[i].labels) for i in found)))
    rest = [i for i in range(len(tasks)) if i not in found]

    def finished(at: int, experts: list[TrainedExpert | None]) -> None:
        if store is not None:
            store.put(tasks[rest[at]], experts)

    asked = [tasks[i] for i in rest]
    experts = dispatch(run_task, asked, n_jobs, advance, finished, lambda task: task.labels)
    found |= dict(zip(rest, experts, strict=True))
    return [found[i] for i in range(len(tasks))]


def run_task(task: TrainingTask, advance: Advance) -> list[TrainedExpert | None]:
    """Train the experts of a task; None where a loss is not finite."""
    claim_jax()
    single = [_task(*each, task) for each in zip(task.batches, task.labels, strict=True)]
    n = len(single)
    state, losses = descend(stack(single), task.recipe, lambda a: advance(a * n))
    experts: list[TrainedExpert | None] = []
    for e, batch in enumerate(task.batches):
        params, codes = jax.tree.map(lambda a, e=e: a[e], (state.params, state.codes))
        pairs = jax.tree.map(lambda a, e=e: a[: int(single[e].n_pairs)], single[e].pairs)
        made = with_prior(params, codes, pairs, bool(single[e].learned), batch, float(losses[e]))
        experts.append(made if np.isfinite(losses[e]) else None)
    return experts


def _task(batch: Batch, label, task: TrainingTask) -> Task:
    """Draw the training pairs of one expert."""
    recipe = task.recipe
    batch = batch[canonical_order(batch)]
    codes, learned = case_codes(batch, recipe)
    size = _n_pairs(batch.n_cases, recipe)
    rng = np.random.default_rng([*label_key(task.seed, label), task.attempt])
    pairs = make_pairs(batch, recipe.augmentation, size, task.steps_used, rng, recipe.mixup)
    codes = np.pad(codes, ((0, bucket(len(codes), 4) - len(codes)), (0, 0)))
    key = np.asarray(jax.random.PRNGKey(int(rng.integers(2**31))))
    rows = bucket(size, 4)
    padded = Pairs(*(np.pad(a, [(0, rows - size)] + [(0, 0)] * (a.ndim - 1)) for a in pairs))
    return Task(key, codes, np.bool_(learned), padded, np.int32(size))


def descend(
    batch: Task, recipe: Recipe, advance: Advance
) -> tuple[State, Float32[np.ndarray, " e"]]:
    """Train a batch of experts; also return their losses over all their pairs."""
    batch = jax.tree.map(jnp.asarray, batch)
    decoder, config = accelerated(recipe.decoder), recipe.config
    code_size = batch.codes.shape[-1] + batch.pairs.warp.shape[-1]
    # A copy of the codes: updates reuse the memory of the state they are given.
    own = batch._replace(codes=jnp.array(batch.codes))
    params = _draw(batch.key, decoder, code_size, batch.pairs.values.shape[-1])
    state = jax.vmap(partial(training.with_params, config=config))(params, own)
    schedule = Schedule.of(config)
    program = replace(config, n_updates=0, learning_rate=0.0)  # what programs do not depend on
    best = None
    for i in range(0, config.n_updates, UPDATES_PER_CALL):
        stop = min(i + UPDATES_PER_CALL, config.n_updates)
        state = _updates(state, batch, i, stop, schedule, decoder, program)
        jax.block_until_ready(state)
        advance((stop - i) / config.n_updates)
        if not config.cosine:  # a constant rate never settles: the lowest loss counts
            best = _better(best, state, _losses(state, batch, decoder))
    state, losses = best or (state, _losses(state, batch, decoder))
    return jax.tree.map(np.asarray, state), np.asarray(losses)


def _better(best, state: State, losses: Float[Array, " e"]) -> tuple[State, Array]:
    """Keep each expert's weights of the lowest loss so far."""
    if best is None:
        return jax.tree.map(jnp.copy, state), losses
    lower = losses < best[1]

    def keep(new, old):
        return jnp.where(lower.reshape(lower.shape + (1,) * (new.ndim - 1)), new, old)

    return jax.tree.map(keep, (state, losses), best)


@partial(jax.jit, static_argnums=(1, 2, 3))  # apart from the updates: it compiles slowly
def _draw(keys, decoder: Decoder, code_size: int, n_channels: int) -> Any:
    def draw(key):
        return decoder.init(jax.random.fold_in(key, 0), code_size, n_channels)

    return jax.vmap(draw)(keys)


@partial(jax.jit, static_argnums=(5, 6), donate_argnums=0)
def _updates(state, batch, start, stop, schedule, decoder: Decoder, config: TrainingConfig):
    """Run updates ``start`` to ``stop`` of every expert."""

    def update(i, state):
        one = partial(training.update, decoder, i=i, rate=schedule(i), config=config)
        return jax.vmap(lambda state, task: one(state, task))(state, batch)

    return jax.lax.fori_loop(start, stop, update, state)


@partial(jax.jit, static_argnums=2)
def _losses(state: State, batch: Task, decoder: Decoder) -> Float[Array, " e"]:
    """Return the loss of each expert over all its pairs."""

    def one(state, task):
        codes = training.pair_codes(state.codes, task.pairs)
        valid = (jnp.arange(len(codes)) < task.n_pairs)[:, None, None]
        mask = task.pairs.mask & valid
        return training.loss(decoder, state.params, codes, task.pairs.values, mask)

    return jax.vmap(one)(state, batch)
