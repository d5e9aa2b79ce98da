"""Ctrl-C that is not lost.

Python raises ``KeyboardInterrupt`` wherever the main thread happens to be. Inside a callback of the
garbage collector (JAX has one) it is reported as ignored, and the program goes on. So here it is
raised again until somebody has caught it.
"""

import _thread
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

AGAIN_AFTER = 0.5  # seconds


@contextmanager
def insistent_interrupt() -> Iterator[None]:
    """Within the block, a Ctrl-C is raised again every half second until it leaves the block.

    Off the main thread, or where Ctrl-C is ignored already, nothing is changed.

    Examples
    --------
    >>> with insistent_interrupt():
    ...     total = sum(range(10))
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    left = threading.Event()

    def again() -> None:
        if not left.wait(AGAIN_AFTER):
            _thread.interrupt_main()

    def interrupt(*_) -> None:
        if left.is_set():
            return
        threading.Thread(target=again, daemon=True).start()
        raise KeyboardInterrupt

    def unraisable(lost: "sys.UnraisableHookArgs") -> None:
        if not isinstance(lost.exc_value, KeyboardInterrupt):
            hook(lost)

    hook, sys.unraisablehook = sys.unraisablehook, unraisable
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        left.set()
        signal.signal(signal.SIGINT, before)
        sys.unraisablehook = hook
