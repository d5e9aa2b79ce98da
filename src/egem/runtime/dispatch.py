"""Run tasks on threads or on an executor, and survive workers that die.

A task computes the same result wherever it runs. A task whose worker dies is run again; if that
fails too, the other tasks are finished before an error names the classes or cases of the task.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import closing
from typing import Any, TypeVar

from egem.errors import ClusterLost, WorkerDied
from egem.runtime.compile_cache import enable_compile_cache
from egem.runtime.executors import Executor, active_executor, resolve
from egem.runtime.numerics import own_numerics
from egem.runtime.parallel import run, single_threaded_blas
from egem.runtime.progress import Advance

Task = TypeVar("Task")
Result = TypeVar("Result")

HEARTBEAT = 2.0  # seconds without a result after which the executor is checked
QUEUED_PER_WORKER = 2  # one task runs while the next one is sent
MAX_NAMES = 10  # in an error message


def dispatch(
    work: Callable[[Task, Advance], Result],
    tasks: Sequence[Task],
    n_jobs: int | None,
    bar: Advance,
    finished: Callable[[int, Result], None],
    names: Callable[[Task], Sequence],
) -> list[Result]:
    """Run ``work(task, advance)`` for every task, on threads or on the active executor.

    Returns the results in order.

    Parameters
    ----------
    work : callable
        An importable function.
    tasks : sequence
        The tasks.
    n_jobs : int or None
        Number of threads or workers. None uses all cores, or all workers.
    bar : callable
        Called with progress, counted in names.
    finished : callable
        Called with the index and the result of each task as it finishes, in any thread.
    names : callable
        Returns the classes or cases of a task, for errors.

    Raises
    ------
    WorkerDied
        If workers died twice of the same task. All other tasks are finished.
    ClusterLost
        If the cluster does not answer any more, or has no worker.
    """
    executor = active_executor(n_jobs) if tasks else None
    if executor is not None:
        return dispatch_to(executor, work, tasks, bar, names, finished)

    def run_here(index: int, advance: Advance) -> Result:
        result = work(tasks[index], advance)
        finished(index, result)
        return result

    # Three threads on two cores finish five tasks together; two would leave one core idle at last.
    return run(run_here, range(len(tasks)), n_jobs, bar, in_turns=True)


def dispatch_to(
    executor: Executor,
    work: Callable[..., Result],
    tasks: Sequence[Task],
    bar: Advance,
    names: Callable[[Task], Sequence],
    finished: Callable[[int, Result], None] = lambda index, result: None,
    shared: Any = None,
) -> list[Result]:
    """Run tasks on an executor, and close it; see :func:`dispatch`.

    With ``shared``, a large value that is sent to each worker once, the workers call
    ``work(shared, task, advance)``.
    """
    results: dict[int, Result] = {}
    killers: list[int] = []  # tasks whose workers died repeatedly
    broadcast: list[Any] = []  # the reference to the shared value, once it is sent

    def submit(index: int) -> Future:
        if shared is not None and not broadcast:
            broadcast.append(executor.broadcast(shared))
        return executor.submit(_call, work, *broadcast, tasks[index])

    def attempt(indices: Iterable[int], n_at_once: int) -> list[int]:
        """Return the tasks that were interrupted."""
        interrupted = []
        with closing(_as_completed(executor, submit, indices, n_at_once)) as completed:
            for index, future in completed:
                try:
                    results[index] = future.result()
                except executor.interrupted:
                    executor.check()
                    broadcast.clear()  # may be lost as well
                    interrupted.append(index)
                except executor.lost as error:
                    raise ClusterLost(
                        "the cluster ended while it worked "
                        f"({type(error).__name__}: {error}); start it again."
                    ) from error
                else:
                    finished(index, results[index])
                    bar(float(len(names(tasks[index]))))
        return interrupted

    with closing(executor):
        # One death may interrupt several tasks, and a backend may blame those that only waited.
        # Each of them runs again alone, so that a second death identifies its task.
        for index in attempt(range(len(tasks)), QUEUED_PER_WORKER * executor.n_workers):
            killers += attempt([index], 1)
    if killers:
        raise _worker_died([n for i in sorted(killers) for n in names(tasks[i])], len(results))
    return [results[index] for index in range(len(tasks))]


def _as_completed(
    executor: Executor,
    submit: Callable[[int], Future],
    indices: Iterable[int],
    n_at_once: int,
) -> Generator[tuple[int, Future], None, None]:
    """Submit tasks, some at a time, and yield each index and future as it completes."""
    waiting, running = deque(indices), dict[Future, int]()
    try:
        while waiting or running:
            while waiting and len(running) < n_at_once:
                index = waiting.popleft()
                running[submit(index)] = index
            done, _ = wait(running, HEARTBEAT, FIRST_COMPLETED)
            if not done:
                executor.check()
            for future in done:
                yield running.pop(future), future
    finally:
        for future in running:
            future.cancel()


def _call(work: Callable[..., Result], *args: Any) -> Result:
    """Run a task in a worker, on one thread; its progress is not reported."""
    enable_compile_cache()
    with single_threaded_blas(), own_numerics():
        return work(*map(resolve, args), lambda amount: None)


def _worker_died(names: Sequence, n_finished: int) -> WorkerDied:
    listed = ", ".join(map(repr, names[:MAX_NAMES])) + (", ..." if len(names) > MAX_NAMES else "")
    return WorkerDied(
        f"the workers died repeatedly on {len(names)} class{'es' * (len(names) != 1)} or cases: "
        f"{listed}. Look at the workers' logs; the usual reason is lack of memory. The other "
        f"{n_finished} tasks are finished, and kept if a checkpoint folder was given."
    )
