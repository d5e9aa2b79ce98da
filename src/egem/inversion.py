"""Inverse classification: find the code whose sequence comes nearest to a target.

Two searches. :func:`levenberg_marquardt`, the default, starts from the best of a book of decoded
codes and minimises, by damped Gauss-Newton steps::

    score(z) = loss(y(z), x) + prior(z)
    loss  = r' Sigma_oo^-1 r / n_observed,                r = y(z) - x   (see egem.metric)
    prior = strength * noise * |z - mean|^2_precision / n_observed

which is, up to factors, minus the log posterior of the code. :func:`published_adam` is the paper's:
50 Adam-like steps on clipped and normalised codes from the uniform one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float32, Int, PRNGKeyArray, Shaped

from .arrays import AnyArray
from .decoder import Expert, decode, decode_with_jacobian
from .metric import Metric, inner, squared

PRIOR_STRENGTH = 1.0
MAX_STEPS = 20
FIRST_DAMPING = 1e-2
TOLERANCE = 1e-3  # relative fall of the score in a step below which a search has converged


@dataclass(frozen=True, eq=False)
class Inversion:
    """What every expert made of every case.

    Attributes
    ----------
    classes : array (n_classes,)
        Class labels, the order of the second axis everywhere.
    losses : array (n_cases, n_classes)
        Remaining loss in the metric, per observed value.
    priors : array (n_cases, n_classes)
        Price of the code, in the same units; ``losses + priors`` is what the search minimised and
        what decides.
    codes : array (n_cases, n_classes, code_size)
        The codes found; experts with shorter codes have NaN at the end.
    n_steps : array of int (n_cases, n_classes)
        Steps taken.
    converged : array of bool (n_cases, n_classes)
        True where the last step changed the score by less than 0.1 %; False where the search was
        still falling when its steps were used up (raise ``n_iterations``).
    """

    classes: Shaped[np.ndarray, " n_classes"]
    losses: Float32[np.ndarray, "n_cases n_classes"]
    priors: Float32[np.ndarray, "n_cases n_classes"]
    codes: Float32[np.ndarray, "n_cases n_classes code_size"]
    n_steps: Int[np.ndarray, "n_cases n_classes"]
    converged: Bool[np.ndarray, "n_cases n_classes"]
    _decode: Callable[[int, np.ndarray], np.ndarray] = field(repr=False)
    evidence: "Evidence | None" = field(default=None, repr=False)

    @property
    def scores(self) -> Float32[np.ndarray, "n_cases n_classes"]:
        """What decides, (n_cases, n_classes); the lowest wins.

        Losses and priors together, or, where the metric compares in further spaces, the weighted
        geometric mean of that and of the losses there.
        """
        return decisive(self.losses + self.priors, self.evidence)

    @property
    def log_scores(self) -> Float[np.ndarray, "n_cases n_classes"]:
        """Logs of :attr:`scores`, (n_cases, n_classes)."""
        return floored_log(self.scores)

    @property
    def strangeness(self) -> Float[np.ndarray, " n_cases"]:
        """How far each case is from the nearest class, (n_cases,): a log score.

        Unlike in :attr:`scores`, all spaces count in full: whether features are to be trusted with
        a case is another matter than whether it looks like the training cases.
        """
        return (self.log_scores + (self.evidence.doubted if self.evidence else 0.0)).min(axis=1)

    @property
    def reconstructions(self) -> Float32[np.ndarray, "n_cases n_classes n_channels n_timepoints"]:
        """What each expert imagined for each case, in the user's units; decoded at every call."""
        return np.stack([self._decode(e, self.codes[:, e]) for e in range(len(self.classes))], 1)

    def reconstructions_of(self, label) -> Float32[np.ndarray, "n_cases n_channels n_timepoints"]:
        """What one class's expert imagined for each case, in the user's units.

        Raises
        ------
        ValueError
            Where there is no such class.
        """
        e = class_index(self.classes, label)
        return self._decode(e, self.codes[:, e])


