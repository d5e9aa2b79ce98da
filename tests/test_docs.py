"""The documentation's code runs, and the documentation is complete."""

import re

import pytest

import egem
from pages import BLOCKS, DOCS, run_page, with_code

REFERENCE = "".join(page.read_text() for page in sorted((DOCS / "reference").glob("*.md")))
OTHERS = with_code(sorted(DOCS.rglob("*.md")))
PAGES = ["README.md", *(pytest.param(page, marks=pytest.mark.slow) for page in OTHERS)]


@pytest.mark.parametrize("page", PAGES)
def test_its_code_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_page(page)


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
