"""Training: each expert learns to turn the codes of its class into the class's sequences.

An expert sees nothing but its own class. Experts are trained side by side in tiles of fixed shape;
what one becomes depends on its cases, its label and the seed, never on its neighbours.
"""

import logging
import zlib
from typing import NamedTuple, Protocol

import jax
import numpy as np

from egem.data.augment import Pool, make_pool
from egem.data.preparation import Batch, canonical_order
from egem.ensemble.codes import Trained, case_codes, case_size, finished
from egem.ensemble.descent import State, Task, descend
from egem.ensemble.recipe import Recipe
from egem.errors import TrainingDiverged
from egem.runtime.batching import bucket, stack, tiled
from egem.runtime.dispatch import dispatch
from egem.runtime.progress import Advance

log = logging.getLogger(__name__)

EXPERTS_PER_TILE = 4  # or one
MOST_PAIRS = 8192  # drawn ahead for a class, unless it has more cases than that
ATTEMPTS = 3


class Shelf(Protocol):
    """Keeps tiles of experts as they finish; see :mod:`egem.io.checkpoint`."""

    def find(self, lessons: "list[Lesson]") -> "dict[int, list[Trained | None]]":
        """Return what is kept of some lessons, by their positions."""
        ...

    def put(self, lesson: "Lesson", experts: "list[Trained | None]") -> None:
        """Keep what came of a lesson."""
        ...


class Lesson(NamedTuple):
    """What a tile of experts is taught: all that a worker elsewhere needs to know.

    Attributes
    ----------
    labels : list
        The classes.
    batches : list of Batch
        Their cases.
    recipe : Recipe
        How they are trained.
    steps_used : int
        Steps of the grid that carry data.
    seed, attempt : int
        What random numbers derive from, beside the label.
    """

    labels: list
    batches: list[Batch]
    recipe: Recipe
    steps_used: int
    seed: int
    attempt: int


def label_key(seed: int, label) -> list[int]:
    """Entropy for a class: the same whatever other classes there are."""
    return [seed, zlib.crc32(str(label).encode())]


def _n_pairs(n_cases: int, recipe: Recipe) -> int:
    """How many pairs are drawn ahead for a class."""
    if recipe.kind == "none" and not recipe.blend:
        return n_cases
    return max(min(bucket(2 * n_cases, 512), MOST_PAIRS), n_cases)


def _company(n_cases: int, recipe: Recipe) -> tuple[int, ...]:
    """Shapes of what an expert is trained on; those of the same shapes can share a tile."""
    return bucket(n_cases, 4), case_size(n_cases, recipe), bucket(_n_pairs(n_cases, recipe), 4)


def train(
    batches: list[Batch],
    labels: list,
    recipe: Recipe,
    steps_used: int,
    seed: int,
    n_jobs: int | None,
    bar: Advance,
    shelf: Shelf | None = None,
) -> list[Trained]:
    """Train one expert for each class.

    Parameters
    ----------
    batches : list of Batch
        The cases of each class.
    labels : list
        The class labels; random numbers derive from (seed, label).
    recipe : Recipe
        How.
    steps_used : int
        Steps of the grid that carry data.
    seed : int
        Seed.
    n_jobs : int or None
        Threads, None for all cores; or workers, see :mod:`egem.runtime.dispatch`.
    bar : callable
        Receives progress, in experts.
    shelf : Shelf, optional
        Where tiles of experts are kept as they finish, and found again.

    Returns
    -------
    list of Trained
        In the order of ``labels``.

    Raises
    ------
    TrainingDiverged
        Where an expert has no finite loss from three starting points; names the class.
    """
    done: dict[int, Trained] = {}
    left = list(range(len(labels)))
    for attempt in range(ATTEMPTS):
        groups: dict[tuple[int, ...], list[int]] = {}
        for i in left:
            groups.setdefault(_company(batches[i].n_cases, recipe), []).append(i)
        tiles = [
            np.array(members)[index]
            for members in groups.values()
            for index in _tiles_of(len(members))
        ]
        lessons = [
            Lesson(
                [labels[i] for i in tile],
                [batches[i] for i in tile],
                *(recipe, steps_used, seed, attempt),
            )
            for tile in tiles
        ]
        for tile, experts in zip(tiles, _taught(lessons, n_jobs, bar, shelf), strict=True):
            done |= {i: it for i, it in zip(tile, experts, strict=True) if it is not None}
        left = [i for i in left if i not in done]
        if not left:
            return [done[i] for i in range(len(labels))]
        log.warning("no finite loss from start %d: %s", attempt + 1, [labels[i] for i in left])
    raise TrainingDiverged(
        f"The expert of class {labels[left[0]]!r} did not reach a finite loss from {ATTEMPTS} "
        f"starting points; lower learning_rate (now {recipe.learning_rate:g}) or look at that "
        "class's cases for extreme values."
    )


