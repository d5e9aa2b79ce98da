"""Progress of long computations: bars in the terminal, listeners, and durations of stages."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

Advance = Callable[[float], None]

MIN_SHARE, MIN_TIME = 0.05, 1.0  # of a phase, and seconds, before the time left is estimated

Listener = Callable[[str, float], None]
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def progress_listener(listener: Listener) -> Iterator[None]:
    """Report all progress made in the block to a function, whether bars are shown or not.

    It is called with a title and the completed fraction, in the thread that does the work; an
    exception that it raises stops the work.

    >>> with progress_listener(lambda title, fraction: print(title, fraction)):
    ...     with Progress("counting", 4, show=False) as bar:
    ...         bar.advance(2)
    counting 0.5
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


class Phases(AbstractContextManager):
    """One bar over all phases of a computation.

    The bar is at 1 only at the end. The time left is extrapolated from the current phase, as soon
    as enough of it is done, and from what the phases to come cost beside it.

    Parameters
    ----------
    title : str
        What is computed.
    costs : mapping
        What each phase costs, relative to the others, in their order. Phases that were passed over
        when a later one begins count no more.
    show : bool
        Whether a bar is drawn on the standard error stream; listeners are always called.

    Examples
    --------
    >>> with progress_listener(lambda title, fraction: print(title, fraction)):
    ...     with Phases("fitting", {"weigh": 1, "train": 2, "check": 1}, show=False) as phases:
    ...         with phases("weigh"):
    ...             pass
    ...         with phases("train"), Progress("training", 4, show=False) as bar:
    ...             bar.advance(2)
    fitting 0.25
    training 0.5
    fitting 0.5
    fitting 0.75
    fitting 1.0
    """

    def __init__(self, title: str, costs: Mapping[str, float], show: bool):
        self.fraction = 0.0
        self._title = self._task = title
        self._show = show
        self._costs = dict(costs)
        self._passed: list[str] = []
        self._current: str | None = None
        self._undecided = False
        self._share = self._phase_started = 0.0  # of the current phase
        self._listener = _listener.get()
        self._bar: _Bar | None = None

    def __enter__(self) -> "Phases":
        self._token = _phases.set(self)
        return self

    def __exit__(self, *exc) -> None:
        _phases.reset(self._token)
        if exc[0] is None:
            self._moved_to(1.0)
        if self._bar:
            self._bar.stop()

    @contextmanager
    def __call__(self, name: str, undecided: bool = False) -> Iterator[None]:
        """Enter a phase; ``undecided`` is whether it decides if others come after it.

        Such a phase counts as half of what is left: there may be nothing after it.
        """
        order = list(self._costs)
        if undecided:
            self._costs[name] = sum(self._costs[each] for each in order[order.index(name) + 1 :])
        for skipped in order[: order.index(name)]:
            if skipped not in self._passed:
                del self._costs[skipped]
        if self._show and self._bar is None:
            self._bar = _Bar(self._title)
        self._current, self._share, self._undecided = name, 0.0, undecided
        self._phase_started = time.perf_counter()
        yield
        self._passed.append(name)
        self._current = None
        self._advanced()

    def within(self, share: float, task: str) -> None:
        """Report which share of the current phase is done, by a task that the bar names."""
        if self._current is not None:
            self._task = task
            self._share = max(self._share, min(share, 1.0))
            self._advanced()

    @property
    def seconds_left(self) -> float | None:
        """Time left; None while too little is known."""
        whole = _whole_time(self._share, self._phase_started)
        if self._current is None or self._undecided or whole is None:
            return None
        later = list(self._costs)[list(self._costs).index(self._current) + 1 :]
        ratio = sum(self._costs[name] for name in later) / self._costs[self._current]
        return whole * (1.0 - self._share + ratio)

    def _advanced(self) -> None:
        done = sum(self._costs[name] for name in self._passed)
        if self._current is not None:
            done += self._share * self._costs[self._current]
        fraction = done / sum(self._costs.values())
        if self.fraction < fraction < 1.0 - 1e-9:
            self._moved_to(fraction)

    def _moved_to(self, fraction: float) -> None:
        self.fraction = fraction
        if self._listener:
            self._listener(self._title, fraction)
        if self._bar:
            over = fraction == 1.0
            left = None if over else self.seconds_left
            self._bar.move(fraction, left, self._title if over else self._task)


_phases: ContextVar[Phases | None] = ContextVar("phases", default=None)


def phase(name: str, undecided: bool = False) -> AbstractContextManager:
    """Enter a phase of the computation that is under way; of no effect outside of one."""
    phases = _phases.get()
    return phases(name, undecided) if phases else nullcontext()


class Progress(AbstractContextManager):
    """Progress of a task; within a phase of a computation it is that of the phase.

    Elsewhere a bar is drawn on the standard error stream if ``show``; listeners are always called.
    ``total`` is the amount of work, in the units of :meth:`advance`.
    """

    def __init__(self, title: str, total: float, show: bool):
        self.started = time.perf_counter()
        self._title, self._total, self._done = title, total, 0.0
        self._listener = _listener.get()
        self._phases = _phases.get()
        self._bar = _Bar(title) if show and self._phases is None else None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *exc) -> None:
        if self._bar:
            self._bar.stop()

    def advance(self, amount: float = 1.0) -> None:
        """Report completed work."""
        self._done += amount
        share = self._done / self._total
        if self._listener:
            self._listener(self._title, share)
        if self._phases:
            self._phases.within(share, self._title)
        if self._bar:
            whole = _whole_time(share, self.started)
            left = None if whole is None else whole * max(1.0 - share, 0.0)
            self._bar.move(min(share, 1.0), left, self._title)


def _whole_time(share: float, started: float) -> float | None:
    """Return the seconds that all of a task takes; None while too little of it is done."""
    took = time.perf_counter() - started
    return took / share if share >= MIN_SHARE and took >= MIN_TIME else None


class _Bar:
    """A bar in the terminal."""

    def __init__(self, title: str):
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[left]}"),
            TimeElapsedColumn(),
            "elapsed",
        )
        self._bar = RichProgress(*columns, console=Console(stderr=True))
        self._task = self._bar.add_task(title, total=1.0, left="")
        self._bar.start()

    def move(self, fraction: float, seconds_left: float | None, title: str) -> None:
        left = "" if seconds_left is None else f"{timedelta(seconds=round(seconds_left))} left"
        self._bar.update(self._task, completed=fraction, left=left, description=title)

    def stop(self) -> None:
        self._bar.stop()


class Timings:
    """Seconds per stage, in the order in which stages first began; repeated stages add up.

    >>> timings = Timings("fit")
    >>> with timings("train"):
    ...     pass
    >>> list(timings.seconds)
    ['train']
    """

    def __init__(self, title: str):
        self.seconds: dict[str, float] = {}
        self._title = title

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add the duration of the block to a stage."""
        start = time.perf_counter()
        self.seconds.setdefault(stage, 0.0)
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start

    def log(self, logger: logging.Logger, level: int = logging.INFO) -> None:
        """Log all stages in one line."""
        stages = ", ".join(f"{stage} {seconds:.3f} s" for stage, seconds in self.seconds.items())
        logger.log(level, "%s: %s", self._title, stages)


def summed(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Add up numbers of the same name.

    >>> summed([{"a": 1, "b": 2}, {"a": 3}])
    {'a': 4, 'b': 2}
    """
    total: Counter[Any] = Counter()
    for part in parts:
        total.update(part)  # pyright: ignore[reportCallIssue, reportArgumentType] - floats as well
    return dict(total)
