"""The examples run as a user runs them, and do what they claim."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["the_method", "gru_decoder", "my_metric"])
def test_an_example_runs_and_recognises_unseen_digits(name, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "MPLBACKEND": "agg"}
    run = subprocess.run(
        [sys.executable, str(ROOT / "examples" / f"{name}.py")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    accuracy = re.search(r"^(\d\.\d+) of \d+ ", run.stdout, re.MULTILINE)
    assert accuracy and float(accuracy[1]) > 0.85
    assert name != "the_method" or (tmp_path / "imagination.png").stat().st_size > 1000


def test_the_method_is_short_and_uses_the_core_alone():
    text = (ROOT / "examples" / "the_method.py").read_text("utf-8")
    assert len(text.splitlines()) <= 60
    rooms = set(re.findall(r"^from egem\.(\w+)", text, re.MULTILINE))
    assert rooms == {"core"}
