"""Many classes and many cases, on clusters of this machine's processes.

    python benchmarks/scale.py                 # all parts, then the tables of docs/scale.md
    python benchmarks/scale.py --parts weak    # weak scaling alone, again; needs an idle machine
    python benchmarks/scale.py --parts report  # the tables alone

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

from egem import EGEMClassifier, Training
from egem.runtime.progress import progress_listener
from scale_report import DOCS, write_report

FIELDS = ("part", "workers", "classes", "cases", "updates", "fit", "train", "predict")
FIELDS += ("cpu_fit_client", "cpu_fit_workers", "cpu_predict_client")
FIELDS += ("cpu_predict_workers", "accuracy", "gb_client", "gb_worker", "mb_model", "load", "when")
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
        LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=":0") as local,
        Client(local) as client,
        parallel_config(backend="dask", client=client),
    ):
        yield client


def peak() -> float:
    """Return the most memory this process has had, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def used() -> float:
    """Return the processor seconds that this process has used."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return spent.ru_utime + spent.ru_stime


def run(part: str, workers: int, classes: int, cases: int, updates: int) -> dict:
    """Fit on 4 cases a class and classify others, warm: programs are compiled before."""
    X, y = trajectories(classes, 4 * classes)
    X_test, y_test = trajectories(classes, cases, seed=1)
    with cluster(workers) as client:
        n_jobs = None if workers else 1
        warm = EGEMClassifier(training=Training(n_updates=100), random_state=0, n_jobs=n_jobs)
        some = y < 8 * max(workers, 1)
        warm.fit(X[some], y[some]).predict(X_test[:64])
        trained = [0.0]

        def listen(title: str, share: float) -> None:
            if title.startswith("training"):
                trained[0] = time.perf_counter()

        def spent() -> np.ndarray:
            workers = client.run(used).values() if client else [0.0]
            return np.array([time.perf_counter(), used(), sum(workers)])

        start = spent()
        with progress_listener(listen):
            training = Training(n_updates=updates)
            clf = EGEMClassifier(training=training, random_state=0, n_jobs=n_jobs).fit(X, y)
        fitted = spent()
        predicted = clf.predict(X_test)
        fit, predict = fitted - start, spent() - fitted
        peaks = client.run(peak).values() if client else [0.0]
    file = Path(f"scale-{os.getpid()}.safetensors")
    clf.save(file)
    row = {
        **{"part": part, "workers": workers, "classes": classes, "cases": cases},
        **{
            "updates": updates,
            "fit": fit[0],
            "train": trained[0] - start[0],
            "predict": predict[0],
        },
        **{"cpu_fit_client": fit[1], "cpu_fit_workers": fit[2]},
        **{"cpu_predict_client": predict[1], "cpu_predict_workers": predict[2]},
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
        if part == "weak":  # in turns, so that what else the machine does hits all
            for _ in range(repeats):
                yield part, 1, 64, 10_000, 1000
                yield part, 2, 128, 10_000, 1000
                yield "beside", 1, 64, 10_000, 1000
        if part == "growing":
            for workers in (1, 2, 4):
                yield from ((part, workers, classes, 1000, 300) for classes in (50, 100, 200, 400))
        if part == "cases":
            yield from ((part, 2, 100, cases, 300) for cases in (1000, 4000, 16_000))


def main() -> None:
    """Run parts, each run in a process of its own, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=[*PARTS, "report"], default=list(PARTS))
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
        at_once = [subprocess.Popen(one) for _ in range(2 if each[0] == "beside" else 1)]
        if any([process.wait() for process in at_once]):
            raise SystemExit(f"the run {each} failed, see above.")
    write_report(given.csv)


if __name__ == "__main__":
    main()
