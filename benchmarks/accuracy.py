"""Accuracy of the default classifier beside others, on the same splits.

    python benchmarks/accuracy.py [--sets characters mnist] [--k 1 4 16 0] [--seeds 30 31]
    python benchmarks/accuracy.py --ablation      # parts left out or exchanged, four sets
    python benchmarks/accuracy.py --sealed        # the sealed sets, once per release
    python benchmarks/accuracy.py --report        # only write the report

Each row of `docs/benchmarks/accuracy.csv` is one method at one split, with the version of the code
that made it; rows that are there are not run again unless `--renew` is given, so the whole may be
stopped and carried on. `--report` only writes the tables and pictures of
`docs/benchmarks/accuracy.md` from them (also done at the end of every call). Splits are described
in `splits.py`, other classifiers in `accuracy_peers.py`. Data come from `EGEM_DATA_DIR`, from
packages, or are downloaded. A set of unequal lengths is padded with each case's last value for
those methods that need it. Rows of sealed sets go to `sealed.csv`, with their date.
"""

import argparse
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from accuracy_peers import PEERS, Method, Results
from accuracy_report import ABLATION, AGREEMENT, ALWAYS, NEVER, write_report
from accuracy_summary import write_summary
from egem import EGEMClassifier
from egem.calibration.metric_choice import RIDGE
from egem.calibration.proxy import nearest_losses
from egem.calibration.scatter import class_scatter
from egem.data.augment import make_pairs
from egem.data.cases import as_cases
from egem.ensemble.cases import BoundCases
from egem.settings import augmentation_of
from egem.views.linear import fit_classes
from egem.views.linear_losses import LinearMetric, log_losses
from egem.views.views import RECURRENT, pooled, resolve_views
from splits import LARGE, SEALED, SEEDS, SMALL, Split, split
from table import append, done, version

OUT = Path("docs/benchmarks")
COLUMNS = (
    *("set", "k", "seed", "method", "accuracy", "n_test", "fit_seconds", "predict_seconds"),
    "version",
)
DEFORMED = 1024  # copies of a class that stand for its recurrent expert


def egem(cases: Split, seed: int) -> Results:
    """The default classifier; where it has no recurrent experts it is that variant, too."""
    start = time.perf_counter()
    clf = EGEMClassifier(random_state=seed).fit(cases.X, cases.y)
    fitted = time.perf_counter()
    predicted = clf.predict(cases.X_test)
    took = time.perf_counter() - fitted
    accuracy = float(np.mean(predicted == cases.y_test))
    yield "EGEM", accuracy, fitted - start, took
    if not clf.model_.experts:
        yield NEVER, accuracy, fitted - start, took


def always_recurrent(cases: Split, seed: int) -> Results:
    """All views, whether held-out cases need recurrent experts or not."""
    views = resolve_views("auto", augmentation_of("auto", as_cases(cases.X)))
    clf = EGEMClassifier(random_state=seed, views=views).fit(cases.X, cases.y)
    yield ALWAYS, float(clf.score(cases.X_test, cases.y_test)), np.nan, np.nan
    yield from parts(clf, cases)


def parts(clf: EGEMClassifier, cases: Split) -> Results:
    """Decisions by parts of a classifier with recurrent experts, and by what may replace them."""
    found = clf.invert(cases.X_test)

    def accuracy(scores: np.ndarray) -> float:
        return float(np.mean(clf.classes_[scores.argmin(axis=1)] == cases.y_test))

    own = found.losses + found.priors
    yield "EGEM, recurrent view alone", accuracy(own), np.nan, np.nan
    if found.views is not None:
        linear = pooled(own, found.views._replace(recurrent_weight=0.0))
        yield "EGEM, linear views alone", accuracy(linear), np.nan, np.nan
    for name, losses in _same_metric(clf, cases):
        yield name, accuracy(losses), np.nan, np.nan
        if name.startswith("copies"):
            scores = pooled(losses.astype(np.float32), found.views)
            yield "EGEM, copies for recurrent experts", accuracy(scores), np.nan, np.nan
    winner = clf.classes_[found.scores.argmin(axis=1)]
    same = float(np.mean(clf.predict(cases.X_test) == winner))
    yield AGREEMENT, same, np.nan, np.nan


