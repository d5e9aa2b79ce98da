"""What a command says, and to whom."""

import json
import sys
from typing import Any


def interactive(quiet: bool) -> bool:
    """Bars are for people: none where stderr goes to a file."""
    return not quiet and sys.stderr.isatty()


def print_json(value: Any) -> None:
    """Print a result for scripts."""
    print(json.dumps(value))


def remark(words: str) -> None:
    """Tell what is not a result."""
    print(words, file=sys.stderr)