class Evidence(NamedTuple):
    """What else than the experts' own losses counts in the decision.

    Attributes
    ----------
    log_losses : array (n_cases, n_classes)
        Weighted sum of the log losses in further spaces.
    share : float
        Weight of the log of the experts' own losses; all weights sum to 1.
    doubted : array (n_cases, n_classes)
        Log losses left out of the former, where they are not to be trusted.
    """

    log_losses: Float[np.ndarray, "n_cases n_classes"]
    share: float
    doubted: Float[np.ndarray, "n_cases n_classes"]

    def __getitem__(self, index) -> "Evidence":  # type: ignore[override]
        return Evidence(self.log_losses[index], self.share, self.doubted[index])


def decisive(
    scores: Float32[np.ndarray, "n_cases n_classes"], evidence: Evidence | None
) -> Float32[np.ndarray, "n_cases n_classes"]:
    """Join the experts' own scores with further evidence, if there is any."""
    if evidence is None:
        return scores
    own = floored_log(scores)
    return np.exp(evidence.share * own + evidence.log_losses).astype(np.float32)


def floored_log(losses: Float32[np.ndarray, "n_cases n_classes"]) -> Float[np.ndarray, "n c"]:
    """Return the logs of losses, in double precision; a loss of 0 has one as well."""
    return np.log(np.maximum(losses, 1e-12, dtype=np.float64))


def class_index(classes: Shaped[np.ndarray, " n_classes"], label) -> int:
    """Find a label's position, or say clearly that there is none."""
    found = np.flatnonzero(classes == label)
    if not len(found):
        shown = ", ".join(repr(c) for c in classes.tolist()[:20])
        raise ValueError(f"label {label!r} is not a class of this model; its classes are {shown}.")
    return int(found[0])


class Searcher(NamedTuple):
    """An expert ready to search: its decoder, prior on codes, and book of starts."""

    expert: Expert
    code_mean: Float[AnyArray, "*e k"]
    code_precision: Float[AnyArray, "*e k"]
    book: Float[AnyArray, "*e m k"]
    book_values: Float[AnyArray, "*e m p"]


class Targets(NamedTuple):
    """Cases as the search wants them: flat, 0 where missing, with their share of the metric."""

    values: Float[AnyArray, "n p"]
    mask: Bool[AnyArray, "n p"]
    factor: Float[AnyArray, "q q"] | Float[AnyArray, "n q q"]  # one for all, or one a case
    n_observed: Float[AnyArray, " n"]


class Found(NamedTuple):
    """Result of searches; leading axes of experts and cases."""

    codes: Float[AnyArray, "*n k"]
    losses: Float[AnyArray, "*n"]
    priors: Float[AnyArray, "*n"]
    n_steps: Int[AnyArray, "*n"]
    converged: Bool[AnyArray, "*n"]
    damping: Float[AnyArray, "*n"]  # where the search left it, to go on from


@partial(jax.jit, static_argnames="n_steps")
def open_books(
    expert: Expert, mean, precision, book: Float[Array, "e m k"], n_steps: int
) -> Searcher:
    """Decode the books of a tile of experts."""
    values = jax.vmap(partial(decode, n_steps=n_steps))(expert, book)
    return Searcher(expert, mean, precision, book, values.reshape(*book.shape[:2], -1))


class _Model(NamedTuple):
    """Everything a Levenberg-Marquardt step needs to know at a code."""

    loss: Float[AnyArray, "*n"]
    prior: Float[AnyArray, "*n"]
    gradient: Float[AnyArray, "*n k"]
    curvature: Float[AnyArray, "*n k k"]


class _Search(NamedTuple):
    """Where searches stand; every field with the same leading axes."""

    code: Float[AnyArray, "*n k"]
    at: _Model
    damping: Float[AnyArray, "*n"]
    taken: Int[AnyArray, "*n"]
    converged: Bool[AnyArray, "*n"]


def inversion_losses(
    expert: Expert, codes: Float[AnyArray, "n k"], targets: Targets, metric: Metric
) -> Float[Array, " n"]:
    """Loss of each code against its target: the metric's mean over the observed values."""
    imagined = decode(expert, codes, _n_steps(expert, targets)).reshape(targets.values.shape)
    residuals = jnp.where(targets.mask, imagined - targets.values, 0.0)
    lengths = squared(metric, targets.factor, residuals[:, None])[:, 0]
    return jnp.asarray(lengths) / targets.n_observed


def _n_steps(expert: Expert, targets: Targets) -> int:
    return targets.values.shape[-1] // expert.b_out.shape[-1]


