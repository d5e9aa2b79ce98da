"""Workspaces: each browser's own model, with what is being done to it."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal, NamedTuple
from weakref import WeakValueDictionary

from egem.apps.web import letters
from egem.apps.web.models import Model
from egem.apps.web.refusing import fault
from egem.apps.web.schema import Ailment, Busy, FitResult, Known, State
from egem.apps.web.store import BEGINNING, Place, Shelf
from egem.apps.web.trouble import Trouble
from egem.apps.web.verdicts import warm_up
from egem.apps.web.work import Clock, Workers
from egem.errors import TrainingDiverged

log = logging.getLogger(__name__)

MOST_AWAKE = 64  # workspaces kept in memory though nobody asks for them
MOST_WAITING = 8  # changes of one workspace

What = Literal["start", "teach", "letters", "rename", "remove", "forget", "undo", "model", "fit"]
Change = Callable[[Model], Model]


class Job(NamedTuple):
    """A change that waits or is under way."""

    what: What
    label: str | None
    clock: Clock


class Workspace:
    """One browser's model. Changes come one after another; answers never wait for them.

    Parameters
    ----------
    place : Place
        Where it is kept.
    beginning : Model
        What it starts with where nothing is kept.
    workers : Workers
        Who does the work.
    """

    def __init__(self, place: Place, beginning: Model, workers: Workers):
        self.place = place
        self._beginning = beginning
        self._workers = workers
        self._index = place.index()
        self._model: Model | None = None
        self._lock = asyncio.Lock()
        self._jobs: list[Job] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: Trouble | None = None

    async def model(self) -> Model:
        """Return the model as it is now, read from disk the first time."""
        if self._model is None:
            model = await self._workers.quick(self._read)
            self._model = self._model or model
        return self._model

    async def change(self, what: What, label: str | None, work: Change) -> None:
        """Replace the model by what ``work`` makes of it, once that is kept on disk.

        Raises
        ------
        Trouble
            Where too many changes wait already, or the work fails; the model then stays.
        """
        await self._change(self._queued(what, label), work)

    def begin(self, what: What, label: str | None, work: Change) -> None:
        """Change the model in the background; a failure is told in the state.

        Raises
        ------
        Trouble
            Where too many changes wait already.
        """
        task = asyncio.create_task(self._in_background(self._queued(what, label), work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def undo(self) -> None:
        """Bring back the model before the last change.

        Raises
        ------
        Trouble
            Where there is none.
        """
        async with self._turn(self._queued("undo", None)):
            if len(self._index.models) == 1:
                raise Trouble(409, "There is nothing to undo.", "Teach a class first.")
            self._index = await self._workers.quick(self.place.go_back, self._index)
            self._model = None
            await self._workers.slow(warm_up, await self.model())

    async def state(self) -> State:
        """Tell everything there is to tell."""
        model = await self.model()
        clf, failure = model.classifier, self._failure
        trained = () if clf is None else clf.ensemble_.trained
        return State(
            version=self._index.version,
            kind=model.kind,
            title=model.title,
            channels=0 if clf is None else clf.preparation_.n_channels,
            classes=[
                Known(label=label, n_cases=len(t.codes), loss=t.loss)
                for label, t in zip(model.labels, trained, strict=True)
            ],
            busy=_told(self._jobs[0]) if self._jobs else None,
            failure=None if failure is None else Ailment(what=failure.what, remedy=failure.remedy),
            can_undo=len(self._index.models) > 1,
            undo_what=model.how or None,
            letters_available=letters.available(),
            fit=None if model.fit is None else FitResult(**model.fit),
        )

    def _read(self) -> Model:
        """Read the newest model, or the newest that can be read."""
        for number in reversed(self._index.models):
            try:
                return self._beginning if number == BEGINNING else self.place.read(number)
            except (ValueError, KeyError, TypeError, OSError):
                log.exception("model %d of %s cannot be read", number, self.place.folder)
                self._failure = Trouble(
                    500, "The newest model cannot be read.", "An older one is used in its place."
                )
        return Model()

    def _queued(self, what: What, label: str | None) -> Job:
        if len(self._jobs) >= MOST_WAITING:
            raise Trouble(429, f"{MOST_WAITING} changes wait already.", "Wait until they are done.")
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

    async def _change(self, job: Job, work: Change) -> None:
        async with self._turn(job):
            before = await self.model()
            made = await self._workers.slow(_made, work, before, heard=job.clock.heard)
            self._index = await self._workers.quick(self.place.write, made, self._index)
            self._model = made
            log.info("%s: %s", self.place.folder.name, made.how)

    async def _in_background(self, job: Job, work: Change) -> None:
        try:
            await self._change(job, work)
        except Trouble as trouble:
            self._failure = trouble


def _made(work: Change, before: Model) -> Model:
    """Do the work, and what the first answers would wait for."""
    try:
        made = work(before)
        warm_up(made)
        return made
    except Trouble:
        raise
    except (ValueError, ArithmeticError, TrainingDiverged) as error:
        raise Trouble.of(error) from error
    except Exception as error:
        log.exception("a change failed")
        raise fault(error) from error


def _told(job: Job) -> Busy:
    return Busy(
        what=job.what,
        label=job.label,
        progress=job.clock.progress,
        seconds_left=job.clock.seconds_left,
    )


class Workspaces:
    """All workspaces; those that nobody asks for leave memory, and come back from disk."""

    def __init__(self, shelf: Shelf, beginning: Model, workers: Workers):
        self._shelf = shelf
        self._beginning = beginning
        self._workers = workers
        self._all: WeakValueDictionary[str, Workspace] = WeakValueDictionary()
        self._awake: OrderedDict[str, Workspace] = OrderedDict()

    def of(self, name: str) -> Workspace:
        """Return a workspace by its id; there is never more than one object of it."""
        found = self._all.get(name)
        if found is None:
            found = Workspace(self._shelf.place(name), self._beginning, self._workers)
            self._all[name] = found
        self._awake[name] = found
        self._awake.move_to_end(name)
        if len(self._awake) > MOST_AWAKE:
            self._awake.popitem(last=False)
        return found
