"""The Levenberg-Marquardt search (Marquardt 1963; Moré 1978).

A step solves ``(A + damping diag A) step = g`` with the gradient g and Gauss-Newton curvature A of
the score, both halved. The damping falls where the score fell, and grows where it did not.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from egem.core.config import AnyArray

INITIAL_DAMPING = 1e-2
DECREASE, INCREASE = 0.2, 5.0  # of the damping, where the score fell and where it did not
MAX_DAMPING = 1e4  # no shorter step helps: a minimum, in float32
TOLERANCE = 1e-3  # relative fall of the score in a step, below which a search has converged
UNKNOWN = 1e30  # score before the first evaluation


class Quadratic(NamedTuple):
    """The score about a code: its two terms, halved gradient and Gauss-Newton curvature."""

    loss: AnyArray  # ()
    prior: AnyArray  # ()
    gradient: AnyArray  # (k,)
    curvature: AnyArray  # (k, k)

    @property
    def score(self) -> AnyArray:
        """What is minimised."""
        return self.loss + self.prior


class LMState(NamedTuple):
    """The state of a search."""

    code: AnyArray  # (k,), the best so far
    at: Quadratic  # the score about that code
    damping: AnyArray  # (), of the next step
    n_steps: AnyArray  # (), taken after the first evaluation; -1 before it
    converged: AnyArray  # ()
    predicted_reduction: AnyArray  # (), of the score by an undamped step


def init(codes: np.ndarray) -> LMState:
    """Return searches, of any leading axes, that have not evaluated their first codes yet."""
    (*n, k), dtype = codes.shape, codes.dtype
    zero, none = np.zeros(n, dtype), np.full(n, UNKNOWN, dtype)
    curvature = np.broadcast_to(np.eye(k, dtype=dtype), (*n, k, k)).copy()
    at = Quadratic(none, zero.copy(), np.zeros((*n, k), dtype), curvature)
    damping = zero + INITIAL_DAMPING / DECREASE  # the first evaluation counts as a fall
    return LMState(codes, at, damping, np.full(n, -1, np.int32), np.zeros(n, bool), zero.copy())


def search(evaluate: Callable, state: LMState, max_steps, bounds: tuple) -> LMState:
    """Take up to ``max_steps`` steps; ``evaluate`` returns the quadratic at each code."""

    def unfinished(loop):
        return (loop[0] < max_steps) & ~jnp.all(loop[1].converged)

    def body(loop):
        codes = propose(loop[1], bounds)
        return loop[0] + 1, accept_or_reject(loop[1], codes, evaluate(codes))

    end = jax.lax.while_loop(unfinished, body, (0, state))[1]
    return end._replace(predicted_reduction=_each(predicted_reduction, end.damping.ndim)(end.at))


def propose(state: LMState, bounds: tuple) -> AnyArray:
    """Return the codes to evaluate next."""
    step = _each(damped_newton_step, state.damping.ndim)(state.at, state.damping)
    return jnp.clip(state.code - step, *bounds)


def accept_or_reject(state: LMState, codes, there: Quadratic) -> LMState:
    """Move where the score fell; raise the damping where it did not; leave converged searches."""
    before, after = state.at.score, there.score
    n_steps, small = state.n_steps + 1, before - after <= TOLERANCE * jnp.abs(before)
    damping, reduction = state.damping, state.predicted_reduction
    moved = LMState(codes, there, damping * DECREASE, n_steps, small, reduction)
    stayed = state._replace(
        damping=damping * INCREASE, n_steps=n_steps, converged=damping > MAX_DAMPING
    )
    fell = after < before  # False for NaN as well
    return _where(state.converged, state, _where(fell, moved, stayed))


def damped_newton_step(at: Quadratic, damping) -> AnyArray:
    """Solve ``(A + damping diag A) step = g``, (k,)."""
    diagonal = jnp.diag(at.curvature)
    damped = at.curvature + jnp.diag(damping * diagonal + 1e-9 * jnp.max(diagonal) + 1e-20)
    return jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(damped), at.gradient)


def predicted_reduction(at: Quadratic) -> AnyArray:
    """Return by how much an undamped step lowers the quadratic model of the score."""
    return jnp.sum(damped_newton_step(at, 0.0) * at.gradient)


def _each(function: Callable, n_axes: int) -> Callable:
    """Map a function of one search over leading axes."""
    for _ in range(n_axes):
        function = jax.vmap(function)
    return function


def _where(condition, yes, no):
    """Take a pytree's entries from ``yes`` where the condition holds, else from ``no``."""
    n = condition.ndim
    return jax.tree.map(
        lambda a, b: jnp.where(jnp.expand_dims(condition, tuple(range(n, a.ndim))), a, b), yes, no
    )