def _linearise(
    searcher: Searcher, targets: Targets, metric: Metric, strength, codes: Float[AnyArray, "n k"]
) -> _Model:
    """Evaluate each score at its code with its gradient and Gauss-Newton curvature, halved."""
    y, jacobian = decode_with_jacobian(searcher.expert, codes, _n_steps(searcher.expert, targets))
    residuals = y.reshape(targets.values.shape) - targets.values
    rows = jnp.concatenate([jacobian.reshape(*codes.shape, -1), residuals[:, None]], axis=1)
    rows = jnp.where(targets.mask[:, None], rows, 0.0)
    n_observed = targets.n_observed[:, None]
    gram = inner(metric, targets.factor, rows, rows) / n_observed[..., None]
    weight = strength * metric.noise / n_observed * searcher.code_precision
    away = codes - searcher.code_mean
    return _Model(
        loss=gram[:, -1, -1],
        prior=jnp.sum(weight * away**2, axis=1),
        gradient=gram[:, -1, :-1] + weight * away,
        curvature=gram[:, :-1, :-1] + jax.vmap(jnp.diag)(weight),
    )


def _first_codes(
    searcher: Searcher, targets: Targets, metric: Metric, strength
) -> Float[Array, "n k"]:
    """Screen the book: for each target the code of the lowest score."""
    away = jnp.sum(searcher.code_precision * (searcher.book - searcher.code_mean) ** 2, axis=-1)

    def screen(values, mask, factor, n_observed):
        residuals = jnp.where(mask, searcher.book_values - values, 0.0)
        priors = strength * metric.noise * away
        return jnp.argmin((squared(metric, factor, residuals) + priors) / n_observed)

    shared = None if targets.factor.ndim == 2 else 0
    return searcher.book[jax.vmap(screen, (0, 0, shared, 0))(*targets)]


@partial(jax.jit, static_argnames="max_steps")
def levenberg_marquardt(
    searchers: Searcher, targets: Targets, metric: Metric, strength, max_steps: int
) -> Found:
    """Search with every expert of a tile for every target of a tile.

    Parameters
    ----------
    searchers : Searcher
        With a leading axis of experts.
    targets : Targets
        With a leading axis of cases.
    metric : Metric
        The metric of the loss.
    strength : float
        Weight of the code prior.
    max_steps : int
        Most steps; a search stops where it has converged.

    Returns
    -------
    Found
        With leading axes of experts and cases.
    """
    codes = jax.vmap(lambda s: _first_codes(s, targets, metric, strength))(searchers)
    zero = jnp.zeros(codes.shape[:2], int)
    begun = Found(codes, zero, zero, zero, zero.astype(bool), zero + FIRST_DAMPING)
    return levenberg_marquardt_on(searchers, targets, metric, strength, begun, max_steps)


@partial(jax.jit, static_argnames="max_steps")
def levenberg_marquardt_on(
    searchers: Searcher, targets: Targets, metric: Metric, strength, begun: Found, max_steps: int
) -> Found:
    """Go on with searches that :func:`levenberg_marquardt` left unfinished.

    Parameters
    ----------
    searchers, targets, metric, strength
        As before.
    begun : Found
        With leading axes of experts and cases.
    max_steps : int
        Most further steps.

    Returns
    -------
    Found
        With leading axes of experts and cases.
    """

    def linearise(codes: Float[AnyArray, "e n k"]) -> _Model:
        return jax.vmap(lambda s, z: _linearise(s, targets, metric, strength, z))(searchers, codes)

    search = _Search(
        begun.codes, linearise(begun.codes), begun.damping, begun.n_steps, begun.converged
    )
    return _descend(linearise, search, max_steps)


