"""A forward LSTM."""

from functools import partial
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Float32, Int, Shaped
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from egem.apps.paper.baselines.cases import in_calls, time_first
from egem.data.validation import as_labels


class ForwardLSTMClassifier(ClassifierMixin, BaseEstimator):
    """An LSTM whose last state gives the class scores: ordinary classification.

    The paper's comparison, as in Keras: Glorot and orthogonal initial weights, forget gates opened
    by one, softmax, mean squared error, Adam.

    Parameters
    ----------
    n_cells : int, default 200
        LSTM cells.
    n_epochs : int, default 300
        Largest number of passes over the training cases.
    batch_size : int, default 32
        Cases in an update.
    learning_rate : float, default 0.001
        Adam's.
    patience : int, default 50
        Epochs without a better validation accuracy after which training ends.
    random_state : int, default 0
        Seed.

    Attributes
    ----------
    classes_ : array (n_classes,)
        Labels, sorted.
    n_epochs_ : int
        Passes taken.
    best_epoch_ : int
        Pass whose weights were kept.
    """

    def __init__(
        self,
        n_cells: int = 200,
        n_epochs: int = 300,
        batch_size: int = 32,
        learning_rate: float = 0.001,
        patience: int = 50,
        random_state: int = 0,
    ):
        self.n_cells = n_cells
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.patience = patience
        self.random_state = random_state

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        X_validation: ArrayLike | None = None,
        y_validation: ArrayLike | None = None,
    ) -> Self:
        """Train, and keep the weights that are best on held-out cases.

        Parameters
        ----------
        X : array (n_cases, n_channels, n_timepoints)
            Training cases of one length.
        y : array (n_cases,)
            Labels.
        X_validation, y_validation : optional
            Held-out cases; without them the last weights are kept.

        Returns
        -------
        ForwardLSTMClassifier
            Itself.
        """
        values = time_first(X)
        y = as_labels(y, len(values))
        held_out = None if X_validation is None else time_first(X_validation)
        self.classes_, index = np.unique(y, return_inverse=True)
        rng = np.random.default_rng(self.random_state)
        weights = _start(rng, values.shape[2], self.n_cells, len(self.classes_))
        adam = _adam(self.learning_rate).init(weights)
        onehot = np.eye(len(self.classes_), dtype=np.float32)[index]
        size = min(self.batch_size, len(y))
        self._weights, best, self.best_epoch_, self.n_epochs_ = weights, -np.inf, 0, 0
        while self.n_epochs_ < self.n_epochs and self.n_epochs_ - self.best_epoch_ < self.patience:
            order = rng.permutation(len(y))
            # The last batch is filled up from the start of the order.
            order = np.resize(order, -(-len(y) // size) * size).reshape(-1, size)
            weights, adam = _epoch(weights, adam, values, onehot, order, self.learning_rate)
            self.n_epochs_ += 1
            quality = self.n_epochs_
            if held_out is not None:
                scores = in_calls(partial(_scores, weights), held_out)
                quality = np.mean(self.classes_[scores.argmax(axis=1)] == y_validation)
            if quality > best:
                self._weights, best, self.best_epoch_ = weights, quality, self.n_epochs_
        return self

    def predict_proba(self, X: ArrayLike) -> Float32[np.ndarray, "n_cases n_classes"]:
        """Return the softmax of the scores, (n_cases, n_classes)."""
        check_is_fitted(self)
        return in_calls(partial(_scores, self._weights), time_first(X))

    def predict(self, X: ArrayLike) -> Shaped[np.ndarray, " n_cases"]:
        """Return the likeliest class of each case."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class _Weights(NamedTuple):
    w_in: Float[Array, "c 4h"]
    w_rec: Float[Array, "h 4h"]
    bias: Float[Array, " 4h"]
    w_out: Float[Array, "h n_classes"]
    b_out: Float[Array, " n_classes"]


def _start(rng: np.random.Generator, n_channels: int, h: int, n_classes: int) -> _Weights:
    def glorot(n, m):
        bound = np.sqrt(6.0 / (n + m))
        return rng.uniform(-bound, bound, (n, m))

    orthogonal, _ = np.linalg.qr(rng.normal(size=(4 * h, h)))
    bias = np.zeros(4 * h)
    bias[h : 2 * h] = 1.0
    weights = glorot(n_channels, 4 * h), orthogonal.T, bias, glorot(h, n_classes)
    return _Weights(*(jnp.asarray(w, jnp.float32) for w in (*weights, np.zeros(n_classes))))


def _adam(learning_rate) -> optax.GradientTransformation:
    return optax.adam(learning_rate, eps=1e-7)  # Keras' eps


@jax.jit
def _scores(w: _Weights, values: Float[Array, "n t c"]) -> Float[Array, "n n_classes"]:
    def step(state, x):
        h, c = state
        i, f, g, o = jnp.split(x @ w.w_in + h @ w.w_rec + w.bias, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    zero = jnp.zeros((len(values), len(w.w_rec)))
    (h, _), _ = jax.lax.scan(step, (zero, zero), jnp.swapaxes(values, 0, 1))
    return jax.nn.softmax(h @ w.w_out + w.b_out)


@jax.jit
def _epoch(weights: _Weights, adam: Any, values, onehot, order: Int[Array, "b m"], learning_rate):
    def loss(w, batch):
        return jnp.mean((_scores(w, values[batch]) - onehot[batch]) ** 2)

    def update(state, batch):
        weights, adam = state
        step, adam = _adam(learning_rate).update(jax.grad(loss)(weights, batch), adam)
        return (optax.apply_updates(weights, step), adam), None

    return jax.lax.scan(update, (weights, adam), order)[0]
