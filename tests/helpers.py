"""Data and settings that tests share."""

import json

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from egem import LSTMDecoder, Training
from egem.runtime.files import checksum

QUICK = {
    "decoder": LSTMDecoder(8),
    "training": Training(n_updates=100),
    "random_state": 0,
}


def make_waves(n_a_class, seed=0, labels=("down", "still", "up")):
    """Two channels, 12 to 24 time points: ramps that fall, stay or rise, on a cosine."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for slope, label in zip(np.linspace(-1, 1, len(labels)), labels, strict=True):
        for _ in range(n_a_class):
            t = np.linspace(0, 1, rng.integers(12, 25))
            ramp = 5 + slope * t + 0.1 * rng.normal()
            wave = 100 * np.cos((6 + slope) * t + 0.2 * rng.normal())
            X.append(np.stack([ramp, wave]) + rng.normal(size=(2, len(t))) * [[0.02], [2.0]])
            y.append(label)
    return X, np.array(y)


def rewritten(source, folder, change):
    """Change a model's file, and make its checksum right again."""
    path = folder / "rewritten.safetensors"
    with safe_open(source, framework="numpy") as file:
        header = json.loads(file.metadata()["egem"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    header.pop("checksum")
    change(header, arrays)
    header["checksum"] = checksum(arrays, header)
    save_file(arrays, path, metadata={"egem": json.dumps(header)})
    return path
