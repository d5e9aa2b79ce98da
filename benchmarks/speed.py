"""Speed: beside the published procedure and other classifiers, and as problems grow.

    python benchmarks/speed.py [--parts published peers large start growth] [--out FOLDER]

`make bench` runs this. Each row of `docs/benchmarks/speed.csv` is one figure; parts (of
the growth, points) that are there are not measured again (delete their rows, or the file, to do
so), and the whole may be stopped and carried on. At the end `speed.md` and its pictures are
written from the rows.

* published: 20 experts of the published size for characters, as the paper trains and searches
  (`published_torch.py`, measured on a part and scaled up), against `EGEMClassifier.paper` with
  Levenberg-Marquardt, on the same training cases and the 565 test characters. The experts are
  trained by the published recipe once and kept in `--work`.
* peers: fit and predict with defaults, four cases a class, characters and MNIST rows; methods take
  turns, five times, so that ratios are of the same minutes. Programs are compiled before.
* large: one case, and 10,000 MNIST digits.
* growth: synthetic sequences, one factor grown at a time (`speed_growth.py`).
* start: importing, and `egem predict` on a saved model.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from accuracy import OUT
from egem import EGEMClassifier, Search
from speed_peers import EPOCHS, FORWARD, SCALED_EPOCHS, methods
from speed_report import write_report
from splits import padded, split
from table import append, done

REPEATS = 5
SEED = 10
SCALED_UPDATES, SCALED_CASES = 300, 2  # of the published procedure, that are measured
PUBLISHED_UPDATES, N_EXPERTS = 40_000, 20
COLUMNS = ("part", "set", "method", "figure", "value", "low", "high")
BASE = {"classes": 10, "cases": 4, "time points": 100, "channels": 2, "test": 1000}
GROWTH = {
    "classes": (10, 50, 200, 1000),
    "cases": (1, 4, 16, 100, 1000),
    "time points": (50, 100, 400, 2000),
    "channels": (1, 2, 8, 64),
    "test": (1, 10, 1000, 10_000, 100_000),
}


class Row(NamedTuple):
    """One figure: the median, and the range, of several measurements."""

    set: str
    method: str
    figure: str
    value: float
    low: float
    high: float


Rows = Iterator[Row]


def row(name: str, method: str, figure: str, values) -> Row:
    values = np.atleast_1d(np.asarray(values, float))
    return Row(name, method, figure, float(np.median(values)), values.min(), values.max())


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def published(work: Path) -> Rows:
    """The published model, by the published procedure and by this library."""
    import torch

    from published_torch import classify, train

    cases = split("characters", 4, SEED)
    X, X_test = padded(cases)
    truth = np.searchsorted(np.unique(cases.y), cases.y_test)
    at = work / "published.egem"
    if not at.exists():
        clf = EGEMClassifier.paper("characters", random_state=SEED, verbose=True)
        clf.fit(X, cases.y).save(at)
    original = EGEMClassifier.load(at)
    search = Search(max_steps=6, prior_weight=0.0, bounds=(-0.1, 1.1))
    clf = EGEMClassifier.load(at).set_params(search=search)
    # The same experts, trained by the published recipe, with the library's search.
    clf.model_ = replace(original.model_, method=search.method, search=search.config())
    own = np.arange(len(truth)), truth
    adam = original.losses(X_test)
    found, chosen = clf.losses(X_test), clf.predict(X_test)
    yield row("characters", "published", "accuracy", np.mean(adam.argmin(axis=1) == truth))
    yield row("characters", "EGEM", "accuracy", np.mean(chosen == cases.y_test))
    same = chosen == clf.classes_[found.argmin(axis=1)]
    yield row("characters", "EGEM", "predict is argmin of losses", np.mean(same))
    near = found[own] <= 1.01 * adam[own]
    yield row("characters", "EGEM", "true expert's loss at most 1.01 of Adam's", np.mean(near))
    sequences = torch.tensor(np.moveaxis(X, 1, 2), dtype=torch.float32)
    targets = torch.tensor(np.moveaxis(X_test, 1, 2), dtype=torch.float32)
    experts = [train(sequences[cases.y == c], 10, 1) for c in clf.classes_]
    classify(experts, targets[0][:5], 4)
    default = EGEMClassifier(random_state=SEED).fit(X, cases.y)
    default.predict(X_test)
    taken: dict[str, list[float]] = {}
    for i in range(REPEATS):
        of_class = sequences[cases.y == clf.classes_[i]]
        each = {
            "published train": seconds(lambda of=of_class: train(of, 10, SCALED_UPDATES))
            * (PUBLISHED_UPDATES / SCALED_UPDATES * N_EXPERTS),
            "published classify": seconds(
                lambda i=i: [classify(experts, targets[i + j], 4) for j in range(SCALED_CASES)]
            )
            * (len(truth) / SCALED_CASES),
            "predict": seconds(lambda: clf.predict(X_test)),
            "losses": seconds(lambda: clf.losses(X_test)),
            "default fit": seconds(
                lambda: EGEMClassifier(random_state=SEED).fit(X, cases.y),
            ),
        }
        for name, value in each.items():
            taken.setdefault(name, []).append(value)
    a = {name: np.array(values) for name, values in taken.items()}
    yield row("characters", "published", "fit seconds", a["published train"])
    yield row("characters", "published", "predict seconds", a["published classify"])
    yield row("characters", "EGEM", "predict seconds", a["predict"])
    yield row("characters", "EGEM", "losses seconds", a["losses"])
    yield row("characters", "EGEM defaults", "fit seconds", a["default fit"])
    ratios = {
        "predict, times as fast": a["published classify"] / a["predict"],
        "losses, times as fast": a["published classify"] / a["losses"],
        "default fit, times as fast": a["published train"] / a["default fit"],
    }
    for name, values in ratios.items():
        yield row("characters", "EGEM", name, values)


def peers(work: Path) -> Rows:
    """Fit and predict in turns."""
    for name in ("characters", "mnist"):
        beside = methods(split(name, 4, SEED), SEED)
        for fit, predict in beside.values():  # compiles what is to be compiled
            predict(fit())
        taken: dict[str, list[tuple[float, float]]] = {method: [] for method in beside}
        for _ in range(REPEATS):
            for method, (fit, predict) in beside.items():
                start = time.perf_counter()
                model = fit()
                fitted = time.perf_counter()
                predict(model)
                took = (fitted - start) * (EPOCHS / SCALED_EPOCHS if method == FORWARD else 1)
                taken[method].append((took, time.perf_counter() - fitted))
        own = np.array(taken["EGEM"])
        for method, values in taken.items():
            of = np.array(values)
            for i, what in enumerate(("fit", "predict")):
                yield row(name, method, f"{what} seconds", of[:, i])
                yield row(name, method, f"{what}, times EGEM's", of[:, i] / own[:, i])


def large(work: Path) -> Rows:
    """One case, and ten thousand."""
    letters = split("characters", 4, SEED)
    clf = EGEMClassifier(random_state=SEED).fit(letters.X, letters.y)
    each = [letters.X_test[i : i + 1] for i in range(100)]
    for x in (letters.X_test, *each):  # compiles what is to be compiled
        clf.predict(x)
    taken = [1e3 * seconds(lambda x=x: clf.predict(x)) for x in each]
    yield row("characters", "EGEM", "milliseconds for one case", taken)
    yield row("characters", "EGEM", "ninetieth percentile", np.quantile(taken, 0.9))
    digits = split("mnist", 4, SEED)
    X_test = split("mnist", 0, SEED).X_test
    clf = EGEMClassifier(random_state=SEED).fit(digits.X, digits.y)
    clf.predict(X_test[:300])
    taken = [seconds(lambda: clf.predict(X_test)) for _ in range(REPEATS)]
    yield row("mnist", "EGEM", "cases a second of 10,000", len(X_test) / np.array(taken))


def grown(factor: str, value: int) -> Rows:
    """One point of a curve, in a process of its own."""
    script = Path(__file__).with_name("speed_growth.py")
    sizes = [str(v) for v in (BASE | {factor: value}).values()]
    out = subprocess.run([sys.executable, str(script), *sizes], capture_output=True, text=True)
    if out.returncode:
        raise RuntimeError(f"{script.name} {' '.join(sizes)} failed:\n{out.stderr}")
    for figure, found in json.loads(out.stdout).items():
        yield row(f"{factor} {value}", "EGEM", figure, found)


def start(work: Path) -> Rows:
    """Imports, and a prediction from the command line."""
    script = {
        "import jax": "import jax",
        "import jax, egem": "import jax, egem",
        "import jax and the classifier": "import jax; from egem import EGEMClassifier",
    }
    for name, code in script.items():
        command = [sys.executable, "-c", code]
        taken = [seconds(lambda c=command: subprocess.run(c, check=True)) for _ in range(REPEATS)]
        yield row("", "EGEM", f"{name}, seconds", taken)
    letters, model, data = split("characters", 4, SEED), work / "letters.egem", work / "letters.npz"
    EGEMClassifier(random_state=SEED).fit(letters.X, letters.y).save(model)
    np.savez(data, X=letters.X_test, y=letters.y_test)
    command = [str(Path(sys.executable).with_name("egem")), "predict", str(model), str(data)]
    command += ["--quiet", "-o", str(work / "predicted.csv")]
    environment = {**os.environ, "EGEM_COMPILED": str(work / "compiled")}
    taken = [
        seconds(lambda: subprocess.run(command, check=True, env=environment, capture_output=True))
        for _ in range(REPEATS + 1)
    ]
    yield row("characters", "EGEM", "egem predict, nothing compiled, seconds", taken[0])
    yield row("characters", "EGEM", "egem predict, seconds", taken[1:])


PARTS = {
    "published": published,
    "peers": peers,
    "large": large,
    "start": start,
}


class Job(NamedTuple):
    """What is measured in one go: a part, or one set of it."""

    part: str
    set: str | None
    rows: Callable[[Path], Rows]


def jobs(parts: list[str]) -> Iterator[Job]:
    """The jobs of `parts`; each point of the growth is one."""
    for part in parts:
        if part in PARTS:
            yield Job(part, None, PARTS[part])
            continue
        for factor, values in GROWTH.items():
            for value in values:
                yield Job(part, f"{factor} {value}", lambda _, f=factor, v=value: grown(f, v))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*PARTS, "growth"]
    parser.add_argument("--parts", nargs="+", default=names, choices=names)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--work", type=Path, default=Path("egem-bench"))
    parser.add_argument("--report", action="store_true", help="run nothing, write the report")
    options = parser.parse_args()
    for folder in (options.out, options.work):
        folder.mkdir(parents=True, exist_ok=True)
    table = options.out / "speed.csv"
    there = done(table, "part", "set")
    todo = [] if options.report else list(jobs(options.parts))
    todo = [j for j in todo if not any(j.part == p and j.set in (None, s) for p, s in there)]
    begun = time.perf_counter()
    for i, job in enumerate(todo, 1):
        minutes = (time.perf_counter() - begun) / 60
        print(f"{i}/{len(todo)} {job.part} {job.set or ''} ({minutes:.0f} min so far)", flush=True)
        written = []
        for r in job.rows(options.work):
            figures = (f"{v:.6g}" for v in (r.value, r.low, r.high))
            written.append((job.part, r.set, r.method, r.figure, *figures))
            print(f"  {r.set:12} {r.method:20} {r.figure:40} {r.value:.4g}", flush=True)
        append(table, COLUMNS, written)
    write_report(table, options.out)


if __name__ == "__main__":
    main()
