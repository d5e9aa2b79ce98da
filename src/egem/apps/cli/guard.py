"""Failures of a command: one line on stderr and an exit code."""

import sys
import traceback
import warnings
from collections.abc import Callable
from functools import wraps

import typer

from egem.apps.cli.terminal import remark
from egem.apps.interrupt import insistent_interrupt

_debug = False


def show_tracebacks(wanted: bool) -> None:
    """Let failures show where they happened, as ``egem --debug`` asks."""
    global _debug
    _debug = wanted


def guarded(work: Callable[..., None]) -> Callable[..., None]:
    """Make a command whose failures are one line on stderr and an exit code, not a traceback."""

    @wraps(work)
    def guarded(*args, **options) -> None:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: remark(f"warning: {message}")
            try:
                with insistent_interrupt():
                    work(*args, **options)
            except (typer.Exit, typer.BadParameter):
                raise
            except BaseException as error:
                raise typer.Exit(_failed(error)) from None

    return guarded


def _failed(error: BaseException) -> int:
    """Tell of a failure and return the exit code."""
    if isinstance(error, KeyboardInterrupt):
        remark("stopped")
        return 130
    if isinstance(error, BrokenPipeError):
        sys.stderr.close()  # the reader has left; there is nobody to tell
        return 1
    if _debug:
        traceback.print_exception(error)
    elif isinstance(error, ValueError | OSError | ImportError | ArithmeticError):
        remark(f"error: {error}")
    else:
        remark(f"error: {type(error).__name__}: {error} (egem --debug ... shows where)")
    return 1
