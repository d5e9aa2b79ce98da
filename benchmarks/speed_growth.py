"""One point of the growth curves of `speed.py`, in a process of its own.

    python benchmarks/speed_growth.py N_CLASSES N_CASES N_TIMEPOINTS N_CHANNELS N_TEST

Fits and classifies smooth random sequences and prints one JSON object: seconds (compilation apart,
as JAX reports it), peak memory, and float operations a second of training as a share of a float32
matrix product's.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

os.environ["EGEM_COMPILED"] = "off"

import jax
import numpy as np

from egem import EGEMClassifier, LSTMDecoder

N_WAVES = 6
COMPILING = (
    "/jax/core/compile/jaxpr_trace_duration",
    "/jax/core/compile/jaxpr_to_mlir_module_duration",
    "/jax/core/compile/backend_compile_duration",
)


def trajectories(
    n_classes: int, n_cases: int, n_timepoints: int, n_channels: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw sums of a few waves: a class has its own, a case varies their heights and its pace."""
    shape = n_classes, 1, n_channels, N_WAVES
    heights = rng.normal(size=shape) / np.arange(1, N_WAVES + 1)
    phases = 2 * np.pi * rng.random(shape)
    heights = heights * (1 + 0.15 * rng.normal(size=(n_classes, n_cases, n_channels, N_WAVES)))
    pace = 1 + 0.05 * rng.normal(size=(n_classes, n_cases, 1, 1))
    time_points = pace * np.linspace(0, 1, n_timepoints)
    X = np.zeros((n_classes, n_cases, n_channels, n_timepoints), np.float32)
    for w in range(N_WAVES):
        angle = 2 * np.pi * (w + 1) * time_points + phases[..., w, None]
        X += (heights[..., w, None] * np.sin(angle)).astype(np.float32)
    X += 0.05 * rng.normal(size=X.shape).astype(np.float32)
    y = np.repeat(np.arange(n_classes), n_cases)
    return X.reshape(-1, n_channels, n_timepoints), y


def matmul_rate() -> float:
    """Float operations a second of a float32 matrix product on all cores."""
    a = np.random.default_rng(0).normal(size=(2048, 2048)).astype(np.float32)
    taken = []
    for _ in range(7):
        start = time.perf_counter()
        _ = a @ a
        taken.append(time.perf_counter() - start)
    return 2 * 2048**3 / float(np.median(taken))


def training_operations(clf: EGEMClassifier) -> float:
    """Multiply-adds of the decoder in training, counted as 2; activations not at all."""
    recipe, grid = clf.model_.settings.recipe, clf.preparation_
    assert isinstance(recipe.decoder, LSTMDecoder)
    h, t, c = recipe.decoder.n_cells or 0, grid.n_steps, grid.n_channels
    forward = 2 * t * h * (4 * h + c)
    return 3.0 * forward * recipe.config.n_updates * recipe.config.batch_size * len(clf.classes_)


def peak_gib() -> float:
    """Most memory of this process; Linux counts into `getrusage` what started it, so not that."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**20
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    n_classes, n_cases, n_timepoints, n_channels, n_test = map(int, sys.argv[1:6])
    rate = matmul_rate()
    rng = np.random.default_rng(0)
    each = n_cases + -(-min(n_test, 20_000) // n_classes)
    X, y = trajectories(n_classes, each, n_timepoints, n_channels, rng)
    train = np.tile(np.arange(each) < n_cases, n_classes)
    test = np.resize(rng.permutation(np.flatnonzero(~train)), n_test)
    X_test, y_test = X[test], y[test]
    compiling = [0.0]

    def count(event: str, duration_secs: float, **kwargs: str | int) -> None:
        compiling[0] += duration_secs if event in COMPILING else 0.0

    jax.monitoring.register_event_duration_secs_listener(count)
    start = time.perf_counter()
    clf = EGEMClassifier(random_state=0).fit(X[train], y[train])
    fitted, fit_compiling = time.perf_counter() - start, compiling[0]
    clf.predict(X_test[:16])
    clf.predict(X_test[: min(n_test, 300)])
    found, seconds = y_test, []
    for _ in range(7 if n_test <= 1000 else 3):
        start = time.perf_counter()
        found = clf.predict(X_test)
        seconds.append(time.perf_counter() - start)
    found_share = training_operations(clf) / max(fitted - fit_compiling, 1e-9) / rate
    print(
        json.dumps(
            {
                "fit seconds": fitted - fit_compiling,
                "fit compiling": fit_compiling,
                "predict seconds": float(np.median(seconds)),
                "accuracy": float((found == y_test).mean()),
                "peak GiB": peak_gib(),
                "share of matrix product": found_share,
            }
        )
    )


if __name__ == "__main__":
    main()
