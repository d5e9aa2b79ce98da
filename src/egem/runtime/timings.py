"""Durations of the stages of a computation."""

import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


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
