"""One model in many threads, many fits in one process, wrong files and killed processes."""

import gc
import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import torture
from egem import EGEMClassifier, LSTMDecoder, Training
from helpers import make_waves

FUZZ = Path(__file__).parents[1] / "benchmarks" / "fuzz.py"
BRIEF = {"decoder": LSTMDecoder(4), "training": Training(n_updates=5)}


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_eight_threads_that_share_a_model_get_the_answers_of_one(wave_model, tmp_path, n_jobs):
    path = tmp_path / "model.safetensors"
    wave_model.save(path)
    X, _ = make_waves(8, seed=7)
    parts = [X[i::8] for i in range(8)]
    alone = EGEMClassifier.load(path).set_params(n_jobs=1)
    expected = [(alone.losses(part), alone.predict(part).tolist()) for part in parts]
    fresh = EGEMClassifier.load(path).set_params(n_jobs=n_jobs)  # nothing is worked out yet
    together = threading.Barrier(8)

    def ask(part):
        together.wait()
        return [(fresh.losses(part), fresh.predict(part)) for _ in range(3)]

    with ThreadPoolExecutor(8) as pool:
        for answers, (losses, labels) in zip(pool.map(ask, parts), expected, strict=True):
            for found, predicted in answers:
                np.testing.assert_array_equal(found, losses)
                assert predicted.tolist() == labels


def resident():
    """Bytes of memory this process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_two_hundred_fits_do_not_fill_the_memory():
    """Data of three shapes, which all have their programs after the first fits.

    Each further shape brings programs of some megabytes, of which there are a bounded number.
    """

    def fit(i):
        kind = i % 3
        X, y = make_waves(2 + kind, seed=kind)
        model = EGEMClassifier(**BRIEF, align="start", random_state=kind)
        model.fit(X, y).predict([x[:, : 6 + kind] for x in X])

    for i in range(20):
        fit(i)
    gc.collect()
    before = resident()
    for i in range(20, 220):
        fit(i)
    gc.collect()
    grown = (resident() - before) / 2**20
    assert grown < 100, f"grew by {grown:.0f} MiB"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["models", "data"])
def test_wrong_files_are_refused_by_one_clear_error(kind, tmp_path):
    command = [sys.executable, str(FUZZ), kind, "--plain", "--load-only", "--runs", "150"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout.splitlines()[-1])
    assert facts["exit"] == 0 and facts["files"] == 150 and facts["refused"] > 10


@pytest.mark.slow
def test_killed_while_saving_the_file_holds_a_whole_model(tmp_path):
    facts = torture.kill_saves(8, tmp_path)
    assert facts["first"] + facts["second"] == 8


@pytest.mark.slow
def test_killed_during_a_fit_the_next_fit_gives_the_same_model(tmp_path):
    facts = torture.kill_fits(3, tmp_path)
    assert facts["kills"] == 3
    assert facts["fitted_again"] == (facts["kills"] + facts["over_before"]) // 3
