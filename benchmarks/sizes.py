"""Time and memory that fit and predict take for wide and for long cases, each in its own process.

    python benchmarks/sizes.py [--sizes 1000x30x12 300x30x12 1x100000x6]

A size is channels x time points x cases; the cases are random walks, of two classes. CPU seconds
are those of all threads together, and vary less than seconds where others use the machine.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
import warnings

import numpy as np

SIZES = "3x60x12", "60x60x60", "300x30x12", "1000x30x12", "1x10000x12", "1x100000x6"


def main() -> None:
    """Measure each size in a process of its own, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", default=SIZES, help="channels x points x cases")
    parser.add_argument("--here", action="store_true", help="measure in this process")
    options = parser.parse_args()
    if options.here:
        print(json.dumps(measured(*map(int, options.sizes[0].split("x")))))
        return
    print("| channels x points x cases | fit s | predict s | CPU s | before, GB | peak, GB |")
    print("|---|---|---|---|---|---|")
    for size in options.sizes:
        command = [sys.executable, __file__, "--here", "--sizes", size]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        row = json.loads(done.stdout.splitlines()[-1])
        print(f"| {size} | " + " | ".join(f"{value:.2f}" for value in row) + " |", flush=True)


def measured(n_channels: int, n_points: int, n_cases: int) -> list[float]:
    """Return seconds of fit, predict and of all CPUs, and GB before and at most."""
    from egem import EGEMClassifier

    warnings.simplefilter("ignore")  # more channels than time points
    y = np.arange(n_cases) % 2
    X, others = (walks(n_cases, n_channels, n_points, seed) for seed in (0, 1))
    before, cpu, began = peak_memory(), time.process_time(), time.perf_counter()
    classifier = EGEMClassifier(random_state=0).fit(X, y)
    fitted = time.perf_counter()
    classifier.predict(others)
    seconds = fitted - began, time.perf_counter() - fitted, time.process_time() - cpu
    return [*seconds, before, peak_memory()]


def walks(n_cases: int, n_channels: int, n_points: int, seed: int) -> np.ndarray:
    """Make random walks; those of odd cases drift."""
    steps = np.random.default_rng(seed).normal(size=(n_cases, n_channels, n_points))
    steps[1::2] += 0.1
    return steps.cumsum(axis=2)


def peak_memory() -> float:
    """Return the largest resident memory of this process so far, in GB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1e9 if sys.platform == "darwin" else 1e9 / 1024)


if __name__ == "__main__":
    main()
