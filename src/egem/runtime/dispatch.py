"""Work cut into shards: on threads of this process, or on the workers of an engine.

A shard is the same function of the same values wherever it runs, so that results do not depend on
where. A worker that dies costs no more than what it was at: its task is tried again, and where that
fails as well, the others are finished before an error names the classes or cases concerned.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, TypeVar

from egem.errors import ClusterLost, WorkerDied
from egem.runtime.compile_cache import keep_compiled
from egem.runtime.executors import Engine, active, resolve
from egem.runtime.parallel import plain_products, run
from egem.runtime.progress import Advance

Task = TypeVar("Task")
Result = TypeVar("Result")

HEARTBEAT = 2.0  # seconds without a result after which the engine is asked whether it is there
AHEAD = 2  # tasks given away for each worker: one is under way while another comes
MOST_NAMES = 10


def dispatch(
    work: Callable[[Task, Advance], Result],
    tasks: Sequence[Task],
    n_jobs: int | None,
    bar: Advance,
    finished: Callable[[int, Result], None],
    names: Callable[[Task], Sequence],
) -> list[Result]:
    """Run ``work(task, advance)`` for every task, on threads or where joblib was told to.

    Parameters
    ----------
    work : callable
        A function of a module.
    tasks : sequence
        The tasks.
    n_jobs : int or None
        Threads or workers; None uses all cores, or all workers.
    bar : callable
        Receives progress, in names.
    finished : callable
        Called with each task's position and result, as they come, from whichever thread.
    names : callable
        Tells what a task is about.

    Returns
    -------
    list
        One result a task, in their order.

    Raises
    ------
    WorkerDied
        Where workers died twice of the same task; the others are finished by then.
    ClusterLost
        Where the engine does not answer any more.
    """
    engine = active(n_jobs) if tasks else None
    if engine is not None:
        return spread(engine, work, tasks, bar, names, finished)

    def here(at: int, advance: Advance) -> Result:
        result = work(tasks[at], advance)
        finished(at, result)
        return result

    # In turns: three threads end five tiles of experts together, two leave one tile to the last.
    return run(here, range(len(tasks)), n_jobs, bar, in_turns=True)


def spread(
    engine: Engine,
    work: Callable[..., Result],
    tasks: Sequence[Task],
    bar: Advance,
    names: Callable[[Task], Sequence],
    finished: Callable[[int, Result], None] | None = None,
    shared: Any = None,
) -> list[Result]:
    """Do what :func:`dispatch` does, on an engine.

    Where ``shared`` is given, which is what all tasks need and goes to each worker once, it is
    ``work(shared, task, advance)`` that is run.
    """
    results: dict[int, Result] = {}

    def came(at: int, result: Result) -> None:
        results[at] = result
        if finished is not None:
            finished(at, result)
        bar(float(len(names(tasks[at]))))

    try:
        lost = _fly(engine, work, tasks, shared, came)
    finally:
        engine.close()
    if lost:
        raise _died([name for at in sorted(lost) for name in names(tasks[at])], len(results))
    return [results[at] for at in range(len(tasks))]


def _fly(
    engine: Engine, work: Callable, tasks: Sequence, shared: Any, came: Callable[[int, Any], None]
) -> list[int]:
    """Run tasks on an engine; returns those whose workers died again and again.

    Where a death takes all tasks under way with it, each of them is tried again on its own, so that
    the second death has one task to blame.
    """
    waiting, suspects = deque(range(len(tasks))), deque[int]()
    flying: dict[Future, int] = {}
    lost: list[int] = []
    handle = None if shared is None else engine.share(shared)

    def launch(at: int) -> None:
        try:
            flying[engine.submit(_call, work, handle, tasks[at])] = at
        except engine.broken:
            flying[engine.submit(_call, work, handle, tasks[at])] = at  # a pool of new workers

    try:
        while waiting or suspects or flying:
            alone = bool(suspects)
            if alone and not flying:
                launch(suspects[0])
            while waiting and not alone and len(flying) < AHEAD * engine.n_workers:
                launch(waiting.popleft())
            done, _ = wait(flying, HEARTBEAT, FIRST_COMPLETED)
            if not done:
                engine.check()
            broken = []
            for future in done:
                at = flying.pop(future)
                try:
                    result = future.result()
                except engine.fatal:
                    lost.append(at)
                except engine.broken:
                    broken.append(at)
                    continue
                except engine.gone as error:
                    raise ClusterLost(
                        "the cluster ended while it worked "
                        f"({type(error).__name__}: {error}); start it again."
                    ) from error
                else:
                    came(at, result)
                if suspects and at == suspects[0]:
                    suspects.popleft()
            if broken:
                engine.check()
                handle = None if shared is None else engine.share(shared)
            for at in broken:
                if suspects and at == suspects[0]:
                    lost.append(suspects.popleft())
                elif at not in suspects:
                    suspects.append(at)
    finally:
        for future in flying:
            future.cancel()
    return lost


def _call(work: Callable, handle: Any, task: Any) -> Any:
    """Run a task in a worker, on one thread."""
    keep_compiled()
    with plain_products():
        if handle is None:
            return work(task, _unheard)
        return work(resolve(handle), task, _unheard)


def _unheard(amount: float) -> None:
    """Progress within a shard is not reported."""


def _died(names: Sequence, n_finished: int) -> WorkerDied:
    shown = ", ".join(map(repr, names[:MOST_NAMES])) + (", ..." if len(names) > MOST_NAMES else "")
    return WorkerDied(
        f"the workers died again and again of {len(names)} class{'es' * (len(names) != 1)} or "
        f"cases: {shown}. Look at the workers' logs; lack of memory is the usual reason. The other "
        f"{n_finished} shards are finished, and kept where a checkpoint folder was given."
    )
