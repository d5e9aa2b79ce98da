"""Runs the code of the documentation: every page in a namespace and a folder of its own.

All ```python and ```sh blocks of a page run in their order, unless `<!-- skip: next -->` stands
before one. What a reader need not see, such as claims that the text makes about results, stands in
`<!-- invisible-code-block: python ... -->`.
"""

import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

ROOT = Path(__file__).parent
collect_ignore_glob = ["docs/*.py"]  # scripts that need what tests do without


def run_commands(example: Example) -> None:
    """Run the lines of a block: egem's own commands in this process, others by the shell."""
    from typer.testing import CliRunner

    from egem.cli import app

    for line in str(example.parsed).replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["egem"]:
            done = CliRunner().invoke(app, words[1:])
            assert done.exit_code == 0, f"{line}\n{done.output}"
        elif words:
            subprocess.run(line, shell=True, check=True)


def enter(namespace: dict[str, Any]) -> None:
    """Begin a page in an empty folder."""
    folder = tempfile.TemporaryDirectory()
    namespace |= {"ROOT": ROOT, "_left": (os.getcwd(), folder)}
    os.chdir(folder.name)


def leave(namespace: dict[str, Any]) -> None:
    """End it; what it wrote is gone."""
    before, folder = namespace["_left"]
    os.chdir(before)
    folder.cleanup()


pytest_collect_file = Sybil(
    parsers=[
        SkipParser(),
        PythonCodeBlockParser(),
        CodeBlockParser(language="sh", evaluator=run_commands),
    ],
    patterns=["*.md"],
    setup=enter,
    teardown=leave,
).pytest()
