"""A metric of your own: residuals that ignore a constant offset of each channel.

python examples/my_metric.py
"""

import numpy as np

from egem import EGEMClassifier, Training, few_shot_split, load_dataset
from egem.core.metric import METRICS, Metric, Scatter

OFFSET_SPREAD = 10.0  # standard deviation of an offset, in units of the noise
N_CHANNELS = 8


def without_offset(scatter: Scatter, n_values: int, shrinkage: float) -> Metric:
    """Return ``Sigma = v I + B B'`` whose basis B holds the constant sequences of each channel."""
    floor = scatter.mean_variance or 0.25
    constants = np.tile(np.eye(N_CHANNELS), (n_values // N_CHANNELS, 1))  # (t * c, c)
    basis = (OFFSET_SPREAD * np.sqrt(floor) * constants).astype(np.float32)
    return Metric("without offset", basis, float(floor), 1.0, 1.0)


METRICS["without offset"] = without_offset  # the only entry elsewhere

if __name__ == "__main__":
    X, y = load_dataset("digits")
    X, y = X[y < 3], y[y < 3]
    train, test = few_shot_split(y, k=4, seed=0)
    clf = EGEMClassifier(
        metric="without offset",
        views=("recurrent",),
        training=Training(n_updates=500),
        random_state=0,
    ).fit(X[train], y[train])
    clf.save("my_metric.safetensors")
    clf = EGEMClassifier.load("my_metric.safetensors")
    print(f"{clf.score(X[test] + 3.0, y[test]):.3f} of {len(test)} brighter digits are recognised")
