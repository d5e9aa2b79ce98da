"""Accuracy of the default classifier beside others, on the same splits.

    python benchmarks/accuracy.py [--sets characters mnist] [--k 1 4 16 0] [--seeds 10 11]
    python benchmarks/accuracy.py --ablation      # parts left out or exchanged, four sets
    python benchmarks/accuracy.py --report        # only write the report

Each row of `docs/benchmarks/accuracy.csv` is one method at one split; rows that are there are not
run again, so the whole may be stopped and carried on. `--report` only writes the tables and
pictures of `docs/benchmarks/accuracy.md` from them (also done at the end of every call).

Splits are `few_shot_split`'s: k random training cases a class; k = 0 is all of them (then `mnist`
and `pendigits` are tested on their official test parts, whole). Otherwise tested are at most 1,000
cases of the held-out fifth; of MNIST (training cases from its 60,000) the first 1,000 test digits;
of the small sets, which have fewer than 100 cases in a fifth, all cases not used for training, over
20 splits. Seeds 0 to 9 were used to develop; report on others. Data come from `EGEM_DATA_DIR`, from
aeon's wheel, or are downloaded. A set of unequal lengths is padded with each case's last value for
those methods that need it.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from accuracy_report import ABLATION, AGREEMENT, write_report
from egem import EGEMClassifier, few_shot_split, load_dataset
from egem.apps.paper.baselines.forward_lstm import ForwardLSTMClassifier
from egem.apps.paper.peers import scaled_ridge, shrunk_discriminant
from egem.calibration.metric_choice import RIDGE
from egem.calibration.proxy import nearest_losses
from egem.calibration.scatter import class_scatter
from egem.data.selection import dtw_distances
from egem.data.validation import as_cases
from egem.ensemble.cases import BoundCases
from egem.views.linear import fit_classes
from egem.views.linear_losses import LinearMetric, log_losses
from egem.views.views import pooled
from table import append, done

OUT = Path("docs/benchmarks")
LARGE = ("characters", "mnist", "pendigits", "JapaneseVowels", "ItalyPowerDemand")
SMALL = (
    *("ACSF1", "ArrowHead", "BasicMotions", "GunPoint", "OSULeaf"),
    *("PickupGestureWiimoteZ", "UnitTest"),
)
SEEDS = {name: range(10, 15) for name in LARGE} | {name: range(10, 30) for name in SMALL}
MOST_TESTED = 1000
COLUMNS = ("set", "k", "seed", "method", "accuracy", "n_test", "fit_seconds", "predict_seconds")


class Split(NamedTuple):
    """Cases as they are (arrays or lists of unequal lengths)."""

    X: list | np.ndarray
    y: np.ndarray
    X_test: list | np.ndarray
    y_test: np.ndarray


def split(name: str, k: int, seed: int) -> Split:
    """Draw a split, k = 0 for all cases; raises ValueError where a class has too few."""
    if name in ("mnist", "pendigits") and not k:
        X, y = load_dataset(name, split="train")
        X_test, y_test = load_dataset(name, split="test")
        return Split(X, np.asarray(y), X_test, np.asarray(y_test))
    if name == "mnist":
        X, y = load_dataset("mnist", split="train")
        X_test, y_test = load_dataset("mnist", split="test")
        train = few_shot_split(y, k, seed).train
        return Split(X[train], y[train], X_test[:MOST_TESTED], y_test[:MOST_TESTED])
    X, y = load_dataset(name)
    y = np.asarray(y)
    train, test = few_shot_split(y, k or None, seed)
    if name in SMALL:
        test = np.setdiff1d(np.arange(len(y)), train)
    test = np.sort(np.random.default_rng(seed).permutation(test)[:MOST_TESTED])
    return Split(_take(X, train), y[train], _take(X, test), y[test])


def _take(X, index):
    return X[index] if isinstance(X, np.ndarray) else [X[i] for i in index]


def padded(cases: Split) -> tuple[np.ndarray, np.ndarray]:
    """Return training and test cases of one length."""
    longest = max(x.shape[1] for x in cases.X)

    def pad(x: np.ndarray) -> np.ndarray:
        x = np.asarray(x)[:, :longest]
        return np.pad(x, ((0, 0), (0, longest - x.shape[1])), mode="edge")

    return np.stack([pad(x) for x in cases.X]), np.stack([pad(x) for x in cases.X_test])


def flat(X: np.ndarray) -> np.ndarray:
    return X.reshape(len(X), -1)


Results = Iterator[tuple[str, float, float, float]]  # method, accuracy, seconds to fit and predict


def egem(cases: Split, seed: int) -> Results:
    """The default classifier, and decisions by its parts alone."""
    start = time.perf_counter()
    clf = EGEMClassifier(random_state=seed).fit(cases.X, cases.y)
    fitted = time.perf_counter()
    found = clf.invert(cases.X_test)
    took = time.perf_counter() - fitted

    def accuracy(scores: np.ndarray) -> float:
        return float(np.mean(clf.classes_[scores.argmin(axis=1)] == cases.y_test))

    yield "EGEM", accuracy(found.scores), fitted - start, took
    own = found.losses + found.priors
    yield "EGEM, experts alone", accuracy(own), np.nan, np.nan
    if found.views is not None:
        linear = pooled(own, found.views._replace(recurrent_weight=0.0))
        yield "EGEM, hulls alone", accuracy(linear), np.nan, np.nan
    for name, scores in _same_metric(clf, cases):
        yield name, accuracy(scores), np.nan, np.nan
    winner = clf.classes_[found.scores.argmin(axis=1)]
    same = float(np.mean(clf.predict(cases.X_test) == winner))
    yield AGREEMENT, same, np.nan, np.nan


def _same_metric(clf: EGEMClassifier, cases: Split) -> Iterator[tuple[str, np.ndarray]]:
    """Baselines of the recurrent view: linear experts and neighbours, same grid, same metric."""
    train, test = (clf.preparation_.apply(as_cases(X)) for X in (cases.X, cases.X_test))
    metric, index = clf.metric_, np.searchsorted(clf.classes_, cases.y)
    assert metric is not None
    linear = [LinearMetric(metric.shrinkage, RIDGE, 1.0)]
    scatter, experts = class_scatter(train, index), fit_classes(train, index, local=False)
    yield "hulls in the experts' metric", log_losses(scatter, experts, test, linear)[0]
    values = train.values.reshape(train.n_cases, -1)
    nearest = []
    for of in np.array_split(np.arange(test.n_cases), -(-test.n_cases // 1000)):
        bound = BoundCases.of(test[of], metric)
        each = [nearest_losses(metric, bound, values[index == c]) for c in np.unique(index)]
        nearest.append(np.stack(each, axis=1))
    yield "1NN in the experts' metric", np.concatenate(nearest)


def variant(name: str, members: int = 1, **parameters) -> Callable[[Split, int], Results]:
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


def timed(fit: Callable, predict: Callable, name: str, cases: Split) -> Results:
    start = time.perf_counter()
    model = fit()
    fitted = time.perf_counter()
    found = predict(model)
    yield name, float(np.mean(found == cases.y_test)), fitted - start, time.perf_counter() - fitted


def nearest(cases: Split, seed: int) -> Results:
    X, X_test = padded(cases)
    yield from timed(
        lambda: KNeighborsClassifier(1).fit(flat(X), cases.y),
        lambda model: model.predict(flat(X_test)),
        "1NN-ED",
        cases,
    )


def nearest_by_warping(cases: Split, seed: int) -> Results:
    def predict(_) -> np.ndarray:
        distances = dtw_distances(list(cases.X_test), list(cases.X), window=0.1)
        return cases.y[distances.argmin(axis=1)]

    yield from timed(lambda: None, predict, "1NN-DTW", cases)


def discriminant(cases: Split, seed: int) -> Results:
    if len(cases.y) <= len(np.unique(cases.y)):
        return  # one case a class has no spread to estimate
    X, X_test = padded(cases)
    lda = shrunk_discriminant()
    yield from timed(
        lambda: lda.fit(flat(X), cases.y), lambda model: model.predict(flat(X_test)), "LDA", cases
    )


class Rocket:
    """MiniRocket with its ridge, for cases without gaps."""

    def __init__(self, cases: Split, seed: int):
        from aeon.transformations.collection.convolution_based import MiniRocket

        X, _ = padded(cases)
        self.features, self.ridge = MiniRocket(random_state=seed), scaled_ridge()
        self.ridge.fit(np.asarray(self.features.fit_transform(self._long(X))), cases.y)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return classes."""
        return self.ridge.predict(np.asarray(self.features.transform(self._long(X))))

    @staticmethod
    def _long(X: np.ndarray) -> np.ndarray:
        X = np.asarray(X, np.float32)
        short = max(9 - X.shape[2], 0)  # its kernels have nine taps
        return np.pad(X, ((0, 0), (0, 0), (0, short)), mode="edge")


