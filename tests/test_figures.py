"""The figures in README and in the pages of benchmarks are those of the committed tables."""

import shutil
from pathlib import Path

import pytest

import accuracy_report
import accuracy_summary
import speed_report
import trust_report

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "docs" / "benchmarks"


@pytest.mark.parametrize(
    ("name", "module"),
    [("accuracy", accuracy_report), ("trust", trust_report), ("speed", speed_report)],
)
def test_a_page_is_what_its_table_gives(name, module, tmp_path):
    for table in BENCHMARKS.glob("*.csv"):
        shutil.copy(table, tmp_path)
    module.write_report(tmp_path / f"{name}.csv", tmp_path)
    assert (tmp_path / f"{name}.md").read_text() == (BENCHMARKS / f"{name}.md").read_text()


def test_readmes_accuracies_are_those_of_the_tables(tmp_path):
    readme = shutil.copy(ROOT / "README.md", tmp_path)
    accuracy_summary.write_summary(ROOT / "docs", Path(readme))
    assert Path(readme).read_text() == (ROOT / "README.md").read_text()
