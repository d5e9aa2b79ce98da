"""What EGEM is compared with: a forward LSTM, and one generator for all classes."""

from functools import partial
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Float32, Int, Shaped
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from .decoder import Expert, decode, init_default
from .inversion import on_simplex, published_step
from .validation import as_cases, as_labels

CASES_PER_CALL = 100


class ForwardLSTMClassifier(ClassifierMixin, BaseEstimator):
    """An LSTM whose last state gives the class scores: ordinary classification.

    The paper's comparison, in Keras' manner: Glorot and orthogonal initial weights, forget gates
    opened by one, softmax, mean squared error, Adam.

    Parameters
    ----------
    n_cells : int, default 200
        LSTM cells.
    n_epochs : int, default 300
        Most passes over the training cases.
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
        Passes made.
    best_epoch_ : int
        The one whose weights were kept.
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

    def fit(self, X, y, X_validation=None, y_validation=None) -> Self:
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
        values, y = _time_first(X), as_labels(y, len(X))
        held_out = None if X_validation is None else _time_first(X_validation)
        self.classes_, index = np.unique(y, return_inverse=True)
        rng = np.random.default_rng(self.random_state)
        weights = _forward_start(rng, values.shape[2], self.n_cells, len(self.classes_))
        adam = optax.adam(self.learning_rate, eps=1e-7).init(weights)
        onehot = np.eye(len(self.classes_), dtype=np.float32)[index]
        size = min(self.batch_size, len(y))
        self._weights, best, self.best_epoch_, self.n_epochs_ = weights, -np.inf, 0, 0
        while self.n_epochs_ < self.n_epochs and self.n_epochs_ - self.best_epoch_ < self.patience:
            order = rng.permutation(len(y))
            # The last batch is filled up from the start of the order.
            order = np.resize(order, -(-len(y) // size) * size).reshape(-1, size)
            weights, adam = _forward_epoch(
                weights, adam, values, onehot, order, rate=self.learning_rate
            )
            self.n_epochs_ += 1
            quality = self.n_epochs_
            if held_out is not None:
                scores = _forward_predict(weights, held_out)
                quality = np.mean(self.classes_[scores.argmax(axis=1)] == y_validation)
            if quality > best:
                self._weights, best, self.best_epoch_ = weights, quality, self.n_epochs_
        return self

    def predict_proba(self, X) -> Float32[np.ndarray, "n_cases n_classes"]:
        """Return the softmax of the scores, (n_cases, n_classes)."""
        check_is_fitted(self)
        return _forward_predict(self._weights, _time_first(X))

    def predict(self, X) -> Shaped[np.ndarray, " n_cases"]:
        """Return the likeliest class of each case."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class _Forward(NamedTuple):
    w_in: Float[Array, "c 4h"]
    w_rec: Float[Array, "h 4h"]
    bias: Float[Array, " 4h"]
    w_out: Float[Array, "h n_classes"]
    b_out: Float[Array, " n_classes"]


def _time_first(X) -> Float32[np.ndarray, "n t c"]:
    cases = as_cases(X)
    if len({x.shape[1] for x in cases}) > 1:
        raise ValueError("X holds cases of several lengths; resample or pad them to one.")
    return np.ascontiguousarray(np.stack(cases).swapaxes(1, 2), np.float32)


def _forward_start(rng: np.random.Generator, n_channels: int, h: int, n_classes: int) -> _Forward:
    def glorot(n, m):
        bound = np.sqrt(6.0 / (n + m))
        return rng.uniform(-bound, bound, (n, m)).astype(np.float32)

    orthogonal, _ = np.linalg.qr(rng.normal(size=(4 * h, h)))
    bias = np.zeros(4 * h, np.float32)
    bias[h : 2 * h] = 1.0
    return _Forward(
        jnp.asarray(glorot(n_channels, 4 * h)),
        jnp.asarray(orthogonal.T, jnp.float32),
        jnp.asarray(bias),
        jnp.asarray(glorot(h, n_classes)),
        jnp.zeros(n_classes),
    )


