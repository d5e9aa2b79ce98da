"""The published setting, exactly: 50 iterations of the search against none.

    python benchmarks/published.py [--dataset characters] [--seed 10] [--noise 0 0]

Trains experts by the published recipe (one pair a step, Adam at 0.01, 40,000 or 20,000 updates) on
four random cases a class, and compares the random start of the inversion with its 50th iteration:
accuracy, and the mean loss of the true class's expert. `egem reproduce` does the whole table.
"""

import argparse
import time
from dataclasses import replace

import numpy as np

from egem import EGEMClassifier
from splits import split


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", choices=["characters", "mnist"], default="characters")
    parser.add_argument("--seed", type=int, default=10)
    parser.add_argument("--noise", type=float, nargs=2, default=(0.0, 0.0))
    options = parser.parse_args()
    X, y, X_test, y_test = split(options.dataset, 4, options.seed)
    clf = EGEMClassifier.paper(
        options.dataset, noise=tuple(options.noise), random_state=options.seed, verbose=True
    )
    start = time.perf_counter()
    clf.fit(X, y)
    print(f"trained in {time.perf_counter() - start:.0f} s, mean MSE {clf.train_loss_.mean():.4f}")
    truth = np.searchsorted(clf.classes_, y_test)
    print(f"{'iterations':>10} {'accuracy':>9} {'own MSE':>8}")
    for n_iterations in (0, 50):
        search = replace(clf.model_.search, max_steps=n_iterations)
        clf.model_ = replace(clf.model_, search=search)
        losses = clf.losses(X_test)
        accuracy = np.mean(losses.argmin(axis=1) == truth)
        own = losses[np.arange(len(truth)), truth].mean()
        print(f"{n_iterations:>10} {accuracy:9.3f} {own:8.4f}", flush=True)


if __name__ == "__main__":
    main()
