"""The published search with every iteration recorded, for charts and animations.

:mod:`egem.ensemble.published` returns where a search ends. This takes the same steps.
"""

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32

from egem.core.config import AnyArray
from egem.core.decoder import Decoder
from egem.core.inversion import Targets, losses
from egem.core.metric import Metric
from egem.ensemble.cases import BoundCases
from egem.ensemble.inversion import invert
from egem.ensemble.published import on_simplex, published_step
from egem.model import Model
from egem.runtime.native import accelerated
from egem.runtime.parallel import run


class Iterations(NamedTuple):
    """Codes that are decoded at each iteration of a search, the random start first.

    Attributes
    ----------
    codes : array (n_cases, n_classes, n_iterations + 1, code_size)
        They are neither clipped nor normalised, but for the first.
    losses : array (n_cases, n_classes, n_iterations + 1)
        Their losses; the first is that of the random start as drawn.
    """

    codes: Float32[np.ndarray, "n e i k"]
    losses: Float32[np.ndarray, "n e i"]


def iterations(model: Model, X: Float32[np.ndarray, "n c t"], n_jobs: int | None) -> Iterations:
    """Search for the codes of cases by all experts of a model whose classes are of equal size."""
    start = invert(without_steps(model), list(X), n_jobs=n_jobs)
    preparation, metric = model.preparation, model.recurrent
    cases = BoundCases.of(preparation.apply(preparation.align(list(X))), metric)
    targets, decoder = cases.targets(np.arange(len(X))), accelerated(model.decoder)

    def work(e: int, _) -> tuple[np.ndarray, np.ndarray]:
        params, first = model.experts[e].params, start.codes[:, e]
        codes, found = _iterate(decoder, params, targets, metric, first, model.search.max_steps)
        codes = np.concatenate([first[None], codes])
        return codes, np.concatenate([start.losses[None, :, e], found])

    each = run(work, range(len(model.classes)), n_jobs, lambda _: None)
    codes, found = (np.stack(a) for a in zip(*each, strict=True))  # experts, iterations, cases
    return Iterations(np.moveaxis(codes, 2, 0), np.moveaxis(found, 2, 0))


def without_steps(model: Model) -> Model:
    """Return the model with a search that ends at its random start."""
    return replace(model, search=replace(model.search, max_steps=0))


@partial(jax.jit, static_argnums=(0, 5))
def _iterate(
    decoder: Decoder, params: Any, targets: Targets, metric: Metric, codes, n_iterations: int
) -> tuple[Float[Array, "i n k"], Float[AnyArray, "i n"]]:
    def loss(codes):
        return losses(decoder, params, codes, targets, metric)

    gradient = jax.grad(lambda codes: loss(codes).sum())

    def iterate(state, _):
        z, m, v = state
        z = on_simplex(z)
        state = published_step(z, m, v, gradient(z))
        return state, (state[0], loss(state[0]))

    zero = jnp.zeros_like(codes)
    return jax.lax.scan(iterate, (codes, zero, zero), None, length=n_iterations)[1]
