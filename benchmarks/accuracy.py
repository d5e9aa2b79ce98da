"""Accuracy of the default classifier beside nearest neighbour, on the same splits.

    python benchmarks/accuracy.py [--seeds 10 11 12 13 14] [--datasets characters mnist] [--k 4]

Four random training cases a class by `few_shot_split`; characters are tested on the whole held-out
fifth, MNIST (training cases drawn from its 60,000) on the first 1,000 test digits. Data come from
`EGEM_DATA_DIR` or are downloaded. 'agree' is the share of cases that `predict`, which leaves
hopeless experts early, and a full search put into the same class. The first fit compiles.

Seeds 0 to 9 were used to develop; report on others.
"""

import argparse
import time

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from egem import EGEMClassifier, few_shot_split, load_dataset
from egem.paper.tables import interval


def split(name: str, k: int, seed: int):
    """Return X_train, y_train, X_test, y_test."""
    if name == "mnist":
        X, y = load_dataset("mnist", split="train")
        X_test, y_test = load_dataset("mnist", split="test")
        train, _ = few_shot_split(y, k, seed)
        return X[train], y[train], X_test[:1000], y_test[:1000]
    X, y = load_dataset(name)
    train, test = few_shot_split(y, k, seed)
    return X[train], y[train], X[test], y[test]


def flat(X: np.ndarray) -> np.ndarray:
    return X.reshape(len(X), -1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[10, 11, 12, 13, 14])
    parser.add_argument("--datasets", nargs="+", default=["characters", "mnist"])
    parser.add_argument("--k", type=int, default=4)
    options = parser.parse_args()
    for name in options.datasets:
        print(f"{name}, {options.k} random training cases a class")
        print(f"{'seed':>6} {'1NN-ED':>8} {'egem':>8} {'fit s':>7} {'predict s':>10} {'agree':>7}")
        rows = []
        for seed in options.seeds:
            X, y, X_test, y_test = split(name, options.k, seed)
            nearest = KNeighborsClassifier(1).fit(flat(X), y).score(flat(X_test), y_test)
            start = time.perf_counter()
            clf = EGEMClassifier(random_state=seed).fit(X, y)
            fitted = time.perf_counter()
            fit_took = fitted - start
            accuracy = clf.score(X_test, y_test)
            if not rows:  # the first call compiled; time one that does not
                fitted = time.perf_counter()
                clf.score(X_test, y_test)
            took = time.perf_counter() - fitted
            scores = clf.invert(X_test).scores
            agree = np.mean(clf.predict(X_test) == clf.classes_[scores.argmin(axis=1)])
            rows.append((nearest, accuracy, agree))
            times = f"{fit_took:7.1f} {took:10.1f}"
            print(f"{seed:>6} {nearest:8.3f} {accuracy:8.3f} {times} {agree:7.4f}", flush=True)
        table = np.array(rows)
        gain = table[:, 1] - table[:, 0]
        mean = table.mean(axis=0)
        print(f"{'mean':>6} {mean[0]:8.3f} {mean[1]:8.3f} {'':>18} {mean[2]:7.4f}")
        if len(gain) > 1:
            above, low, *_ = interval(gain)
            print(f"egem above 1NN-ED by {above:.3f} +- {above - low:.3f} (paired, 95%)\n")


if __name__ == "__main__":
    main()
