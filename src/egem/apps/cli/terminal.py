"""Output of a command: results, messages, log."""

import json
import logging
import sys
from enum import StrEnum
from typing import Any


class LogLevel(StrEnum):
    """Lowest level of log entries that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def interactive(quiet: bool) -> bool:
    """Return whether to show progress bars: never where stderr is not a terminal."""
    return not quiet and sys.stderr.isatty()


def print_json(value: Any) -> None:
    """Print a result for scripts."""
    print(json.dumps(value))


def show_log(level: LogLevel) -> None:
    """Write the library's log to stderr, one line for each entry."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    log = logging.getLogger("egem")
    log.handlers = [handler]  # replaces that of an earlier command in the same process
    log.setLevel(level.upper())


def note(message: str) -> None:
    """Print what is not a result."""
    print(message, file=sys.stderr)
