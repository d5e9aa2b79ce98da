"""Classifiers that `speed.py` measures beside each other, all on the same cases."""

from collections.abc import Callable

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from accuracy_peers import Rocket
from egem import EGEMClassifier
from egem.data.selection import dtw_distances
from splits import Split, flat, padded

EPOCHS, SCALED_EPOCHS = 300, 3  # of the forward LSTM, and those that are measured
FORWARD = "forward LSTM"  # in PyTorch


def methods(cases: Split, seed: int) -> dict[str, tuple[Callable, Callable]]:
    """Return how each method is fitted, and how what was fitted predicts."""
    import torch
    from aeon.classification.convolution_based import MultiRocketHydraClassifier

    from published_torch import train_forward

    X, X_test = padded(cases)
    classes, codes = np.unique(cases.y, return_inverse=True)
    x, x_test = (torch.tensor(np.moveaxis(a, 1, 2), dtype=torch.float32) for a in (X, X_test))

    def forward_predict(model):
        with torch.no_grad():
            return [model(some) for some in x_test.split(256)]

    return {
        "EGEM": (
            lambda: EGEMClassifier(random_state=seed).fit(cases.X, cases.y),
            lambda model: model.predict(cases.X_test),
        ),
        "1NN-ED": (
            lambda: KNeighborsClassifier(1).fit(flat(X), cases.y),
            lambda model: model.predict(flat(X_test)),
        ),
        "1NN-DTW": (
            lambda: None,
            lambda _: dtw_distances(list(cases.X_test), list(cases.X), window=0.1),
        ),
        "MiniRocket": (lambda: Rocket(cases, seed), lambda model: model.predict(X_test)),
        "MultiRocket-Hydra": (
            lambda: MultiRocketHydraClassifier(random_state=seed).fit(X, cases.y),
            lambda model: model.predict(X_test),
        ),
        FORWARD: (
            lambda: train_forward(x, torch.tensor(codes), len(classes), SCALED_EPOCHS),
            forward_predict,
        ),
    }