def _taught(
    lessons: list[Lesson], n_jobs: int | None, bar: Advance, shelf: Shelf | None
) -> list[list[Trained | None]]:
    """Train tiles of experts that are not on the shelf yet."""
    found = {} if shelf is None else shelf.find(lessons)
    bar(float(sum(len(lessons[i].labels) for i in found)))
    rest = [i for i in range(len(lessons)) if i not in found]

    def finished(at: int, experts: list[Trained | None]) -> None:
        if shelf is not None:
            shelf.put(lessons[rest[at]], experts)

    asked = [lessons[i] for i in rest]
    experts = dispatch(teach, asked, n_jobs, bar, finished, lambda lesson: lesson.labels)
    found |= dict(zip(rest, experts, strict=True))
    return [found[i] for i in range(len(lessons))]


def teach(lesson: Lesson, advance: Advance) -> list[Trained | None]:
    """Train a tile of experts; None where one's loss is not finite."""
    tasks = [
        _task(*each, lesson.recipe, lesson.steps_used, lesson.seed, lesson.attempt)
        for each in zip(lesson.batches, lesson.labels, strict=True)
    ]
    n = len(tasks)
    state, losses = descend(stack(tasks), lesson.recipe, lambda a: advance(a * n))
    return [
        _finished(state, e, batch, tasks[e], float(losses[e])) if np.isfinite(losses[e]) else None
        for e, batch in enumerate(lesson.batches)
    ]


def _finished(state: State, e: int, batch: Batch, task: Task, loss: float) -> Trained:
    expert, table = jax.tree.map(lambda a: a[e], (state.expert, state.table))
    pairs = jax.tree.map(lambda a: a[: int(task.n_pairs)], task.pool)
    return finished(expert, table, pairs, bool(task.learned), batch, loss)


def _tiles_of(n: int) -> list[np.ndarray]:
    """Cut ``range(n)`` into tiles of full size, and what is left into tiles of one.

    Two programs to compile, then, and no copies to train; sums in tiles of another size may differ
    in the last bit.
    """
    full = n - n % EXPERTS_PER_TILE
    return tiled(full, EXPERTS_PER_TILE) + [np.array([i]) for i in range(full, n)]


def _task(batch: Batch, label, recipe: Recipe, steps_used: int, seed: int, attempt: int) -> Task:
    entropy = [*label_key(seed, label), attempt]
    batch = batch[canonical_order(batch)]
    table, learned = case_codes(batch, recipe)
    size = _n_pairs(batch.n_cases, recipe)
    rng = np.random.default_rng(entropy)
    pool = make_pool(batch, recipe.kind, size, steps_used, rng, recipe.blend)
    n_rows = bucket(len(table), 4)
    table = np.pad(table, ((0, n_rows - len(table)), (0, 0)))
    key = np.asarray(jax.random.PRNGKey(int(rng.integers(2**31))))
    rows = bucket(size, 4)
    padded = Pool(*(np.pad(a, [(0, rows - size)] + [(0, 0)] * (a.ndim - 1)) for a in pool))
    return Task(key, table, np.bool_(learned), padded, np.int32(size))
