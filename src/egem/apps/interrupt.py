"""Ctrl-C that is not lost.

Python raises ``KeyboardInterrupt`` wherever the main thread happens to be. Inside a callback of the
garbage collector (JAX has one) it is only reported, as ignored, and the program goes on. Here it is
then raised again.
"""

import _thread
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SHORTLY = 0.05  # seconds; at once, it would be lost in the report of the first


@contextmanager
def insistent_interrupt() -> Iterator[None]:
    """Within the block, a Ctrl-C that Python would ignore is raised again instead.

    Examples
    --------
    >>> with insistent_interrupt():
    ...     total = sum(range(10))
    """
    hook = sys.unraisablehook

    def unraisable(lost: "sys.UnraisableHookArgs") -> None:
        if isinstance(lost.exc_value, KeyboardInterrupt):
            threading.Timer(SHORTLY, _thread.interrupt_main).start()
        else:
            hook(lost)

    sys.unraisablehook = unraisable
    try:
        yield
    finally:
        sys.unraisablehook = hook
