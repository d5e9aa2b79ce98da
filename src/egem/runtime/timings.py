"""How long each phase of a piece of work took."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Phases:
    """Seconds by phase, in the order in which phases began; what is done twice adds up.

    >>> phases = Phases("counting")
    >>> with phases("up"):
    ...     pass
    >>> list(phases.seconds)
    ['up']
    """

    def __init__(self, what: str):
        self.seconds: dict[str, float] = {}
        self._what = what

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Count what the block takes to a phase."""
        begun = time.perf_counter()
        self.seconds.setdefault(name, 0.0)
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - begun

    def log(self, to: logging.Logger, level: int = logging.INFO) -> None:
        """Tell all phases in one line."""
        told = ", ".join(f"{name} {seconds:.3f} s" for name, seconds in self.seconds.items())
        to.log(level, "%s: %s", self._what, told)


def summed(parts: list[Mapping[str, float]]) -> dict[str, float]:
    """Add up numbers of the same name.

    >>> summed([{"a": 1, "b": 2}, {"a": 3}])
    {'a': 4, 'b': 2}
    """
    total: dict[str, float] = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total.get(name, 0) + value
    return total
