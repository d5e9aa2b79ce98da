"""Progress of long computations: bars in the terminal, listeners, and durations of stages."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

Advance = Callable[[float], None]

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


class Progress(AbstractContextManager):
    """A progress bar on the standard error stream, drawn if ``show``; listeners are always called.

    ``total`` is the amount of work, in the units of :meth:`advance`.
    """

    def __init__(self, title: str, total: float, show: bool):
        self.started = time.perf_counter()
        self._title, self._total, self._done = title, total, 0.0
        self._listener = _listener.get()
        self._bar = None
        if show:
            from rich.console import Console
            from rich.progress import Progress as RichProgress
            from rich.progress import TimeElapsedColumn

            columns = *RichProgress.get_default_columns(), "left", TimeElapsedColumn(), "elapsed"
            self._bar = RichProgress(*columns, console=Console(stderr=True))
            self._task = self._bar.add_task(title, total=total)

    def __enter__(self) -> "Progress":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *exc) -> None:
        if self._bar:
            self._bar.stop()

    def advance(self, amount: float = 1.0) -> None:
        """Report completed work."""
        self._done += amount
        if self._listener:
            self._listener(self._title, self._done / self._total)
        if self._bar:
            self._bar.advance(self._task, amount)


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
