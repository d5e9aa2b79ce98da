"""Threads for the server's computations, and the progress of long ones."""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from egem.apps.web.responses import Stage
from egem.runtime.parallel import single_threaded_blas
from egem.runtime.progress import Listener, progress_listener

Result = TypeVar("Result")


class Closing(BaseException):
    """The server stops; long computations are abandoned."""


class Workers:
    """The server's threads, kept because JAX is slow in new ones.

    Quick tasks never wait for slow ones, only for a core. Matrix products use one core each, since
    several threads at once would slow each other down.
    """

    def __init__(self) -> None:
        cores = os.cpu_count() or 1
        self._products = single_threaded_blas()
        self._closing = threading.Event()
        self._quick = ThreadPoolExecutor(min(cores, 4), "egem-quick")
        self._slow = ThreadPoolExecutor(max(1, min(cores // 2, 4)), "egem-slow")

    async def quick(self, task: Callable[..., Result], *args) -> Result:
        """Run a task of milliseconds."""
        return await asyncio.get_running_loop().run_in_executor(self._quick, task, *args)

    async def slow(
        self, task: Callable[..., Result], *args, on_progress: Listener | None = None
    ) -> Result:
        """Run a task of seconds, reporting its progress."""

        def listen(title: str, share: float) -> None:
            if self._closing.is_set():
                raise Closing
            if on_progress:
                on_progress(title, share)

        def run() -> Result:
            with progress_listener(listen):
                return task(*args)

        return await asyncio.get_running_loop().run_in_executor(self._slow, run)

    def close(self) -> None:
        """Abandon slow tasks and start no more."""
        self._closing.set()
        self._products.__exit__(None, None, None)
        self._quick.shutdown(wait=False, cancel_futures=True)
        self._slow.shutdown(wait=False, cancel_futures=True)


class Clock:
    """Progress of a change, stage by stage.

    Training reports how much of it is done, and lasts longest. What comes before and after reports
    nothing, so nothing is claimed about it.
    """

    def __init__(self) -> None:
        self.stage: Stage = "preparing"
        self.progress: float | None = None  # of the stage
        self._started = 0.0

    def update(self, title: str, share: float) -> None:
        """Receive progress from :func:`egem.runtime.progress.progress_listener`."""
        if title.startswith("training"):
            if self.stage == "preparing":
                self.stage, self._started = "training", time.monotonic()
            if self.stage == "training":
                self.progress = max(self.progress or 0.0, min(share, 1.0))
                if self.progress == 1.0:
                    self.stage, self.progress = "checking", None
        elif title.startswith("inverting"):
            self.stage, self.progress = "checking", None

    @property
    def seconds_left(self) -> float | None:
        """Time left of the stage by linear extrapolation; None at its beginning."""
        if self.progress is None or self.progress < 0.05:
            return None
        elapsed = time.monotonic() - self._started
        return round(elapsed * (1.0 - self.progress) / self.progress, 1)