def _same_metric(clf: EGEMClassifier, cases: Split) -> Iterator[tuple[str, np.ndarray]]:
    """Baselines of the recurrent view, on the same grid and in the same metric.

    Linear experts, the nearest training case, and the nearest of ``DEFORMED`` mixed and deformed
    copies of a class's training cases, which are what its recurrent expert is trained on.
    """
    train, test = (clf.preparation_.apply(as_cases(X)) for X in (cases.X, cases.X_test))
    metric, index = clf.metric_, np.searchsorted(clf.classes_, cases.y)
    assert metric is not None
    linear = [LinearMetric(metric.shrinkage, RIDGE, 1.0)]
    scatter, experts = class_scatter(train, index), fit_classes(train, index, local=False)
    yield "linear experts, same metric", np.exp(log_losses(scatter, experts, test, linear)[0])
    rng, steps = np.random.default_rng(0), clf.preparation_.steps_used
    of_class = [train[index == c] for c in range(len(clf.classes_))]
    size = max(DEFORMED, max(each.n_cases for each in of_class))
    sets = {"1NN, same metric": [each.values for each in of_class]} | {
        "copies, same metric": [
            np.asarray(make_pairs(each, clf.augmentation_, size, steps, rng).values)
            for each in of_class
        ]
    }
    for name, by_class in sets.items():
        nearest = []
        for of in np.array_split(np.arange(test.n_cases), -(-test.n_cases // 1000)):
            bound = BoundCases.of(test[of], metric)
            each = [nearest_losses(metric, bound, v.reshape(len(v), -1)) for v in by_class]
            nearest.append(np.stack(each, axis=1))
        yield name, np.concatenate(nearest)


def without_recurrent(cases: Split, seed: int) -> Results:
    """The linear views, with weights found for them alone."""
    views = resolve_views("auto", augmentation_of("auto", as_cases(cases.X)))
    linear = tuple(view for view in views if view != RECURRENT)
    yield from variant(NEVER, views=linear)(cases, seed)


def variant(name: str, members: int = 1, **parameters) -> Method:
    """Return a method: the classifier with other settings, or several with averaged log scores."""

    def fit_and_score(cases: Split, seed: int) -> Results:
        start = time.perf_counter()
        models = [
            EGEMClassifier(random_state=seed + 1000 * m, **parameters).fit(cases.X, cases.y)
            for m in range(members)
        ]
        fitted = time.perf_counter()
        scores = np.mean([np.log(m.invert(cases.X_test).scores) for m in models], axis=0)
        took = time.perf_counter() - fitted
        right = models[0].classes_[scores.argmin(axis=1)] == cases.y_test
        yield name, float(np.mean(right)), fitted - start, took

    return fit_and_score


METHODS: dict[str, Method] = {
    "EGEM": egem,
    NEVER: without_recurrent,
    ALWAYS: always_recurrent,
} | PEERS
SEALED_METHODS = (*list(METHODS)[:3], "MiniRocket", "MultiRocket-Hydra")
ALONE: dict[str, Any] = {"views": ("recurrent",)}
ABLATIONS = {  # by the names of rows that exist
    f"{ABLATION}{name}": variant(f"{ABLATION}{name}", **settings)
    for name, settings in {
        "default": {},
        "default, no augmentation": {"augment": "none"},
        "default, 3 models averaged": {"members": 3},
        "features": {"views": ("features",)},
        "recurrent": ALONE,
        "recurrent, no augmentation": ALONE | {"augment": "none"},
        "recurrent, one-hot codes": ALONE | {"codes": "one-hot"},
        "recurrent, learned codes": ALONE | {"codes": "learned"},
        "recurrent, 3 models averaged": ALONE | {"members": 3},
        "recurrent, mse": ALONE | {"metric": "mse"},
        "recurrent, mse, no augmentation": ALONE | {"metric": "mse", "augment": "none"},
    }.items()
}
ABLATED = ("characters", "mnist", "JapaneseVowels", "GunPoint")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", default=[*LARGE, *SMALL])
    parser.add_argument("--k", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--seeds", type=int, nargs="+", help="default: those of splits.py")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--ablation", action="store_true", help="run the ablations instead")
    parser.add_argument("--sealed", action="store_true", help="run the sealed sets instead")
    parser.add_argument("--renew", action="store_true", help="replace rows of another version")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--report", action="store_true", help="run nothing, write the report")
    options = parser.parse_args()
    name = "accuracy.csv"
    if options.ablation:
        options.sets, options.methods = list(ABLATED), list(ABLATIONS)
        options.k, options.seeds = [4, 16], [10, 11, 12]
    if options.sealed:
        options.sets, options.methods = list(SEALED), list(SEALED_METHODS)
        options.k, options.seeds, name = [4], None, "sealed.csv"
    options.out.mkdir(parents=True, exist_ok=True)
    table = options.out / name
    for each in () if options.report else options.sets:
        for k in options.k:
            for seed in options.seeds or SEEDS:
                run(each, k, seed, options.methods, table, options.renew)
    write_report(options.out / "accuracy.csv", options.out)
    if options.out == OUT:
        write_summary(OUT.parent, Path("README.md"))


def run(name: str, k: int, seed: int, methods: list[str], table: Path, renew: bool) -> None:
    """Run the methods that are missing at a split, and write their rows."""
    now = version()
    columns = ("set", "k", "seed", "method") + (("version",) if renew else ())
    there = done(table, *columns)

    def left() -> list[str]:
        of_version = (now,) if renew else ()
        return [m for m in methods if (name, str(k), str(seed), m, *of_version) not in there]

    if not left():
        return
    try:
        cases = split(name, k, seed)
    except ValueError as error:
        print(f"{name}, k = {k}: {error}")
        return
    sealed = table.name == "sealed.csv"
    head = (*COLUMNS, "date") if sealed else COLUMNS
    for method in methods:
        if method not in left():  # an earlier method wrote its rows
            continue
        try:
            rows = list((METHODS | ABLATIONS)[method](cases, seed))
        except ImportError as error:
            print(f"{method} is left out: {error}")
            continue
        written = []
        for each, accuracy, fit, predict in rows:
            seconds = ("" if np.isnan(s) else f"{s:.2f}" for s in (fit, predict))
            row = (name, k, seed, each, f"{accuracy:.5f}", len(cases.y_test), *seconds, now)
            written.append((*row, date.today().isoformat()) if sealed else row)
            print(f"{name:>22} k={k:<3} seed {seed}  {each:<34} {accuracy:.3f}", flush=True)
        if renew and table.exists():
            _drop(table, name, k, seed, {row[3] for row in written})
        append(table, head, written)
        there |= {(*map(str, row[:4]), *((now,) if renew else ())) for row in written}


def _drop(table: Path, name: str, k: int, seed: int, methods: set[str]) -> None:
    """Remove the rows of some methods at a split."""
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    here = (rows["set"] == name) & (rows.k == str(k)) & (rows.seed == str(seed))
    rows[~(here & rows.method.isin(methods))].to_csv(table, index=False)


if __name__ == "__main__":
    main()
