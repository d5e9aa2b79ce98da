"""Small models, for benchmarks of files."""

from pathlib import Path
from typing import Any

import numpy as np

from egem import EGEMClassifier, LSTMDecoder, Training

N_TIMEPOINTS = 16
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "recurrent": {"views": ("recurrent",), "augment": "none"},
    "linear": {"views": ("linear",), "metric": "mse"},
}


def waves(n_per_class: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw cases of three classes, two channels each: a ramp and a cosine."""
    rng = np.random.default_rng(0)
    y = np.repeat(["down", "still", "up"], n_per_class)
    slope = np.repeat([-1.0, 0.0, 1.0], n_per_class)[:, None]
    t = np.linspace(0, 1, N_TIMEPOINTS)
    X = np.stack([5 + slope * t, 100 * np.cos((6 + slope) * t)], axis=1)
    return X + rng.normal(size=X.shape) * [[0.1], [2.0]], y


def write_models(folder: Path) -> list[Path]:
    """Fit a model of each kind, write them to a folder, and return their files."""
    X, y = waves(3)
    small = {"decoder": LSTMDecoder(4), "training": Training(n_updates=50), "random_state": 0}
    folder.mkdir(exist_ok=True)
    files = []
    for name, settings in SETTINGS.items():
        files.append(folder / f"{name}.safetensors")
        EGEMClassifier(**small, **settings).fit(X, y).save(files[-1])
    return files
