"""Workspaces: each browser's own model and the changes in progress."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple
from weakref import WeakValueDictionary

from fastapi.requests import HTTPConnection

from egem.apps.web.errors import ApiError, internal_error
from egem.apps.web.models.datasets import letters_available
from egem.apps.web.models.recognition import warm_up
from egem.apps.web.models.snapshot import Snapshot
from egem.apps.web.responses import Change, ClassSummary, FitResult, Problem, State, Task
from egem.apps.web.store import INITIAL, Store, WorkspaceFolder, is_id, new_id
from egem.apps.web.workers import Clock, Workers
from egem.errors import TrainingDiverged

log = logging.getLogger(__name__)

COOKIE = "egem"
MAX_CACHED = 64  # workspaces kept in memory after their last request
MAX_WAITING = 8  # changes of one workspace

Work = Callable[[Snapshot], Snapshot]


class Job(NamedTuple):
    """A change that waits or is in progress."""

    what: Change
    label: str | None
    clock: Clock


class Workspace:
    """One browser's model. Changes are applied one after another; reading never waits for them.

    Parameters
    ----------
    folder : WorkspaceFolder
        Where it is stored.
    initial : Snapshot
        Its content before the first change.
    workers : Workers
        Threads.
    """

    def __init__(self, folder: WorkspaceFolder, initial: Snapshot, workers: Workers):
        self.folder = folder
        self.n_streams = 0  # live ones
        self._initial = initial
        self._workers = workers
        self._history = folder.history()
        self._snapshot: Snapshot | None = None
        self._lock = asyncio.Lock()
        self._jobs: list[Job] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: ApiError | None = None

    async def snapshot(self) -> Snapshot:
        """Return the current snapshot, read from disk the first time."""
        if self._snapshot is None:
            snapshot = await self._workers.quick(self._read)
            self._snapshot = self._snapshot or snapshot
        return self._snapshot

    async def change(self, what: Change, label: str | None, work: Work) -> None:
        """Replace the snapshot by the result of ``work``, once that is stored on disk.

        Raises
        ------
        ApiError
            If too many changes wait already, or the work fails; the snapshot then stays.
        """
        await self._apply(self._queued(what, label), work)

    def start(self, what: Change, label: str | None, work: Work) -> None:
        """Do the same in the background; a failure is reported in the state.

        Raises
        ------
        ApiError
            If too many changes wait already.
        """
        task = asyncio.create_task(self._in_background(self._queued(what, label), work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def undo(self) -> None:
        """Restore the snapshot before the last change.

        Raises
        ------
        ApiError
            If there is none.
        """
        async with self._turn(self._queued("undo", None)):
            if len(self._history.numbers) == 1:
                raise ApiError(409, "There is nothing to undo.", "Train a class first.")
            self._history = await self._workers.quick(self.folder.drop_newest, self._history)
            self._snapshot = None
            await self._workers.slow(warm_up, await self.snapshot())

    async def state(self) -> State:
        """Return the state for the page."""
        snapshot = await self.snapshot()
        clf, failure = snapshot.classifier, self._failure
        experts = () if clf is None else clf.model_.experts
        return State(
            version=self._history.version,
            kind=snapshot.kind,
            title=snapshot.title,
            channels=0 if clf is None else clf.preparation_.n_channels,
            channel_names=None if clf is None else clf.channel_names_,
            step=None if clf is None else clf.time_step_,
            classes=[
                ClassSummary(label=label, n_cases=len(expert.codes), loss=expert.loss)
                for label, expert in zip(snapshot.labels, experts, strict=True)
            ],
            busy=_task(self._jobs[0]) if self._jobs else None,
            failure=failure and Problem(problem=failure.problem, remedy=failure.remedy),
            can_undo=len(self._history.numbers) > 1,
            last_change=snapshot.change or None,
            letters_available=letters_available(),
            fit=None if snapshot.fit is None else FitResult(**snapshot.fit),
            data=await self._workers.quick(self.folder.recordings.version),
        )

    def _read(self) -> Snapshot:
        """Read the newest snapshot that can be read."""
        for number in reversed(self._history.numbers):
            try:
                return self._initial if number == INITIAL else self.folder.read(number)
            except (ValueError, KeyError, TypeError, OSError):
                log.exception("snapshot %d of %s cannot be read", number, self.folder.path)
                self._failure = ApiError(
                    500, "The latest model cannot be read.", "The previous one is used instead."
                )
        return Snapshot()

    def _queued(self, what: Change, label: str | None) -> Job:
        if len(self._jobs) >= MAX_WAITING:
            raise ApiError(429, f"{MAX_WAITING} changes are waiting.", "Wait until they are done.")
        job = Job(what, label, Clock())
        self._jobs.append(job)
        return job

    @asynccontextmanager
    async def _turn(self, job: Job) -> AsyncIterator[None]:
        try:
            async with self._lock:
                self._failure = None
                yield
        finally:
            self._jobs.remove(job)

    async def _apply(self, job: Job, work: Work) -> None:
        async with self._turn(job):
            old = await self.snapshot()
            new = await self._workers.slow(_changed, work, old, on_progress=job.clock.update)
            self._history = await self._workers.quick(self.folder.write, new, self._history)
            self._snapshot = new
            log.info("%s: %s", self.folder.path.name, new.change)

    async def _in_background(self, job: Job, work: Work) -> None:
        try:
            await self._apply(job, work)
        except ApiError as error:
            self._failure = error


def _changed(work: Work, old: Snapshot) -> Snapshot:
    """Do the work, and prepare the first classifications."""
    try:
        new = work(old)
        warm_up(new)
        return new
    except ApiError:
        raise
    except (ValueError, ArithmeticError, TrainingDiverged) as error:
        raise ApiError.of(error) from error
    except Exception as error:
        log.exception("a change failed")
        raise internal_error(error) from error


def _task(job: Job) -> Task:
    return Task(
        what=job.what,
        label=job.label,
        stage=job.clock.stage,
        progress=job.clock.progress,
        seconds_left=job.clock.seconds_left,
    )


class Workspaces:
    """All workspaces; those without recent requests are dropped from memory, not from disk."""

    def __init__(self, store: Store, initial: Snapshot, workers: Workers):
        self._store = store
        self._initial = initial
        self._workers = workers
        self._all: WeakValueDictionary[str, Workspace] = WeakValueDictionary()
        self._recent: OrderedDict[str, Workspace] = OrderedDict()

    def of(self, name: str) -> Workspace:
        """Return a workspace by its id; at any time there is at most one object for it."""
        workspace = self._all.get(name)
        if workspace is None:
            workspace = Workspace(self._store.folder(name), self._initial, self._workers)
            self._all[name] = workspace
        self._recent[name] = workspace
        self._recent.move_to_end(name)
        if len(self._recent) > MAX_CACHED:
            self._recent.popitem(last=False)
        return workspace


def workspace_of(connection: HTTPConnection) -> tuple[Workspace, str | None]:
    """Return a browser's workspace by its cookie, and the id if it is a new one."""
    workspaces: Workspaces = connection.app.state.workspaces
    name = connection.cookies.get(COOKIE)
    if is_id(name):
        return workspaces.of(name), None  # type: ignore[arg-type]
    name = new_id()
    return workspaces.of(name), name
