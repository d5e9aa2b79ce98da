"""Work cut into tiles of one fixed shape, on threads, with progress.

XLA compiles a program for each shape, and its sums may differ in the last bit between shapes. Tiles
of one shape, filled up with copies, keep compilations few and make every result independent of the
company it was computed in.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TypeVar

import jax
import numpy as np
from jaxtyping import Int
from threadpoolctl import ThreadpoolController

# Groups of a tile, and cases of a group: as many as fill the lanes of the native decoder.
WIDE = 4, 16
# Where most of a wide group would be copies. Sums in tiles of another shape differ in the last bit:
# only for those to whom that does not matter.
THIN = 8  # groups of one case
FEW_PAIRS = 2  # each of which has a tile of its own: the quickest for a single case

Task = TypeVar("Task")
Result = TypeVar("Result")
Advance = Callable[[float], None]


def bucket(n: int, smallest: int) -> int:
    """Round up to ``smallest`` times a power of two.

    >>> [bucket(n, 4) for n in (1, 4, 5, 9)]
    [4, 4, 8, 16]
    """
    size = smallest
    while size < n:
        size *= 2
    return size


def tiled(n: int, size: int) -> list[np.ndarray]:
    """Cut ``range(n)`` into index arrays of exactly ``size``, the last filled up with its end.

    >>> [t.tolist() for t in tiled(5, 3)]
    [[0, 1, 2], [3, 4, 4]]
    """
    return [np.minimum(np.arange(i, i + size), n - 1) for i in range(0, n, size)]


def in_tiles(
    pairs: Int[np.ndarray, " n"],
    of: Int[np.ndarray, " n"],
    few_cases: int = 0,
    shape: tuple[int, int] = WIDE,
) -> list[Int[np.ndarray, "g m"]]:
    """Cut pairs, sorted by their expert, into groups of one expert, and groups into tiles.

    Tiles are wide ones of one shape, filled up with copies, and thin ones for what is left of an
    expert's cases where that is no more than ``few_cases``.
    """
    n_groups, size = shape
    groups, left = [], []
    for mine in np.split(pairs, np.flatnonzero(np.diff(of)) + 1):
        rest = len(mine) % size
        whole = len(mine) - rest if rest <= few_cases else len(mine)
        groups += [mine[at] for at in tiled(whole, size)]
        left += [mine[whole:]]
    alone = np.concatenate(left)[:, None]
    thin = tiled(len(alone), 1 if len(alone) <= FEW_PAIRS else THIN)
    wide = [np.stack([groups[i] for i in at]) for at in tiled(len(groups), n_groups)]
    return wide + [alone[at] for at in thin]


def stack(trees: Sequence):
    """Stack pytrees of equal shapes along a new leading axis."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def run(
    work: Callable[[Task, Advance], Result],
    tasks: Iterable[Task],
    n_jobs: int | None,
    bar: Advance,
    in_turns: bool = False,
) -> list[Result]:
    """Run ``work(task, advance)`` for every task on threads, results in order.

    The first failure, or Ctrl-C, stops the others at their next call of ``advance``.

    Parameters
    ----------
    work : callable
        Called with a task and a function to report progress with, in tasks.
    tasks : iterable
        The tasks.
    n_jobs : int or None
        Threads; None or -1 uses all cores (XLA runs these small programs on one).
    bar : callable
        Receives the progress of all tasks together.
    in_turns : bool, default False
        Whether half as many threads again as cores are used: for tasks that go back and forth
        between Python, which runs one thread at a time, and compiled work, or for few long ones.
        Where a number of threads was asked for, it is kept to.

    Returns
    -------
    list
        One result a task.
    """
    tasks = list(tasks)
    stop = threading.Event()
    lock = threading.Lock()

    def advance(amount: float) -> None:
        if stop.is_set():
            raise _Stopped
        with lock:
            bar(amount)

    cores = n_cores()
    n_threads = n_jobs if n_jobs and n_jobs > 0 else cores + in_turns * (cores // 2)
    if n_threads == 1 or len(tasks) == 1 or getattr(_thread, "is_worker", False):
        return [work(task, advance) for task in tasks]
    with plain_products():
        futures = [_pool(n_threads).submit(work, task, advance) for task in tasks]
        try:
            return [future.result() for future in futures]
        except BaseException:
            stop.set()
            for future in futures:
                future.cancel()
            wait(futures)
            raise


def n_cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_thread = threading.local()


def _enlist() -> None:
    _thread.is_worker = True  # which waits for no other worker: they might all wait


@cache
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, "egem", _enlist)  # JAX is slow in threads that are new


def plain_products() -> AbstractContextManager:
    """Keep NumPy's matrix products to one thread each.

    Those that take all cores would wait for our threads; and the threads of their library wait
    busily for more, for hundredths of a second, in the way of ours.
    """
    return _libraries().limit(limits=1)


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()  # looks through all libraries that are loaded


class _Stopped(Exception):
    """Another task failed; this one gives up."""


Listener = Callable[[str, float], None]
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def overheard(listener: Listener) -> Iterator[None]:
    """Let a function hear of progress made in the block, whether bars are shown or not.

    Parameters
    ----------
    listener : callable
        Called, from whichever thread does the work, with what goes on and the share that is done.
        What it raises stops the work.

    Examples
    --------
    >>> with overheard(lambda title, share: print(title, share)):
    ...     with Progress("counting", 4, show=False) as bar:
    ...         bar.advance(2)
    counting 0.5
    """
    before = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(before)


class Progress(AbstractContextManager):
    """A progress bar with time left, or nothing at all; see also :func:`overheard`.

    Parameters
    ----------
    title : str
        What is going on.
    total : float
        Amount of work, in the units :meth:`advance` is called with.
    show : bool
        Whether to draw it.
    """

    def __init__(self, title: str, total: float, show: bool):
        self.started = time.perf_counter()
        self._title, self._total, self._done = title, total, 0.0
        self._listener = _listener.get()
        self._bar = None
        if show:
            from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
            from rich.progress import Progress as RichProgress

            self._bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:3.0f}%"),
                TextColumn("left"),
                TimeRemainingColumn(),
                TextColumn("taken"),
                TimeElapsedColumn(),
                console=_stderr(),
            )
            self._task = self._bar.add_task(title, total=total)

    def __enter__(self) -> "Progress":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *exc) -> None:
        if self._bar:
            self._bar.stop()

    def advance(self, amount: float = 1.0) -> None:
        """Report work done."""
        self._done += amount
        if self._listener:
            self._listener(self._title, self._done / self._total)
        if self._bar:
            self._bar.advance(self._task, amount)


def _stderr():
    from rich.console import Console

    return Console(stderr=True)
