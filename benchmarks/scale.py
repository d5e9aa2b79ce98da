"""Many classes and many cases, on clusters of this machine's processes.

    python benchmarks/scale.py               # all parts, then docs/scale-figures.md from the csv
    python benchmarks/scale.py --parts weak  # weak scaling alone, again; needs an idle machine

Every part adds rows to ``docs/scale.csv``: seconds and memory of one run each. The report fits a
model of cost to all of them.
"""

import argparse
import csv
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from egem import EGEMClassifier

DOCS = Path(__file__).resolve().parents[1] / "docs"
FIELDS = ("part", "workers", "classes", "cases", "updates", "fit", "train", "predict")
FIELDS += ("accuracy", "gb_client", "gb_worker", "mb_model", "load", "when")
PARTS = ("big", "weak", "growing", "cases")
N_TIMEPOINTS, N_CHANNELS, N_WAVES = 32, 2, 5
SPREAD = 0.3  # of members about their class, relative to that of classes


def smooth(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw smooth trajectories, (n, N_CHANNELS, N_TIMEPOINTS): waves, the quicker the flatter."""
    k = np.arange(1, N_WAVES + 1)
    phase = 2 * np.pi * k[:, None] * np.linspace(0, 1, N_TIMEPOINTS)
    waves = np.stack([np.sin(phase), np.cos(phase)])
    amplitudes = rng.normal(size=(n, N_CHANNELS, 2, N_WAVES)) / k
    return np.einsum("ncak,akt->nct", amplitudes, waves)


def trajectories(n_classes: int, n_cases: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw as many cases, of all classes in turn; other cases of the same classes for other seeds.

    Returns
    -------
    X : array (n_cases, N_CHANNELS, N_TIMEPOINTS)
    y : array of int (n_cases,)
    """
    of_classes = smooth(n_classes, np.random.default_rng(0))
    y = np.arange(n_cases) % n_classes
    rng = np.random.default_rng([1, seed])
    return of_classes[y] + SPREAD * smooth(n_cases, rng), y


@contextmanager
def cluster(n_workers: int) -> Iterator:
    """Start a Dask cluster of one-thread processes, and have joblib use it; 0 is this process."""
    from distributed import Client, LocalCluster
    from joblib import parallel_config

    if n_workers == 0:
        yield None
        return
    with (
        LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=None) as local,
        Client(local) as client,
        parallel_config(backend="dask", client=client),
    ):
        yield client


def peak() -> float:
    """Return the most memory this process has had, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def run(part: str, workers: int, classes: int, cases: int, updates: int) -> dict:
    """Fit on 4 cases a class and classify others, warm: programs are compiled before."""
    X, y = trajectories(classes, 4 * classes)
    X_test, y_test = trajectories(classes, cases, seed=1)
    with cluster(workers) as client:
        make = {"n_updates": updates, "random_state": 0, "n_jobs": None if workers else 1}
        warm = EGEMClassifier(**make | {"n_updates": 100})
        some = y < 8 * max(workers, 1)
        warm.fit(X[some], y[some]).predict(X_test[:64])
        trained: list[float] = []

        class Timed(EGEMClassifier):
            def _train(self, *args):
                start = time.perf_counter()
                experts = super()._train(*args)
                trained.append(time.perf_counter() - start)
                return experts

        start = time.perf_counter()
        clf = Timed(**make).fit(X, y)
        fitted = time.perf_counter()
        predicted = clf.predict(X_test)
        end = time.perf_counter()
        peaks = client.run(peak).values() if client else [0.0]
    file = Path("scale.safetensors")
    clf.save(file)
    row = {
        **{"part": part, "workers": workers, "classes": classes, "cases": cases},
        **{"updates": updates, "fit": fitted - start, "train": trained[0], "predict": end - fitted},
        **{"accuracy": float((predicted == y_test).mean()), "gb_client": peak()},
        **{"gb_worker": max(peaks), "mb_model": file.stat().st_size / 1e6},
        **{"load": os.getloadavg()[0], "when": time.strftime("%Y-%m-%d %H:%M")},
    }
    file.unlink()
    return row


def plan(parts: list[str], repeats: int) -> Iterator[tuple]:
    """List the runs: part, workers, classes, cases, updates."""
    for part in parts:
        if part == "big":
            yield part, 2, 2000, 20_000, 300
        if part == "weak":  # alternating, so that what else the machine does hits both
            for _ in range(repeats):
                yield from ((part, 1, 64, 1000, 1000), (part, 2, 128, 2000, 1000))
        if part == "growing":
            for workers in (1, 2, 4):
                yield from ((part, workers, classes, 1000, 300) for classes in (50, 100, 200, 400))
        if part == "cases":
            yield from ((part, 2, 100, cases, 300) for cases in (1000, 4000, 16_000))


def main() -> None:
    """Run parts, each run in a process of its own, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--csv", type=Path, default=DOCS / "scale.csv")
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        part, *numbers = given.one
        row = run(part, *map(int, numbers))
        new = not given.csv.exists()
        with given.csv.open("a", newline="") as file:
            writer = csv.DictWriter(file, FIELDS)
            if new:
                writer.writeheader()
            writer.writerow({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()})
        print(row, flush=True)
        return
    for each in plan(given.parts, given.repeats):
        one = [sys.executable, __file__, "--csv", str(given.csv), "--one", *map(str, each)]
        subprocess.run(one, check=True)


if __name__ == "__main__":
    main()
