"""One generator for all classes."""

from functools import partial
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Float32, Shaped
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from egem.apps.paper.baselines.cases import in_calls, time_first
from egem.core.decoder import Decoder
from egem.core.lstm import LSTMDecoder
from egem.core.training import loss as training_loss
from egem.data.validation import as_labels
from egem.ensemble.published import on_simplex, published_step
from egem.runtime.native import accelerated


class OneGeneratorClassifier(ClassifierMixin, BaseEstimator):
    """One generative LSTM for all classes; the class is part of the code (Parts I and II).

    The code is the class as a one-hot vector, with noise in training. A target is inverted as in
    the paper, and the class with the largest entry wins. With ``style_dim > 0`` the code has a
    second, free part: in training each case has a style of its own, learned with the weights; the
    inversion starts at the mean style and sets it no bounds.

    Parameters
    ----------
    n_cells : int, default 64
        LSTM cells.
    style_dim : int, default 0
        Length of the style.
    code_noise : float, default 0.1
        Sd of the noise on class codes, which are then clipped to [0, 1] and normalised.
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
        self._decoder = accelerated(LSTMDecoder(self.n_cells))
        config = (self.style_dim, self.code_noise, self.n_updates, min(self.batch_size, len(y)))
        (self._params, self._styles), loss = _train(
            jax.random.PRNGKey(self.random_state),
            values,
            onehot,
            self._decoder,
            *config,
            self.learning_rate,
        )
        self.train_loss_ = float(loss)
        return self

    def invert(self, X: ArrayLike) -> Float32[np.ndarray, "n_cases code_size"]:
        """Search for each case's code: the class part, clipped and normalised, then the style."""
        check_is_fitted(self)
        n = len(self.classes_)
        start = np.concatenate([np.full(n, 1.0 / n), self._styles.mean(axis=0)])
        search = partial(_search, self._params, jnp.asarray(start, jnp.float32))
        settings = {"decoder": self._decoder, "n_classes": n, "n_iterations": self.n_iterations}
        return in_calls(partial(search, **settings), time_first(X))

    def predict(self, X: ArrayLike) -> Shaped[np.ndarray, " n_cases"]:
        """Return the class with the largest entry of each case's code."""
        return self.classes_[self.invert(X)[:, : len(self.classes_)].argmax(axis=1)]

    def imagine(
        self, codes: Float[np.ndarray, "n code_size"], n_timepoints: int
    ) -> Float32[np.ndarray, "n n_channels n_timepoints"]:
        """Decode codes."""
        check_is_fitted(self)
        decoded = self._decoder.decode_batch(self._params, jnp.asarray(codes), n_timepoints)
        return np.asarray(decoded).swapaxes(1, 2)


@partial(jax.jit, static_argnums=(3, 4, 5, 6, 7, 8))
def _train(
    key,
    values: Float[Array, "n t c"],
    onehot: Float[Array, "n k"],
    decoder: Decoder,
    style_dim: int,
    code_noise: float,
    n_updates: int,
    batch_size: int,
    learning_rate: float,
):
    """Fit parameters and styles together; also return the loss over all cases."""
    n, k = onehot.shape
    rate = optax.cosine_decay_schedule(learning_rate, n_updates)
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))
    styles = 0.1 * jax.random.normal(jax.random.fold_in(key, 1), (n, style_dim))
    trained = decoder.init(key, k + style_dim, values.shape[2]), styles

    def loss(trained, batch, codes):
        codes = jnp.concatenate([codes, trained[1][batch]], axis=1)
        of = values[batch]
        return training_loss(decoder, trained[0], codes, of, jnp.ones(of.shape, bool))

    def update(i, state):
        trained, adam = state
        pick, noise = jax.random.split(jax.random.fold_in(key, i + 2))
        batch = jax.random.randint(pick, (batch_size,), 0, n)
        codes = onehot[batch]
        codes = on_simplex(codes + code_noise * jax.random.normal(noise, codes.shape))
        step, adam = optimiser.update(jax.grad(loss)(trained, batch, codes), adam)
        return optax.apply_updates(trained, step), adam

    trained, _ = jax.lax.fori_loop(0, n_updates, update, (trained, optimiser.init(trained)))
    return trained, loss(trained, jnp.arange(n), onehot)


@partial(jax.jit, static_argnames=("decoder", "n_classes", "n_iterations"))
def _search(
    params: Any,
    start: Float[Array, " k"],
    targets: Float[Array, "n t c"],
    decoder: Decoder,
    n_classes: int,
    n_iterations: int,
) -> Float[Array, "n k"]:
    def loss(z):
        decoded = jnp.asarray(decoder.decode_batch(params, z, targets.shape[1]))
        return jnp.sum(jnp.mean((decoded - targets) ** 2, axis=(1, 2)))

    def bounded(z):
        return jnp.concatenate([on_simplex(z[:, :n_classes]), z[:, n_classes:]], axis=1)

    def iterate(_, state):
        z, m, v = state
        z = bounded(z)
        return published_step(z, m, v, jax.grad(loss)(z))

    z = jnp.tile(start, (len(targets), 1))
    zero = jnp.zeros_like(z)
    return bounded(jax.lax.fori_loop(0, n_iterations, iterate, (z, zero, zero))[0])