def _forward_scores(w: _Forward, values: Float[Array, "n t c"]) -> Float[Array, "n n_classes"]:
    def step(state, x):
        h, c = state
        i, f, g, o = jnp.split(x @ w.w_in + h @ w.w_rec + w.bias, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    zero = jnp.zeros((len(values), len(w.w_rec)))
    (h, _), _ = jax.lax.scan(step, (zero, zero), jnp.swapaxes(values, 0, 1))
    return jax.nn.softmax(h @ w.w_out + w.b_out)


@partial(jax.jit, static_argnames="rate")
def _forward_epoch(weights: _Forward, adam: Any, values, onehot, order: Int[Array, "b m"], rate):
    optimiser = optax.adam(rate, eps=1e-7)

    def loss(w, batch):
        return jnp.mean((_forward_scores(w, values[batch]) - onehot[batch]) ** 2)

    def update(state, batch):
        weights, adam = state
        step, adam = optimiser.update(jax.grad(loss)(weights, batch), adam)
        return (optax.apply_updates(weights, step), adam), None

    return jax.lax.scan(update, (weights, adam), order)[0]


_scores = jax.jit(_forward_scores)


def _forward_predict(weights: _Forward, values: Float32[np.ndarray, "n t c"]) -> np.ndarray:
    return _in_calls(partial(_scores, weights), values)


def _in_calls(f, values: np.ndarray) -> np.ndarray:
    """Apply ``f`` to calls of one size, so that it is compiled once."""
    n = len(values)
    values = np.pad(values, [(0, -n % CASES_PER_CALL)] + [(0, 0)] * (values.ndim - 1), mode="edge")
    parts = [
        np.asarray(f(values[i : i + CASES_PER_CALL])) for i in range(0, len(values), CASES_PER_CALL)
    ]
    return np.concatenate(parts)[:n]


class OneGeneratorClassifier(ClassifierMixin, BaseEstimator):
    """One generative LSTM for all classes; the class is part of the code (Parts I and II).

    The code is the class as a one-hot vector, with noise in training. A target is inverted as in
    the paper, and the largest component of the class part wins. With ``style_dim > 0`` the code
    has a second, free part: in training each case has a style of its own, learned with the weights;
    in the inversion it starts at the mean style and goes where it likes.

    Parameters
    ----------
    n_cells : int, default 64
        LSTM cells.
    style_dim : int, default 0
        Length of the style.
    code_noise : float, default 0.1
        Sd of the noise on class codes, which are then clipped to [0, 1] and divided by their sum.
    n_updates : int, default 3000
        Adam updates.
    batch_size : int, default 16
        Cases in an update.
    learning_rate : float, default 0.01
        At the start; decays along a cosine.
    n_iterations : int, default 50
        Of the inversion.
    random_state : int, default 0
        Seed.

    Attributes
    ----------
    classes_ : array (n_classes,)
        Labels, sorted.
    train_loss_ : float
        Mean squared error over the training cases, without noise.
    """

    def __init__(
        self,
        n_cells: int = 64,
        style_dim: int = 0,
        code_noise: float = 0.1,
        n_updates: int = 3000,
        batch_size: int = 16,
        learning_rate: float = 0.01,
        n_iterations: int = 50,
        random_state: int = 0,
    ):
        self.n_cells = n_cells
        self.style_dim = style_dim
        self.code_noise = code_noise
        self.n_updates = n_updates
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.n_iterations = n_iterations
        self.random_state = random_state

    def fit(self, X, y) -> Self:
        """Train the generator.

        Parameters
        ----------
        X : array (n_cases, n_channels, n_timepoints)
            Training cases of one length.
        y : array (n_cases,)
            Labels.

        Returns
        -------
        OneGeneratorClassifier
            Itself.
        """
        values, y = _time_first(X), as_labels(y, len(X))
        self.classes_, index = np.unique(y, return_inverse=True)
        onehot = np.eye(len(self.classes_), dtype=np.float32)[index]
        key = jax.random.PRNGKey(self.random_state)
        code_size = len(self.classes_) + self.style_dim
        self._expert, self._styles, loss = _train_generator(
            key,
            init_default(key, code_size, self.n_cells, values.shape[2]),
            values,
            onehot,
            self.style_dim,
            self.code_noise,
            self.n_updates,
            min(self.batch_size, len(y)),
            self.learning_rate,
        )
        self.train_loss_ = float(loss)
        return self

    def invert(self, X) -> Float32[np.ndarray, "n_cases code_size"]:
        """Find each case's code: the class part, clipped and normalised, then the style."""
        check_is_fitted(self)
        n = len(self.classes_)
        start = np.concatenate([np.full(n, 1.0 / n), self._styles.mean(axis=0)])
        search = partial(_search_generator, self._expert, jnp.asarray(start, jnp.float32))
        return _in_calls(
            partial(search, n_classes=n, n_iterations=self.n_iterations), _time_first(X)
        )

    def predict(self, X) -> Shaped[np.ndarray, " n_cases"]:
        """Return the class with the largest component of each case's code."""
        return self.classes_[self.invert(X)[:, : len(self.classes_)].argmax(axis=1)]

    def imagine(
        self, codes: Float[np.ndarray, "n code_size"], n_timepoints: int
    ) -> Float32[np.ndarray, "n n_channels n_timepoints"]:
        """Generate the sequence of each code."""
        check_is_fitted(self)
        return np.asarray(decode(self._expert, jnp.asarray(codes), n_timepoints)).swapaxes(1, 2)


@partial(jax.jit, static_argnames=("style_dim", "n_updates", "batch_size"))
def _train_generator(
    key,
    expert: Expert,
    values: Float[Array, "n t c"],
    onehot: Float[Array, "n k"],
    style_dim: int,
    code_noise,
    n_updates: int,
    batch_size: int,
    learning_rate,
):
    """Fit weights and styles together; returns them and the final loss."""
    n = len(values)
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam())
    styles = 0.1 * jax.random.normal(jax.random.fold_in(key, 1), (n, style_dim))

    def loss(trained, batch, codes):
        expert, styles = trained
        codes = jnp.concatenate([codes, styles[batch]], axis=1)
        return jnp.mean((decode(expert, codes, values.shape[1]) - values[batch]) ** 2)

    def update(i, state):
        trained, adam = state
        pick, noise = jax.random.split(jax.random.fold_in(key, i + 2))
        batch = jax.random.randint(pick, (batch_size,), 0, n)
        codes = onehot[batch]
        codes = on_simplex(codes + code_noise * jax.random.normal(noise, codes.shape))
        step, adam = optimiser.update(jax.grad(loss)(trained, batch, codes), adam)
        rate = 0.5 * learning_rate * (1.0 + jnp.cos(jnp.pi * i / n_updates))
        return jax.tree.map(lambda w, s: w - rate * s, trained, step), adam

    trained = expert, styles
    trained, _ = jax.lax.fori_loop(0, n_updates, update, (trained, optimiser.init(trained)))
    return *trained, loss(trained, jnp.arange(n), onehot)


@partial(jax.jit, static_argnames=("n_classes", "n_iterations"))
def _search_generator(
    expert: Expert, start: Float[Array, " k"], targets, n_classes: int, n_iterations: int
) -> Float[Array, "n k"]:
    def loss(z):
        error = decode(expert, z, targets.shape[1]) - targets
        return jnp.sum(jnp.mean(error**2, axis=(1, 2)))

    def bound(z):
        return jnp.concatenate([on_simplex(z[:, :n_classes]), z[:, n_classes:]], axis=1)

    def iterate(_, state):
        z, m, v = state
        z = bound(z)
        return published_step(z, m, v, jax.grad(loss)(z))

    z = jnp.tile(start, (len(targets), 1))
    zero = jnp.zeros_like(z)
    return bound(jax.lax.fori_loop(0, n_iterations, iterate, (z, zero, zero))[0])
