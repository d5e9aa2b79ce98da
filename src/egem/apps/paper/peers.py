"""The rows of other methods, on the same cases."""

import warnings
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from egem.apps.paper.baselines.forward_lstm import ForwardLSTMClassifier
from egem.apps.paper.baselines.one_generator import OneGeneratorClassifier
from egem.apps.paper.protocol import Draw
from egem.apps.paper.runs import Result, Run
from egem.classifier import EGEMClassifier
from egem.settings import Training

EPOCHS = {"few": 300, "mnist full": 8, "characters full": 150}
NEEDS_AEON = "it needs aeon; run: pip install 'egem[data]'"


class PeerMissing(ImportError):
    """A row needs a package that is not installed."""


def _flat(X: Float[np.ndarray, "n c t"]) -> Float[np.ndarray, "n ct"]:
    return X.reshape(len(X), -1)


def _scored(predicted, cases: Draw, **further: float) -> Result:
    right = np.asarray(predicted) == cases.y_test
    by_class = [round(float(right[cases.y_test == c].mean()), 5) for c in np.unique(cases.y)]
    return Result({"accuracy": float(right.mean()), "accuracy_by_class": by_class, **further})


def nearest_neighbour(run: Run, cases: Draw, n_jobs: int | None) -> Result:
    """1NN by Euclidean distance."""
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(1).fit(_flat(cases.X), cases.y)
    return _scored(model.predict(_flat(cases.X_test)), cases)


def nearest_by_warping(run: Run, cases: Draw, n_jobs: int | None) -> Result:
    """1NN by dynamic time warping within a tenth of the length."""
    from egem.data.selection import dtw_distances

    try:
        distances = dtw_distances(list(cases.X_test), list(cases.X), window=0.1)
    except ImportError as error:
        raise PeerMissing(NEEDS_AEON) from error
    return _scored(cases.y[distances.argmin(axis=1)], cases)


def minirocket(run: Run, cases: Draw, n_jobs: int | None) -> Result:
    """MiniRocket's convolution features and a ridge classifier."""
    try:
        from aeon.transformations.collection.convolution_based import MiniRocket
    except ImportError as error:
        raise PeerMissing(NEEDS_AEON) from error
    features = MiniRocket(random_state=run.seed % 2**31, n_jobs=n_jobs or 1)
    model = scaled_ridge()
    model.fit(np.asarray(features.fit_transform(cases.X)), cases.y)
    return _scored(model.predict(np.asarray(features.transform(cases.X_test))), cases)


def discriminant(run: Run, cases: Draw, n_jobs: int | None) -> Result:
    """Linear discriminant analysis with shrinkage 0.2."""
    model = shrunk_discriminant()
    model.fit(_flat(cases.X), cases.y)
    return _scored(model.predict(_flat(cases.X_test)), cases)


def scaled_ridge():
    """Return the ridge classifier that goes with MiniRocket's features, unfitted."""
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=np.logspace(-3, 3, 10)))


def shrunk_discriminant():
    """Return linear discriminant analysis with shrinkage 0.2, unfitted."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.2)


def gaussian_process(run: Run, cases: Draw, n_jobs: int | None) -> Result:
    """A Gaussian process classifier, one class against the rest."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessClassifier
    from sklearn.gaussian_process.kernels import RBF

    X = _flat(cases.X)
    # The median distance between cases: a start from which the length scale is fitted.
    gaps = np.sqrt(((X[:, None] - X[None]) ** 2).sum(axis=-1))
    scale = float(np.median(gaps[gaps > 0]))
    kernel = 1.0 * RBF(scale, (scale / 30, scale * 30))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of a scale at its bound
        model = GaussianProcessClassifier(kernel, random_state=run.seed % 2**31).fit(X, cases.y)
    return _scored(model.predict(_flat(cases.X_test)), cases)


def forward_lstm(run: Run, cases: Draw, n_jobs: int | None) -> Result:
    """The paper's forward LSTM, as many cells as all experts together."""
    full = len(cases.X) > 10 * len(np.unique(cases.y))
    n_epochs = EPOCHS[f"{run.task.name} full" if full else "few"]
    if run.task.quick:
        n_epochs = min(n_epochs, 4 if full else 60)
    model = ForwardLSTMClassifier(
        n_epochs=n_epochs, batch_size=run.task.batch_size, random_state=run.seed % 2**31
    )
    model.fit(cases.X, cases.y, cases.X_validation, cases.y_validation)
    predicted = model.predict(cases.X_test)
    return _scored(predicted, cases, epochs=model.n_epochs_, best_epoch=model.best_epoch_)


def one_generator(run: Run, cases: Draw, n_jobs: int | None) -> Result:
    """Part I: one generator for all classes."""
    n_updates = 500 if run.task.quick else 3000
    model = OneGeneratorClassifier(n_updates=n_updates, random_state=run.seed % 2**31)
    model.fit(cases.X, cases.y)
    return _scored(model.predict(cases.X_test), cases, train_mse=model.train_loss_)


def default_egem(run: Run, cases: Draw, n_jobs: int | None) -> Result:
    """EGEM with this library's defaults."""
    model = EGEMClassifier(random_state=run.seed % 2**31, n_jobs=n_jobs)
    if run.task.quick:
        model.set_params(training=Training(n_updates=500))
    model.fit(cases.X, cases.y)
    return _scored(model.predict(cases.X_test), cases)


Row = Callable[[Run, Draw, int | None], Result]
PEERS: dict[str, Row] = {
    "1NN": nearest_neighbour,
    "LDA": discriminant,
    "MiniRocket": minirocket,
    "1NN-DTW": nearest_by_warping,
    "Gaussian process": gaussian_process,
    "EGEM default": default_egem,
    "one generator": one_generator,
    "forward LSTM": forward_lstm,
}
