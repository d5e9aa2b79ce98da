"""Run tasks on threads of this process."""

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from functools import cache, wraps
from typing import ParamSpec, TypeVar

from joblib import cpu_count
from threadpoolctl import ThreadpoolController

from egem.runtime.numerics import own_numerics
from egem.runtime.progress import Advance

Task = TypeVar("Task")
Result = TypeVar("Result")
P = ParamSpec("P")


def run(
    work: Callable[[Task, Advance], Result],
    tasks: Iterable[Task],
    n_jobs: int | None,
    bar: Advance,
    in_turns: bool = False,
) -> list[Result]:
    """Run ``work(task, advance)`` for every task on threads, and return the results in order.

    ``advance`` reports progress to ``bar``, one call at a time. The first exception, or Ctrl-C,
    stops the other tasks at their next call of ``advance``. A task that calls :func:`run` itself
    runs those tasks in its own thread.

    ``n_jobs`` is the number of threads. None or -1 uses one per core, since XLA runs programs this
    small on one core each, or 1.5 per core if tasks take turns (``in_turns``): few long tasks, or
    tasks that alternate between compiled code and Python, which one thread runs at a time.
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
    with single_threaded_blas():
        futures = [_pool(n_threads).submit(_in_thread, work, task, advance) for task in tasks]
        try:
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        except BaseException:
            stop.set()
            for future in futures:
                future.cancel()
            wait(futures)
            raise
    return [future.result() for future in futures]


def _in_thread(work: Callable[[Task, Advance], Result], task: Task, advance: Advance) -> Result:
    with own_numerics():  # settings are those of a thread
        return work(task, advance)


@cache
def n_cores() -> int:
    """Return the number of cores that this process may use, by affinity and container limits."""
    return cpu_count()  # reads files each time


class _Stopped(Exception):
    """Stops a task after another one failed."""


_thread = threading.local()


def _mark_worker() -> None:
    _thread.is_worker = True  # must not wait for other workers of the pool: deadlock


@cache
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, "egem", _mark_worker)  # kept: JAX is slow in new threads


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not survive a fork


def single_threaded_blas() -> AbstractContextManager:
    """Limit NumPy's matrix products to one thread each, within the block.

    BLAS threads compete with ours for cores, even after a product: they spin for a while.
    """
    return _blas().limit(limits=1)


def on_one_blas_thread(function: Callable[P, Result]) -> Callable[P, Result]:
    """Make a function use :func:`single_threaded_blas`, and our own numerics."""

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> Result:
        with single_threaded_blas(), own_numerics():
            return function(*args, **kwargs)

    return limited


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()  # slow: inspects every loaded library
