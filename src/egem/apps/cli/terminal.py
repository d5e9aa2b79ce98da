"""What a command says, and to whom."""

import json
import logging
import sys
from enum import StrEnum
from typing import Any


class LogLevel(StrEnum):
    """Least weight of what is told."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def interactive(quiet: bool) -> bool:
    """Bars are for people: none where stderr goes to a file."""
    return not quiet and sys.stderr.isatty()


def print_json(value: Any) -> None:
    """Print a result for scripts."""
    print(json.dumps(value))


def show_log(level: LogLevel) -> None:
    """Let the library's log go to stderr, a line for each entry."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    log = logging.getLogger("egem")
    log.handlers = [handler]  # of this command, where a process runs several
    log.setLevel(level.upper())


def remark(words: str) -> None:
    """Tell what is not a result."""
    print(words, file=sys.stderr)
