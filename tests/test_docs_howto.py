"""The code of the how-to pages runs."""

import pytest

from pages import DOCS, run_page, with_code


@pytest.mark.parametrize("page", with_code(sorted((DOCS / "howto").glob("*.md"))))
def test_its_code_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_page(page)
