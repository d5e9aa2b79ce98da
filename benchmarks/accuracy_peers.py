"""Other classifiers, on the same splits.

MiniRocket goes with scikit-learn's ridge (alphas chosen by leaving cases out) on standardised
features; "PrevalidatedRidge" is aeon's, which chooses them by cross-entropy. *With copies* means:
trained on the deformed copies of the training cases, too, that EGEM's linear views get.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from egem.apps.paper.baselines.forward_lstm import ForwardLSTMClassifier
from egem.apps.paper.peers import scaled_ridge, shrunk_discriminant
from egem.calibration.fit import COPIES, MAX_COPIES
from egem.data.augment import deformed_copies, guess_augmentation
from egem.data.cases import as_cases
from egem.data.preparation import fit_preparation
from egem.data.selection import dtw_distances
from splits import Split, flat, padded

Results = Iterator[tuple[str, float, float, float]]  # method, accuracy, seconds to fit and predict
Method = Callable[[Split, int], Results]


def timed(fit: Callable, predict: Callable, name: str, cases: Split) -> Results:
    start = time.perf_counter()
    model = fit()
    fitted = time.perf_counter()
    found = predict(model)
    yield name, float(np.mean(found == cases.y_test)), fitted - start, time.perf_counter() - fitted


def with_copies(cases: Split, seed: int) -> Split:
    """Add the deformed copies to the training cases that EGEM's linear views would get."""
    X = as_cases(cases.X)
    n_copies = int(np.clip(COPIES // len(X), 1, MAX_COPIES))
    augmentation = guess_augmentation(X)
    grid = fit_preparation(X, augmentation == "image", True, None, False)
    rng = np.random.default_rng(seed)
    copies = deformed_copies(X, augmentation, n_copies, grid.mean, grid.scale, rng)
    return cases._replace(X=X + copies, y=np.concatenate([cases.y, np.repeat(cases.y, n_copies)]))


class Rocket:
    """MiniRocket with a ridge classifier, for cases without gaps."""

    def __init__(self, cases: Split, seed: int, ridge: Any = None):
        from aeon.transformations.collection.convolution_based import MiniRocket

        X, _ = padded(cases)
        self.features, self.ridge = MiniRocket(random_state=seed), ridge or scaled_ridge()
        self.ridge.fit(np.asarray(self.features.fit_transform(self._long(X))), cases.y)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return classes."""
        return self.ridge.predict(np.asarray(self.features.transform(self._long(X))))

    @staticmethod
    def _long(X: np.ndarray) -> np.ndarray:
        X = np.asarray(X, np.float32)
        short = max(9 - X.shape[2], 0)  # its kernels have nine taps
        return np.pad(X, ((0, 0), (0, 0), (0, short)), mode="edge")


def minirocket(name: str, make_ridge: Callable = scaled_ridge, copies: bool = False) -> Method:
    """Return a method: MiniRocket with a ridge classifier, with or without deformed copies."""

    def fit_and_predict(cases: Split, seed: int) -> Results:
        train = with_copies(cases, seed) if copies else cases
        X_test = padded(train)[1]
        yield from timed(
            lambda: Rocket(train, seed, make_ridge()), lambda m: m.predict(X_test), name, cases
        )

    return fit_and_predict


def prevalidated_ridge() -> Any:
    """Return aeon's ridge classifier on standardised features, unfitted."""
    from aeon.classification.sklearn import PrevalidatedRidgeClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), PrevalidatedRidgeClassifier())


def of_aeon(name: str, module: str, kind: str) -> Method:
    """Return a method: a classifier of aeon with its defaults."""

    def fit_and_predict(cases: Split, seed: int) -> Results:
        from importlib import import_module

        X, X_test = padded(cases)
        model = getattr(import_module(f"aeon.classification.{module}"), kind)(random_state=seed)
        yield from timed(lambda: model.fit(X, cases.y), lambda m: m.predict(X_test), name, cases)

    return fit_and_predict


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


def nearest_by_penalised_warping(cases: Split, seed: int) -> Results:
    import aeon.distances

    pairwise: Any = aeon.distances.pairwise_distance  # typed for arrays, takes lists as well

    def predict(_) -> np.ndarray:
        X_test, X = (list(map(np.asarray, part)) for part in (cases.X_test, cases.X))
        distances = np.asarray(pairwise(X_test, X, method="adtw"))
        return cases.y[distances.argmin(axis=1)]

    yield from timed(lambda: None, predict, "1NN-ADTW", cases)


def discriminant(cases: Split, seed: int) -> Results:
    if len(cases.y) <= len(np.unique(cases.y)):
        return  # one case a class has no spread to estimate
    X, X_test = padded(cases)
    lda = shrunk_discriminant()
    yield from timed(
        lambda: lda.fit(flat(X), cases.y), lambda model: model.predict(flat(X_test)), "LDA", cases
    )


def forward_lstm(cases: Split, seed: int) -> Results:
    X, X_test = padded(cases)
    model = ForwardLSTMClassifier(n_epochs=300, random_state=seed)
    yield from timed(
        lambda: model.fit(X, cases.y), lambda m: m.predict(X_test), "forward LSTM", cases
    )


PEERS: dict[str, Method] = {
    "1NN-ED": nearest,
    "1NN-DTW": nearest_by_warping,
    "1NN-ADTW": nearest_by_penalised_warping,
    "LDA": discriminant,
    "MiniRocket": minirocket("MiniRocket"),
    "MiniRocket, PrevalidatedRidge": minirocket(
        "MiniRocket, PrevalidatedRidge", prevalidated_ridge
    ),
    "MiniRocket, with copies": minirocket("MiniRocket, with copies", copies=True),
    "MultiRocket-Hydra": of_aeon(
        "MultiRocket-Hydra", "convolution_based", "MultiRocketHydraClassifier"
    ),
    "QUANT": of_aeon("QUANT", "interval_based", "QUANTClassifier"),
    "RDST": of_aeon("RDST", "shapelet_based", "RDSTClassifier"),
    "forward LSTM": forward_lstm,
}
