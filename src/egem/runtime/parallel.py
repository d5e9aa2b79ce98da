"""Work on threads of this process.

The first failure, or Ctrl-C, stops the other tasks at their next report of progress.
"""

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from functools import cache
from typing import TypeVar

from threadpoolctl import ThreadpoolController

from egem.runtime.progress import Advance

Task = TypeVar("Task")
Result = TypeVar("Result")


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
