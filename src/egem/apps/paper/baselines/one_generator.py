"""One generator for all classes."""

from functools import partial
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Float32, Shaped
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from egem.apps.paper.baselines.cases import in_calls, time_first
from egem.data.validation import as_labels
from egem.ensemble.decoder import Expert, decode, init_default
from egem.ensemble.published import on_simplex, published_step


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

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
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
        values = time_first(X)
        y = as_labels(y, len(values))
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

    def invert(self, X: ArrayLike) -> Float32[np.ndarray, "n_cases code_size"]:
        """Find each case's code: the class part, clipped and normalised, then the style."""
        check_is_fitted(self)
        n = len(self.classes_)
        start = np.concatenate([np.full(n, 1.0 / n), self._styles.mean(axis=0)])
        search = partial(_search_generator, self._expert, jnp.asarray(start, jnp.float32))
        return in_calls(partial(search, n_classes=n, n_iterations=self.n_iterations), time_first(X))

    def predict(self, X: ArrayLike) -> Shaped[np.ndarray, " n_cases"]:
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
