"""Progress of long work: a bar with the time left, and listeners."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

Advance = Callable[[float], None]

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
