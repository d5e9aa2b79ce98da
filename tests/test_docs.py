"""The documentation is complete; `conftest.py` of the repository runs its code."""

import re
from pathlib import Path

import pytest

import egem

DOCS = Path(__file__).parents[1] / "docs"
REFERENCE = "".join(page.read_text() for page in sorted((DOCS / "reference").glob("*.md")))


@pytest.mark.parametrize("name", sorted({*egem.__all__} - {"__version__"}))
def test_every_public_name_is_in_the_reference(name):
    assert re.search(rf"^::: egem\.{name}$", REFERENCE, flags=re.MULTILINE)


def test_every_troubleshooting_entry_stands_alone():
    page = (DOCS / "troubleshooting.md").read_text()
    symptoms = re.findall(r"^### (.+)$", page, flags=re.MULTILINE)
    assert len(symptoms) == len(set(symptoms)) >= 12
    assert not re.search(r"^### .+\n+(?=##|\Z)", page, flags=re.MULTILINE)  # no empty ones