def minirocket(cases: Split, seed: int) -> Results:
    X_test = padded(cases)[1]
    yield from timed(
        lambda: Rocket(cases, seed), lambda model: model.predict(X_test), "MiniRocket", cases
    )


def multirocket_hydra(cases: Split, seed: int) -> Results:
    from aeon.classification.convolution_based import MultiRocketHydraClassifier

    X, X_test = padded(cases)
    model = MultiRocketHydraClassifier(random_state=seed)
    yield from timed(
        lambda: model.fit(X, cases.y), lambda m: m.predict(X_test), "MultiRocket-Hydra", cases
    )


def forward_lstm(cases: Split, seed: int) -> Results:
    X, X_test = padded(cases)
    model = ForwardLSTMClassifier(n_epochs=300, random_state=seed)
    yield from timed(
        lambda: model.fit(X, cases.y), lambda m: m.predict(X_test), "forward LSTM", cases
    )


METHODS: dict[str, Callable[[Split, int], Results]] = {
    "EGEM": egem,
    "1NN-ED": nearest,
    "1NN-DTW": nearest_by_warping,
    "LDA": discriminant,
    "MiniRocket": minirocket,
    "MultiRocket-Hydra": multirocket_hydra,
    "forward LSTM": forward_lstm,
}


ALONE: dict[str, Any] = {"views": ("recurrent",)}
ABLATIONS = {  # by the names of rows that exist
    f"{ABLATION}{name}": variant(f"{ABLATION}{name}", **settings)
    for name, settings in {
        "auto": {},
        "auto, nothing bent": {"augment": "none"},
        "auto, 3 members a class": {"members": 3},
        "features": {"views": ("features",)},
        "whitened": ALONE,
        "whitened, nothing bent (no elasticity)": ALONE | {"augment": "none"},
        "whitened, one-hot codes": ALONE | {"codes": "one-hot"},
        "whitened, learned codes": ALONE | {"codes": "learned"},
        "whitened, 3 members a class": ALONE | {"members": 3},
        "mse": ALONE | {"metric": "mse"},
        "mse, nothing bent": ALONE | {"metric": "mse", "augment": "none"},
    }.items()
}
ABLATED = ("characters", "mnist", "JapaneseVowels", "GunPoint")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", default=[*LARGE, *SMALL])
    parser.add_argument("--k", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--seeds", type=int, nargs="+", help="default 10-14, small sets 10-29")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--ablation", action="store_true", help="run the ablations instead")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--report", action="store_true", help="run nothing, write the report")
    options = parser.parse_args()
    if options.ablation:
        options.sets, options.methods = list(ABLATED), list(ABLATIONS)
        options.k, options.seeds = [4, 16], [10, 11, 12]
    options.out.mkdir(parents=True, exist_ok=True)
    table = options.out / "accuracy.csv"
    there = done(table, "set", "k", "seed", "method")
    for name in () if options.report else options.sets:
        for k in options.k:
            for seed in options.seeds or SEEDS.get(name, range(10, 15)):
                run(name, k, seed, options.methods, table, there)
    write_report(table, options.out)


def run(name: str, k: int, seed: int, methods: list[str], table: Path, there: set) -> None:
    """Run the methods that are missing at a split, and write their rows."""
    left = [m for m in methods if (name, str(k), str(seed), m) not in there]
    if not left:
        return
    try:
        cases = split(name, k, seed)
    except ValueError as error:
        print(f"{name}, k = {k}: {error}")
        return
    for method in left:
        try:
            rows = list((METHODS | ABLATIONS)[method](cases, seed))
        except ImportError as error:
            print(f"{method} is left out: {error}")
            continue
        n_test, written = len(cases.y_test), []
        for each, accuracy, fit, predict in rows:
            seconds = ("" if np.isnan(s) else f"{s:.2f}" for s in (fit, predict))
            written.append((name, k, seed, each, f"{accuracy:.5f}", n_test, *seconds))
            print(f"{name:>22} k={k:<3} seed {seed}  {each:<28} {accuracy:.3f}", flush=True)
        append(table, COLUMNS, written)


if __name__ == "__main__":
    main()
