"""The documentation's code runs, every page in a namespace and an empty folder of its own.

All ```python and ```sh blocks of a page run in their order, unless `<!-- skip: next -->` stands
before one. What a reader need not see, such as claims of the text about results, stands in
`<!-- invisible-code-block: python ... -->`.
"""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser
from typer.testing import CliRunner

import egem
from egem.cli import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
REFERENCE = "".join(page.read_text() for page in sorted((DOCS / "reference").glob("*.md")))


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
PAGES = [
    str(page.relative_to(ROOT))
    for page in (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))
    if list(BLOCKS.parse(page).examples())
]


@pytest.mark.parametrize("page", PAGES)
def test_its_code_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    document = BLOCKS.parse(ROOT / page)
    document.namespace["ROOT"] = ROOT
    for example in document.examples():
        example.evaluate()


def test_a_claim_that_fails_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nx = 1\n```\n<!-- invisible-code-block: python\nassert x == 2\n-->\n"
    )
    first, second = BLOCKS.parse(page).examples()
    first.evaluate()
    with pytest.raises(AssertionError):
        second.evaluate()


@pytest.mark.parametrize("name", sorted({*egem.__all__} - {"__version__"}))
def test_every_public_name_is_in_the_reference(name):
    assert re.search(rf"^::: egem\.{name}$", REFERENCE, flags=re.MULTILINE)


def test_every_symptom_has_its_remedy():
    page = (DOCS / "troubleshooting.md").read_text()
    symptoms = re.findall(r"^### (.+)$", page, flags=re.MULTILINE)
    assert len(symptoms) == len(set(symptoms)) >= 12
    assert not re.search(r"^### .+\n+(?=##|\Z)", page, flags=re.MULTILINE)  # no empty ones
