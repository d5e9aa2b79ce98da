"""Runs the documentation's code, every page in a namespace of its own.

All ```python and ```sh blocks of a page run in their order, unless `<!-- skip: next -->` stands
before one. What a reader need not see, such as claims of the text about results, stands in
`<!-- invisible-code-block: python ... -->`.
"""

import shlex
import subprocess
from pathlib import Path

from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser
from typer.testing import CliRunner

from egem.apps.cli import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def run_commands(example: Example) -> None:
    """Run the lines of a block: egem's own commands in this process, others by the shell."""
    for line in str(example.parsed).replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["egem"]:
            done = CliRunner().invoke(app, words[1:])
            assert done.exit_code == 0, f"{line}\n{done.output}"
        elif words:
            subprocess.run(line, shell=True, check=True)


BLOCKS = Sybil(
    [
        SkipParser(),
        PythonCodeBlockParser(),
        CodeBlockParser(language="sh", evaluator=run_commands),
    ],
    path=str(ROOT),
)


def with_code(pages: list[Path]) -> list[str]:
    """Name the pages that have any code."""
    return [str(p.relative_to(ROOT)) for p in pages if list(BLOCKS.parse(p).examples())]


def run_page(page: str) -> None:
    """Run the blocks of a page in the folder where we are."""
    document = BLOCKS.parse(ROOT / page)
    document.namespace["ROOT"] = ROOT
    for example in document.examples():
        example.evaluate()
