"""Failures of a command: one line on stderr and an exit code. Ctrl-C always stops the command."""

import _thread
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps

import typer

from egem.apps.cli.terminal import note

REPEAT_AFTER = 0.05  # seconds; an immediate second interrupt would be lost as the first was

_debug = False


def show_tracebacks(wanted: bool) -> None:
    """Show the traceback of a failure, as ``egem --debug`` asks."""
    global _debug
    _debug = wanted


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Turn the failures of a command into one line on stderr and an exit code."""

    @wraps(command)
    def guarded(*args, **options) -> None:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: note(f"warning: {message}")
            try:
                with repeated_interrupt():
                    command(*args, **options)
            except (typer.Exit, typer.BadParameter):
                raise
            except BaseException as error:
                raise typer.Exit(_exit_code(error)) from None

    return guarded


@contextmanager
def repeated_interrupt() -> Iterator[None]:
    """Raise a Ctrl-C again that Python reports but ignores.

    Python raises ``KeyboardInterrupt`` wherever the main thread happens to be. Inside a callback of
    the garbage collector (JAX has one) it is only reported as ignored, and the program continues.

    Examples
    --------
    >>> with repeated_interrupt():
    ...     total = sum(range(10))
    """
    hook = sys.unraisablehook

    def unraisable(ignored: "sys.UnraisableHookArgs") -> None:
        if isinstance(ignored.exc_value, KeyboardInterrupt):
            threading.Timer(REPEAT_AFTER, _thread.interrupt_main).start()
        else:
            hook(ignored)

    sys.unraisablehook = unraisable
    try:
        yield
    finally:
        sys.unraisablehook = hook


def _exit_code(error: BaseException) -> int:
    """Report a failure and return the exit code."""
    if isinstance(error, KeyboardInterrupt):
        note("stopped")
        return 130
    if isinstance(error, BrokenPipeError):
        sys.stderr.close()  # the reader has closed the pipe
        return 1
    if _debug:
        traceback.print_exception(error)
    elif isinstance(error, ValueError | OSError | ImportError | ArithmeticError):
        note(f"error: {error}")
    else:
        note(f"error: {type(error).__name__}: {error} (egem --debug ... shows the traceback)")
    return 1
