"""Short runs of what `make fuzz` and `make torture` do at length."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import torture

FUZZ = Path(__file__).parents[1] / "benchmarks" / "fuzz.py"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["models", "data"])
def test_wrong_files_are_refused_by_one_clear_error(kind, tmp_path):
    command = [sys.executable, str(FUZZ), kind, "--plain", "--load-only", "--runs", "150"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout.splitlines()[-1])
    assert facts["exit"] == 0 and facts["files"] == 150 and facts["refused"] > 10


@pytest.mark.slow
def test_killed_in_the_midst_of_saving_a_model_is_whole(tmp_path):
    facts = torture.kill_saves(8, tmp_path)
    assert facts["first"] + facts["second"] == 8


@pytest.mark.slow
def test_killed_in_the_midst_of_a_fit_the_next_is_as_if_nothing_had_happened(tmp_path):
    facts = torture.kill_fits(3, tmp_path)
    assert facts["kills"] == 3
    assert facts["fitted_again"] == (facts["kills"] + facts["over_before"]) // 3