def _descend(linearise: Callable[[AnyArray], _Model], search: _Search, max_steps: int) -> Found:
    """Take damped steps until every search has converged, or ``max_steps`` of them."""
    damped_step = jax.vmap(jax.vmap(_damped_step))

    def step(search: _Search) -> _Search:
        tried = search.code - damped_step(search.at, search.damping)
        there = linearise(tried)
        before, after = search.at.loss + search.at.prior, there.loss + there.prior
        better = after < before  # False for NaN as well
        moved = _Search(
            tried,
            there,
            search.damping * 0.2,
            search.taken + 1,
            before - after <= TOLERANCE * jnp.abs(before),
        )
        stayed = search._replace(
            damping=search.damping * 5.0,
            taken=search.taken + 1,
            converged=search.damping > 1e4,  # no shorter step helps: a minimum, in float32
        )
        return _choose(search.converged, search, _choose(better, moved, stayed))

    def unfinished(state):
        i, search = state
        return (i < max_steps) & ~jnp.all(search.converged)

    _, search = jax.lax.while_loop(unfinished, lambda s: (s[0] + 1, step(s[1])), (0, search))
    return Found(
        search.code,
        search.at.loss,
        search.at.prior,
        search.taken,
        search.converged,
        search.damping,
    )


def _damped_step(at: _Model, damping) -> Float[Array, " k"]:
    """Solve ``(A + damping diag A) step = gradient``."""
    diagonal = jnp.diag(at.curvature)
    damped = at.curvature + jnp.diag(damping * diagonal + 1e-9 * jnp.max(diagonal) + 1e-20)
    return jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(damped), at.gradient)


def _choose(condition: Bool[AnyArray, "*n"], yes, no):
    """Take a pytree's entries from ``yes`` where the condition holds, else from ``no``."""

    def leaf(a, b):
        trailing = (1,) * (a.ndim - condition.ndim)
        return jnp.where(condition.reshape(condition.shape + trailing), a, b)

    return jax.tree.map(leaf, yes, no)


@partial(jax.jit, static_argnames="n_iterations")
def published_adam(
    searchers: Searcher,
    targets: Targets,
    metric: Metric,
    keys: PRNGKeyArray,
    n_iterations: int,
) -> Found:
    """Search as the paper does (METHOD: 50 iterations, no bias correction, rate 0.05).

    Each iteration clips the code to [0, 1], divides it by its sum, decodes, and takes an Adam-like
    step along the gradient at that normalised code. At the end the code is decoded as it is, and
    that loss decides; the code returned is clipped and normalised.

    Parameters
    ----------
    searchers, targets, metric
        As for :func:`levenberg_marquardt`.
    keys : PRNGKeyArray (n_experts, n_cases)
        Randomness of the starts, uniform in 1/K +- 0.005.
    n_iterations : int
        Number of steps; 0 gives the loss of the random start.

    Returns
    -------
    Found
        With priors 0 and ``converged`` True: the published procedure has no such notion.
    """

    def losses_of(codes: Float[Array, "e n k"]) -> Float[Array, "e n"]:
        one = partial(inversion_losses, targets=targets, metric=metric)
        return jax.vmap(one)(searchers.expert, codes)

    gradient = jax.grad(lambda codes: jnp.sum(losses_of(codes)))
    k = searchers.book.shape[-1]
    start = jax.vmap(jax.vmap(lambda key: jax.random.uniform(key, (k,), minval=-1.0)))(keys)
    codes = 1.0 / k + 0.005 * start

    def iterate(_, state):
        z, m, v = state
        z = on_simplex(z)
        return published_step(z, m, v, gradient(z))

    zero = jnp.zeros_like(codes)
    z, *_ = jax.lax.fori_loop(0, n_iterations, iterate, (codes, zero, zero))
    losses = losses_of(z)
    steps = jnp.full(losses.shape, n_iterations)
    nothing = jnp.zeros_like(losses)
    return Found(on_simplex(z), losses, nothing, steps, jnp.isfinite(losses), nothing)


def published_step(z: Array, m: Array, v: Array, gradient: Array) -> tuple[Array, Array, Array]:
    """Take the paper's Adam-like step: no bias correction, rate 0.05, betas 0.9 and 0.99."""
    m, v = 0.9 * m + 0.1 * gradient, 0.99 * v + 0.01 * gradient**2
    return z - 0.05 * m / (jnp.sqrt(v) + 1e-8), m, v


def on_simplex(z: Float[Array, "*n k"]) -> Float[Array, "*n k"]:
    """Clip to [0, 1] and divide by the sum, as the paper does before each decoding."""
    z = jnp.clip(z, 0.0, 1.0)
    return z / jnp.maximum(jnp.sum(z, axis=-1, keepdims=True), 1e-8)
