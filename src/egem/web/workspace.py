"""Workspaces: each browser's own model, with what is being done to it."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ..tiles import overheard
from ..training import TrainingDiverged
from . import letters
from .models import Model
from .schema import Ailment, Busy, FitResult, Known, State
from .store import BEGINNING, Place, Shelf, is_id
from .trouble import Trouble
from .verdicts import warm_up
from .work import Clock, Workers

log = logging.getLogger(__name__)

MOST_AWAKE = 64  # workspaces in memory
MOST_WAITING = 8  # changes of one workspace


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
        self._workers = workers
        self._beginning = beginning
        self._index = place.index()
        self._model: Model | None = None
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy: tuple[str, str | None, Clock] | None = None
        self.failure: Trouble | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing is being done to it."""
        return not self._waiting

    async def model(self) -> Model:
        """Return the model as it is now, read from disk the first time."""
        if self._model is None:
            model = await self._workers.quick(self._read)
            self._model = self._model or model
        return self._model

    def _read(self) -> Model:
        number = self._index.models[-1]
        return self._beginning if number == BEGINNING else self.place.read(number)

    @property
    def version(self) -> int:
        """Grows with every change."""
        return self._index.version

    async def change(
        self,
        what: str,
        label: str | None,
        work: Callable[[Model], Model],
        share_of_training: float = 0.9,
    ) -> None:
        """Replace the model by what ``work`` makes of it, once that is kept on disk.

        Raises
        ------
        Trouble
            Where too many changes wait already, or the work fails; the model then stays.
        """
        async with self._turn(what, label, Clock(share_of_training)) as clock:
            before = await self.model()
            made = await self._workers.slow(self._made, work, before, clock)
            self._index = await self._workers.quick(self.place.write, made, self._index)
            self._model = made

    async def undo(self) -> None:
        """Bring back the model before the last change.

        Raises
        ------
        Trouble
            Where there is none.
        """
        async with self._turn("undo", None, Clock(0.0)):
            if len(self._index.models) == 1:
                raise Trouble(409, "There is nothing to undo.", "Teach a class first.")
            self._index = await self._workers.quick(self.place.go_back, self._index)
            self._model = None
            warm_up(await self.model())

    @asynccontextmanager
    async def _turn(self, what: str, label: str | None, clock: Clock) -> AsyncIterator[Clock]:
        self._check_room()
        self._waiting += 1
        try:
            async with self._lock:
                self._busy = what, label, clock
                self.failure = None
                yield clock
        finally:
            self._waiting -= 1
            self._busy = None

    @staticmethod
    def _made(work: Callable[[Model], Model], before: Model, clock: Clock) -> Model:
        try:
            with overheard(clock.heard):
                made = work(before)
            warm_up(made)
        except Trouble:
            raise
        except (ValueError, ArithmeticError, TrainingDiverged) as error:
            raise Trouble.of(error) from error
        return made

    async def begin(self, what: str, label: str | None, work: Callable[[Model], Model]) -> None:
        """Change the model in the background; a failure is told in the state.

        Raises
        ------
        Trouble
            Where too many changes wait already.
        """
        self._check_room()

        async def run() -> None:
            try:
                await self.change(what, label, work)
            except Trouble as trouble:
                self.failure = trouble

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.sleep(0)  # so that the state tells of it

    def _check_room(self) -> None:
        if self._waiting >= MOST_WAITING:
            raise Trouble(429, f"{MOST_WAITING} changes wait already.", "Wait until they are done.")

    async def state(self) -> State:
        """Tell everything there is to tell."""
        model = await self.model()
        clf = model.classifier
        known = []
        if clf is not None:
            known = [
                Known(label=label, n_cases=len(t.codes), loss=t.loss)
                for label, t in zip(model.labels, clf.ensemble_.trained, strict=True)
            ]
        busy = None
        if self._busy:
            what, label, clock = self._busy
            busy = Busy(
                what=what,  # type: ignore[arg-type]
                label=label,
                progress=clock.progress,
                seconds_left=clock.seconds_left,
            )
        return State(
            version=self.version,
            kind=model.kind,
            title=model.title,
            channels=0 if clf is None else clf.preparation_.n_channels,
            classes=known,
            busy=busy,
            failure=None if self.failure is None else Ailment(**self.failure.as_json()["error"]),
            can_undo=len(self._index.models) > 1,
            undo_what=model.how or None,
            letters_available=letters.available(),
            fit=None if model.fit is None else FitResult(**model.fit),
        )


class Workspaces:
    """All workspaces; those not used for long leave memory, and come back from disk."""

    def __init__(self, shelf: Shelf, beginning: Model, workers: Workers):
        self._shelf = shelf
        self._beginning = beginning
        self._workers = workers
        self._awake: OrderedDict[str, Workspace] = OrderedDict()

    def of(self, name: str) -> Workspace:
        """Return a workspace by its id."""
        assert is_id(name)
        found = self._awake.get(name)
        if found is None:
            found = Workspace(self._shelf.place(name), self._beginning, self._workers)
            self._awake[name] = found
        self._awake.move_to_end(name)
        for old in [n for n, w in self._awake.items() if w.idle][: len(self._awake) - MOST_AWAKE]:
            del self._awake[old]
        return found
