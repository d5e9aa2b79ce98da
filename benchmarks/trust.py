"""Honesty of probabilities, sets and novelty, gaps and prefixes, and a class that is added.

    python benchmarks/trust.py [--parts honesty coverage ...] [--seeds 30 31] [--out FOLDER]

Each row of `docs/benchmarks/trust.csv` is one figure at one split; splits that are there are not
run again, so the whole may be stopped and carried on. `--report` only writes
`docs/benchmarks/trust.md` and its picture from them (also done at the end of every call). Settings
are the defaults; splits are those of `benchmarks/accuracy.py` (seeds 30 and up).

* honesty: expected calibration error (15 bins, over all splits together) and log loss; beside it
  MiniRocket's features with a logistic regression whose strength is chosen by cross-validation on
  its log loss.
* coverage: of conformal sets, with their size, and the share of known cases that are rejected; on
  40 splits.
* novelty: a model of 13 letters shown the other 7, and shown pen digits resampled and standardised
  like letters; beside it the distance to the nearest training case and an isolation forest.
* gaps: half of the time points missing at random, and a quarter of each letter's length missing in
  one piece; beside it 1NN without the same points, and MiniRocket with gaps filled along lines.
* prefixes: only the first part of each letter's own length; the same beside it, MiniRocket with the
  last value going on.
* completion: the error of `complete` beside others', see `trust_completion.py`, and how many of the
  missing values lie inside the band that it gives for 0.9.
* growth: the twentieth letter added to a model of nineteen, against all twenty fitted together; CPU
  seconds of changes beside those of the fit.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import starmap
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from accuracy import OUT
from accuracy_peers import Rocket
from accuracy_report import ALWAYS
from egem import EGEMClassifier, few_shot_split, load_dataset
from egem.evaluate import reliability
from egem.views.views import VIEWS
from splits import SEEDS, Split, flat, padded, split
from table import append, done
from trust_cases import as_letters, filled, masked_nearest, parts_seen
from trust_completion import measures
from trust_report import write_report

HONESTY_SETS = ("characters", "mnist", "JapaneseVowels", "ItalyPowerDemand", "OSULeaf")
CASES_A_CLASS = (4, 16)
ALPHAS = (0.05, 0.1, 0.2)
N_KNOWN = 13  # letters; the other seven are unknown
MOST_GAPPY = 300  # test cases with gaps, each of which has a pattern of its own
MOST_COMPLETED = 100
COMPLETED = ("block of a quarter", "first 0.3", "first 0.5", "first 0.7")
REJECTED = 0.05
GAPS = ("all", "random half", "block of a quarter")
COLUMNS = ("part", "set", "k", "seed", "method", "figure", "value")


class Figure(NamedTuple):
    """One figure of one method."""

    method: str
    figure: str
    value: float


Figures = Iterator[Figure]


def honesty(name: str, k: int, seed: int) -> Figures:
    """Probabilities, on one split."""
    cases = split(name, k, seed)
    clf = EGEMClassifier(random_state=seed).fit(cases.X, cases.y)
    truth = np.searchsorted(clf.classes_, cases.y_test)
    yield from certainty("EGEM", clf.predict_proba(cases.X_test), truth)
    yield from certainty("MiniRocket", rocket_chances(cases, seed), truth)


def coverage(name: str, k: int, seed: int) -> Figures:
    """Sets of classes, and rejection of known cases, on one split."""
    cases = split(name, k, seed)
    clf = EGEMClassifier(random_state=seed).fit(cases.X, cases.y)
    found = clf.invert(cases.X_test)
    truth = np.searchsorted(clf.classes_, cases.y_test)
    of = np.arange(len(truth)), truth
    for alpha in ALPHAS:
        sets = found.prediction_set(alpha)
        yield Figure("EGEM", f"coverage at {alpha}", float(sets[of].mean()))
        yield Figure("EGEM", f"set size at {alpha}", float(sets.sum(axis=1).mean()))
        rejected = found.p_value() <= alpha
        yield Figure("EGEM", f"known rejected at {alpha}", float(rejected.mean()))


def certainty(method: str, chances: np.ndarray, truth: np.ndarray) -> Figures:
    """Log loss, and what the calibration error over all splits is made of."""
    yield Figure(method, "accuracy", float((chances.argmax(axis=1) == truth).mean()))
    own = np.maximum(chances[np.arange(len(truth)), truth], 1e-15)
    yield Figure(method, "log loss", float(-np.log(own).mean()))
    confidence, hit_rate, n_in_bin = reliability(chances, truth)
    for b in np.flatnonzero(n_in_bin):
        n = float(n_in_bin[b])
        yield Figure(method, f"n in bin {b}", n)
        yield Figure(method, f"confidence in bin {b}", n * float(confidence[b]))
        yield Figure(method, f"hits in bin {b}", n * float(hit_rate[b]))


def rocket_chances(cases: Split, seed: int) -> np.ndarray:
    """Class probabilities of a logistic regression on MiniRocket's features."""
    from aeon.transformations.collection.convolution_based import MiniRocket

    X, X_test = (np.asarray(a, np.float32) for a in padded(cases))
    features = MiniRocket(random_state=seed)
    smallest = int(np.unique(cases.y, return_counts=True)[1].min())
    model = make_pipeline(
        StandardScaler(),
        LogisticRegressionCV(
            Cs=np.logspace(-5, 1, 7),  # pyright: ignore[reportArgumentType]
            cv=min(smallest, 4),
            scoring="neg_log_loss",
            max_iter=200,
            l1_ratios=(0.0,),  # pyright: ignore[reportArgumentType]
            use_legacy_attributes=False,  # pyright: ignore[reportArgumentType]
        ),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of iterations used up, at weak regularisation
        model.fit(np.asarray(features.fit_transform(X)), cases.y)
    return model.predict_proba(np.asarray(features.transform(X_test)))


def novelty(name: str, k: int, seed: int) -> Figures:
    """Tell letters that were never taught, and pen digits, from those that were."""
    X, y = load_dataset(name)
    y, rng = np.asarray(y), np.random.default_rng(seed)
    known = rng.permutation(np.unique(y))[:N_KNOWN]
    train, test = few_shot_split(y, k, seed)
    train = train[np.isin(y[train], known)]
    clf = EGEMClassifier(random_state=seed).fit(X[train], y[train])
    near, far = X[test[np.isin(y[test], known)]], X[test[~np.isin(y[test], known)]]
    digits = as_letters(load_dataset("pendigits", split="test")[0][:500])
    forest = IsolationForest(random_state=seed).fit(flat(X[train]))

    def nearest(cases: np.ndarray) -> np.ndarray:
        a, b = flat(cases), flat(X[train])
        apart = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
        return -apart.min(axis=1)

    scores = {
        "EGEM": lambda cases: np.log(clf.p_value(cases)),
        "nearest training case": nearest,
        "isolation forest": lambda cases: forest.score_samples(flat(cases)),
    }
    for method, score in scores.items():
        usual = score(near)
        for what, cases in (("other letters", far), ("pen digits", digits)):
            both = np.concatenate([usual, score(cases)])
            is_known = np.arange(len(both)) < len(usual)
            yield Figure(method, f"AUROC, {what}", float(roc_auc_score(is_known, both)))
    yield Figure("EGEM", "known rejected at 0.05", float((clf.p_value(near) <= 0.05).mean()))
    yield Figure("EGEM", "other letters rejected at 0.05", float((clf.p_value(far) <= 0.05).mean()))


def gaps(name: str, k: int, seed: int) -> Figures:
    """Classify letters of which a part is missing."""
    cases = split(name, k, seed)
    few = cases._replace(X_test=cases.X_test[:MOST_GAPPY], y_test=cases.y_test[:MOST_GAPPY])
    seen = parts_seen(name, np.asarray(few.X_test), seed)
    yield from with_parts(few, {what: seen[what] for what in GAPS}, seed)


def prefixes(name: str, k: int, seed: int) -> Figures:
    """Classify letters of which the end is missing."""
    cases = split(name, k, seed)
    seen = parts_seen(name, np.asarray(cases.X_test), seed)
    yield from with_parts(cases, {w: mask for w, mask in seen.items() if w not in GAPS[1:]}, seed)


def with_parts(cases: Split, seen: dict[str, np.ndarray], seed: int) -> Figures:
    """Accuracies with parts of the test cases, by what they are called."""
    X, y = np.asarray(cases.X_test), cases.y_test
    clf = EGEMClassifier(random_state=seed).fit(cases.X, cases.y)
    always = EGEMClassifier(random_state=seed, views=VIEWS[:-1]).fit(cases.X, cases.y)
    rocket = Rocket(cases, seed)
    for what, mask in seen.items():
        Z = np.where(mask, X, np.nan)
        yield Figure("EGEM", what, float((clf.predict(Z) == y).mean()))
        yield Figure(ALWAYS, what, float((always.predict(Z) == y).mean()))
        yield Figure("1NN-ED", what, float((masked_nearest(cases, Z) == y).mean()))
        yield Figure("MiniRocket", what, float((rocket.predict(filled(Z)) == y).mean()))


def completion(name: str, k: int, seed: int) -> Figures:
    """Complete letters of which a part is missing, with a band for 0.9 of the missing values."""
    cases = split(name, k, seed)
    X_test = np.asarray(cases.X_test)[:MOST_COMPLETED]
    few = cases._replace(X_test=X_test, y_test=cases.y_test[:MOST_COMPLETED])
    seen = parts_seen(name, X_test, seed)
    yield from starmap(Figure, measures(few, {w: seen[w] for w in COMPLETED}, seed))


def growth(name: str, k: int, seed: int) -> Figures:
    """Add the last letter to a model of the others."""
    cases = split(name, k, seed)
    X, y = np.asarray(cases.X), cases.y
    last = y == np.unique(y)[-1]
    whole = EGEMClassifier(random_state=seed).fit(X, y)
    clf = EGEMClassifier(random_state=seed).fit(X[~last], y[~last])
    label, work = y[last][0], {name: [] for name in ("fit", "add", "update", "remove")}

    def measure(name: str, call: Callable[[], object]) -> None:
        start = time.process_time()
        call()
        work[name].append(time.process_time() - start)

    added, rejected = 0.0, 0.0
    for _ in range(4):  # in turns, so that shares are of the same minutes; the first compiles
        measure("fit", lambda: EGEMClassifier(random_state=seed).fit(X, y))
        measure("add", lambda: clf.add_class(X[last], label))
        added = clf.score(cases.X_test, cases.y_test)
        rejected = float(np.mean(clf.p_value(cases.X_test) <= REJECTED))
        measure("update", lambda: clf.update_class(cases.X_test[cases.y_test == label][:2], label))
        measure("remove", lambda: clf.remove_class(label))
    for name in ("add", "update", "remove"):
        share = float(np.median(work[name][1:]) / np.median(work["fit"][1:]))
        yield Figure("EGEM", f"CPU seconds to {name} a class, share of a fit", share)
    before = clf.train_experts().model_.experts
    after = clf.add_class(X[last], label).model_.experts[:-1]
    same = all(
        np.array_equal(a, b)
        for mine, its in zip(before, after, strict=True)
        for a, b in zip(mine.params, its.params, strict=True)
    )
    yield Figure("EGEM", "other experts bit-identical", float(same))
    yield Figure("EGEM", "accuracy, added", added)
    yield Figure("EGEM", "accuracy, fitted together", whole.score(cases.X_test, cases.y_test))
    yield Figure("EGEM", f"rejected at {REJECTED}, added", rejected)
    fitted = float(np.mean(whole.p_value(cases.X_test) <= REJECTED))
    yield Figure("EGEM", f"rejected at {REJECTED}, fitted together", fitted)


PARTS = {
    "honesty": (honesty, HONESTY_SETS, SEEDS[:5]),
    "coverage": (coverage, HONESTY_SETS, SEEDS[:5]),
    "novelty": (novelty, ("characters",), SEEDS),
    "gaps": (gaps, ("characters",), SEEDS[:5]),
    "prefixes": (prefixes, ("characters",), SEEDS[:5]),
    "completion": (completion, ("characters",), SEEDS[:5]),
    "growth": (growth, ("characters",), SEEDS[:5]),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--sets", nargs="+", help="default: those of each part")
    parser.add_argument("--k", type=int, nargs="+", default=list(CASES_A_CLASS))
    parser.add_argument("--seeds", type=int, nargs="+", help="default: those of each part")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--report", action="store_true", help="run nothing, write the report")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    table = options.out / "trust.csv"
    there = done(table, "part", "set", "k", "seed")
    for part in () if options.report else options.parts:
        work, sets, seeds = PARTS[part]
        for seed in options.seeds or seeds:
            for name in options.sets or sets:
                for k in options.k:
                    if name in sets and (part, name, str(k), str(seed)) not in there:
                        keep(table, part, name, k, seed, list(work(name, k, seed)))
    write_report(table, options.out)


def keep(table: Path, part: str, name: str, k: int, seed: int, figures: list[Figure]) -> None:
    """Write the rows of one split, all at once."""
    rows = [(part, name, k, seed, f.method, f.figure, f"{f.value:.6g}") for f in figures]
    append(table, COLUMNS, rows)
    print(part, name, f"k={k} seed {seed}", flush=True)


if __name__ == "__main__":
    main()
