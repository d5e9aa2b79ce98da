"""One model in many threads, and many fits in one process."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from egem import EGEMClassifier
from helpers import make_waves

MODEL = Path(__file__).parent / "fixtures" / "format-3.safetensors"


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_eight_threads_that_share_a_model_get_the_answers_of_one(n_jobs):
    X, _ = make_waves(8, seed=7)
    parts = [X[i::8] for i in range(8)]
    alone = EGEMClassifier.load(MODEL).set_params(n_jobs=1)
    expected = [(alone.losses(part), alone.predict(part).tolist()) for part in parts]
    fresh = EGEMClassifier.load(MODEL).set_params(n_jobs=n_jobs)  # nothing is worked out yet
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
        model = EGEMClassifier(n_cells=4, n_updates=5, align="start", random_state=kind)
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
