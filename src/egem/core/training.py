"""Training of one expert: gradient descent on pairs of a code and a sequence.

The loss is the mean squared error over the observed values of a batch of pairs, whatever the metric
of recognition. A pair is a mixture
of two training cases, deformed; its code is the mixture of their codes, followed by the coordinates
of the deformation, so that the expert learns both. The paper's pairs are the cases themselves.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from egem.core.config import AnyArray, TrainingConfig
from egem.core.decoder import Decoder


class Pairs(NamedTuple):
    """Training pairs; ``mix first + (1 - mix) second`` is the code, followed by ``warp``."""

    first: AnyArray  # (m,), a case
    second: AnyArray  # (m,), another
    mix: AnyArray  # (m,)
    warp: AnyArray  # (m, w)
    values: AnyArray  # (m, t, c), 0 where not observed
    mask: AnyArray  # (m, t, c), True where observed


class Task(NamedTuple):
    """What one expert is trained on."""

    key: AnyArray  # (2,)
    codes: AnyArray  # (n, k - w), of the cases: one-hot, or the first values of learned ones
    learned: Any  # (), whether codes are trained with the weights
    pairs: Pairs
    n_pairs: Any  # (), the pairs beyond are padding


class State(NamedTuple):
    """What training changes."""

    params: Any
    codes: AnyArray
    optimiser: Any


class Schedule(NamedTuple):
    """The learning rate of update i, ``peak (1 + cos(angle i)) / 2``."""

    peak: Any
    angle: Any

    @classmethod
    def of(cls, config: TrainingConfig) -> "Schedule":
        """Return a cosine that ends at 0, or a constant."""
        angle = np.float32(np.pi) * np.float32(config.cosine / max(config.n_updates, 1))
        return cls(np.float32(config.learning_rate), angle)

    def __call__(self, i):
        """Return the rate of update i."""
        return self.peak * 0.5 * (1.0 + jnp.cos(i * self.angle))


def init(decoder: Decoder, task: Task, config: TrainingConfig) -> State:
    """Draw the first parameters, and return the state before the first update."""
    code_size = task.codes.shape[-1] + task.pairs.warp.shape[-1]
    key = jax.random.fold_in(task.key, 0)
    return with_params(decoder.init(key, code_size, task.pairs.values.shape[-1]), task, config)


def with_params(params: Any, task: Task, config: TrainingConfig) -> State:
    """Return the state before the first update of drawn parameters."""
    return State(params, task.codes, _adam(config).init((params, task.codes)))


def update(decoder: Decoder, state: State, task: Task, i, rate, config: TrainingConfig) -> State:
    """Take one Adam step on a random batch of pairs."""
    keys = jax.random.split(jax.random.fold_in(task.key, i + 1), 3)
    m = jax.random.randint(keys[0], (config.batch_size,), 0, task.n_pairs)
    pairs = jax.tree.map(lambda a: a[m], task.pairs)
    values = pairs.values
    if config.value_noise:
        values += config.value_noise * jax.random.normal(keys[2], values.shape)

    def batch_loss(trained):
        codes = pair_codes(trained[1], pairs)
        if config.code_noise:
            codes = codes + config.code_noise * jax.random.normal(keys[1], codes.shape)
            codes = jnp.clip(codes, 0.0, 1.0) if config.clip_codes else codes
        return loss(decoder, trained[0], codes, values, pairs.mask)

    gradient = jax.grad(batch_loss)((state.params, state.codes))
    gradient = gradient[0], jnp.where(task.learned, gradient[1], 0.0)
    steps, optimiser = _adam(config).update(gradient, state.optimiser)
    trained = state.params, state.codes
    params, codes = jax.tree.map(lambda w, s: w - rate * s, trained, steps)
    return State(params, codes, optimiser)


def pair_codes(codes, pairs: Pairs):
    """Return the codes of pairs, (m, k)."""
    mix = pairs.mix[:, None]
    mixed = mix * codes[pairs.first] + (1.0 - mix) * codes[pairs.second]
    return jnp.concatenate([mixed, pairs.warp], axis=1)


def loss(decoder: Decoder, params: Any, codes, values, mask):
    """Return the mean squared error over the observed values of a batch."""
    y = decoder.decode_batch(params, codes, values.shape[1])
    error = jnp.where(mask, y - values, 0.0)
    return jnp.sum(error**2) / jnp.maximum(jnp.sum(mask), 1)


def _adam(config: TrainingConfig) -> optax.GradientTransformation:
    clip = optax.identity() if config.clip is None else optax.clip_by_global_norm(config.clip)
    return optax.chain(clip, optax.scale_by_adam())
