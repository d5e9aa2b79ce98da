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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from egem import EGEMClassifier, Training
from egem.calibration.folds import MAX_PAIRS, MIN_HELD
from egem.runtime.progress import progress_listener

DOCS = Path(__file__).resolve().parents[1] / "docs"
FIELDS = ("part", "workers", "classes", "cases", "updates", "fit", "train", "predict")
FIELDS += ("cpu_fit_client", "cpu_fit_workers", "cpu_predict_client")
FIELDS += ("cpu_predict_workers", "accuracy", "gb_client", "gb_worker", "mb_model", "load", "when")
PARTS = ("big", "weak", "growing", "cases")
N_TIMEPOINTS, N_CHANNELS, N_WAVES = 32, 2, 5
BEGIN, END = "<!-- begin: benchmarks/scale.py -->", "<!-- end: benchmarks/scale.py -->"
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


class Cost(NamedTuple):
    """What something costs: a sum of terms, each a measured factor times what is worked on."""

    name: str
    unit: str
    field: Callable[[dict], float]
    terms: dict[str, Callable[[float, float], float]]  # of classes and cases


def held_out_pairs(classes: float, cases: float) -> float:
    """Return the pairs of a held-out case and a class in a fit on 4 cases a class."""
    return min(4 * classes, max(MAX_PAIRS / classes, MIN_HELD)) * classes


OF_FITTING: dict[str, Callable[[float, float], float]] = {
    "once": lambda c, n: 1.0,
    "a class": lambda c, n: c,
    "a held-out case and class": held_out_pairs,
}
COSTS = (
    Cost(
        "fit",
        "processor seconds",
        lambda row: row["cpu_fit_client"] + row["cpu_fit_workers"],
        OF_FITTING,
    ),
    Cost(
        "predict",
        "processor seconds",
        lambda row: row["cpu_predict_client"] + row["cpu_predict_workers"],
        {
            "once": lambda c, n: 1.0,
            "a case": lambda c, n: n,
            "a case and class": lambda c, n: n * c,
        },
    ),
    Cost(
        "memory of the client",
        "GB",
        lambda row: row["gb_client"],
        OF_FITTING,
    ),
    Cost(
        "memory of a worker",
        "GB",
        lambda row: row["gb_worker"],
        {"once": lambda c, n: 1.0, "a class": lambda c, n: c},
    ),
    Cost(
        "model file",
        "MB",
        lambda row: row["mb_model"],
        OF_FITTING,
    ),
)


def fitted(cost: Cost, rows: list[dict]) -> np.ndarray:
    """Fit a cost's factors, none negative, by relative errors."""
    terms = [[of(r["classes"], r["cases"]) for of in cost.terms.values()] for r in rows]
    told = np.array([cost.field(r) for r in rows])
    design = np.array(terms) / told[:, None]
    size = design.max(axis=0)
    return nnls(design / size, np.ones(len(rows)))[0] / size


def foretold(cost: Cost, factors: np.ndarray, classes: float, cases: float) -> float:
    """Return what a problem would cost."""
    return float(factors @ [of(classes, cases) for of in cost.terms.values()])


def report(rows: list[dict]) -> str:
    """Write runs, weak scaling, the model of cost with its error, and what it foretells."""
    show = ("part", "workers", "classes", "cases", "updates", "fit", "train", "predict")
    show += ("accuracy", "gb_client", "gb_worker", "mb_model", "load")
    lines = ["| " + " | ".join(show) + " |", "|" + "---|" * len(show)]
    lines += [
        "| " + " | ".join(f"{r[k]:g}" if k != "part" else r[k] for k in show) + " |" for r in rows
    ]
    lines += ["", *weak_scaling([r for r in rows if r["part"] in ("weak", "beside")]), ""]
    alike = [r for r in rows if r["part"] == "growing"]
    big = [r for r in rows if r["part"] == "big"]
    lines += [
        "| cost | factors | error, each run left out: median, worst | `big`: foretold, measured | "
        "10^5 classes | 10^5 classes, 10^9 cases |",
        "|---|---|---|---|---|---|",
    ]
    for cost in COSTS:
        factors = fitted(cost, alike)
        errors = []
        for i, row in enumerate(alike):
            others = fitted(cost, alike[:i] + alike[i + 1 :])
            told = foretold(cost, others, row["classes"], row["cases"])
            errors.append(abs(told / cost.field(row) - 1))
        parts = ", ".join(
            f"{f:.2g} {name}" for f, name in zip(factors, cost.terms, strict=True) if f
        )
        ahead = [foretold(cost, factors, 1e5, n) for n in (1000, 1e9)]
        tried = "; ".join(
            f"{foretold(cost, factors, r['classes'], r['cases']):.3g}, {cost.field(r):.3g}"
            for r in big
        )
        lines.append(
            f"| {cost.name}, {cost.unit} | {parts} | {np.median(errors):.0%}, {max(errors):.0%} | "
            f"{tried} | {ahead[0]:.3g} | {ahead[1]:.3g} |"
        )
    return "\n".join(lines)


def weak_scaling(rows: list[dict]) -> list[str]:
    """Compare one worker with two that have twice the classes, and with one beside another."""
    if not {1, 2} <= {r["workers"] for r in rows}:
        return ["Weak scaling was not measured: `python benchmarks/scale.py --parts weak`."]

    def seconds(part: str, workers: int) -> np.ndarray:
        of = [r for r in rows if r["part"] == part and r["workers"] == workers]
        return np.median([[r["train"], r["predict"]] for r in of], axis=0)

    alone = seconds("weak", 1)
    train, predict = alone / seconds("weak", 2)
    words = (
        f"Weak scaling from 1 to 2 workers, medians: training {train:.0%}, predict {predict:.0%}"
    )
    if any(r["part"] == "beside" for r in rows):
        train, predict = alone / seconds("beside", 1)
        words += (
            ". What the machine allows, by two clusters of one worker that know nothing of each "
            f"other and work at the same time: {train:.0%} and {predict:.0%}"
        )
    loads = [r["load"] for r in rows]
    return [f"{words} (load of the machine meanwhile: {min(loads):.1f} to {max(loads):.1f})."]


def write_report(file: Path) -> None:
    """Put the report of a csv into its place in docs/scale.md."""
    with file.open(newline="") as lines:
        rows = [
            {k: v if k in ("part", "when") else float(v) for k, v in row.items()}
            for row in csv.DictReader(lines)
        ]
    page = DOCS / "scale.md"
    before, rest = page.read_text().split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n\n{report(rows)}\n\n{END}{rest.split(END)[1]}")


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
