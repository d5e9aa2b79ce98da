"""Where work is done: a few threads for answers, and fewer for what takes seconds."""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from egem.runtime.parallel import plain_products
from egem.runtime.progress import Listener, overheard

Result = TypeVar("Result")

TRAINING = 0.8  # share of a change that is the training of experts


class Closing(BaseException):
    """The server ends; what takes seconds is given up."""


class Workers:
    """The server's threads: JAX is slow in threads that are new, so these stay.

    Quick work never waits for slow work, only for a core. Products of matrices take one core each,
    or they would wait for each other.
    """

    def __init__(self) -> None:
        cores = os.cpu_count() or 1
        self._products = plain_products()
        self._closing = threading.Event()
        self._quick = ThreadPoolExecutor(min(cores, 4), "egem-quick")
        self._slow = ThreadPoolExecutor(max(1, min(cores // 2, 4)), "egem-slow")

    async def quick(self, work: Callable[..., Result], *args) -> Result:
        """Do what takes milliseconds."""
        return await asyncio.get_running_loop().run_in_executor(self._quick, work, *args)

    async def slow(
        self, work: Callable[..., Result], *args, heard: Listener | None = None
    ) -> Result:
        """Do what takes seconds, and let ``heard`` hear of progress."""

        def listen(title: str, share: float) -> None:
            if self._closing.is_set():
                raise Closing
            if heard:
                heard(title, share)

        def run() -> Result:
            with overheard(listen):
                return work(*args)

        return await asyncio.get_running_loop().run_in_executor(self._slow, run)

    def close(self) -> None:
        """Give up what takes seconds, and begin nothing more."""
        self._closing.set()
        self._products.__exit__(None, None, None)
        self._quick.shutdown(wait=False, cancel_futures=True)
        self._slow.shutdown(wait=False, cancel_futures=True)


class Clock:
    """How far some work is, and how long it will still take."""

    def __init__(self) -> None:
        self.progress = 0.0
        self._started: float | None = None

    def heard(self, title: str, share: float) -> None:
        """Hear of a part's progress from :func:`egem.runtime.progress.overheard`."""
        if self._started is None:
            self._started = time.monotonic()
        if title.startswith("training"):
            self.progress = max(self.progress, min(share, 1.0) * TRAINING)

    @property
    def seconds_left(self) -> float | None:
        """What is left if it goes on like this; None as long as that says little."""
        if self._started is None or self.progress < 0.05:
            return None
        taken = time.monotonic() - self._started
        return round(taken * (1.0 - self.progress) / self.progress, 1)
