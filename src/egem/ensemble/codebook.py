"""Codebooks: the starts of all searches, compared with all cases by one product of matrices.

With ``w = L^-1 B' x`` as in :mod:`egem.core.metric`, the squared length of ``x - y`` is that of x
and that of y, less twice ``(x'y - w_x' w_y) / floor``: a product of all cases with the decoded
codes of all experts. What does not depend on the case is one more column of it.
"""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float32, Int

from egem.core.decoder import Decoder
from egem.core.metric import Metric
from egem.ensemble.cases import BoundCases
from egem.runtime.memo import Cached, Last
from egem.runtime.parallel import run
from egem.runtime.progress import Advance

SCORES_AT_ONCE = 2**21
MAX_KEPT = 2**25  # values of codebooks of which a second layout stays in memory


@dataclass(frozen=True, eq=False)
class Codebook(Cached):
    """The decoded codebooks of all experts."""

    values: Float32[np.ndarray, "b p"]  # sequences, flat, those of an expert next to each other
    # ``prior_weight noise |z - mean|^2_precision`` of their codes
    penalties: Float32[np.ndarray, "e m"]
    metric: Metric  # the metric of the loss

    def only(self, e: int) -> "Codebook":
        """Return the codebook of one expert."""
        n_codes = self.penalties.shape[1]
        values = self.values[e * n_codes :][:n_codes]
        return Codebook(values, self.penalties[e : e + 1], self.metric)

    def observed(
        self,
        experts: Int[np.ndarray, " e"],
        seen: Bool[np.ndarray, " p"],
        factor: Float32[np.ndarray, "q q"],
    ) -> "_Observed":
        """Prepare the codebooks of some experts for cases that miss the same values."""

        def make() -> _Observed:
            values = self.values.reshape(*self.penalties.shape, -1)
            if not every:
                values = values[experts]
            return _Observed.of(values, self.penalties[experts], experts, seen, self.metric, factor)

        every = len(experts) == len(self.penalties)
        if not every or self.values.size > MAX_KEPT:
            return make()
        return self._last.get(seen.tobytes(), make)

    @cached_property
    def _last(self) -> "Last[_Observed]":
        """For a single case, the preparation is much of the work."""
        return Last()


class Screened(NamedTuple):
    """The best code of each expert's codebook for each case: its place, loss and prior."""

    place: Int[np.ndarray, "n e"]
    losses: Float32[np.ndarray, "n e"]
    priors: Float32[np.ndarray, "n e"]


def screen(
    codebook: Codebook,
    cases: BoundCases,
    among: Bool[np.ndarray, "n e"] | None = None,
    n_jobs: int | None = 1,
) -> Screened:
    """Find the code of the lowest score in each expert's codebook for each case.

    ``among`` are the pairs of a case and an expert that count, None for all; losses of the others
    may be inf.
    """
    values, mask = cases.flat
    n, n_experts = len(values), len(codebook.penalties)
    out = Screened(
        np.zeros((n, n_experts), np.int32),
        np.full((n, n_experts), np.inf, np.float32),
        np.zeros((n, n_experts), np.float32),
    )

    def work(task: tuple[Int[np.ndarray, " m"], _Observed], advance: Advance) -> None:
        some, codes = task
        place, scores = codes.best(values[some])
        priors = np.take_along_axis(codes.penalties.T, place, axis=0)
        n_observed = cases.n_observed[some][:, None]
        pairs = some[:, None], codes.experts
        out.place[pairs] = place
        out.losses[pairs] = (scores - priors) / n_observed
        out.priors[pairs] = priors / n_observed

    for pattern in np.unique(cases.pattern):
        alike = np.flatnonzero(cases.pattern == pattern)
        experts = np.arange(n_experts)
        if among is not None:
            experts = experts[among[alike].any(axis=0)]
        codes = codebook.observed(experts, mask[alike[0]], cases.factors[pattern])
        n_parts = -(-len(alike) * codes.penalties.size // SCORES_AT_ONCE)
        parts = np.array_split(alike, n_parts)
        run(work, [(some, codes) for some in parts], n_jobs, lambda _: None)
    return out


class _Observed(NamedTuple):
    """Codebooks as far as cases that miss the same values can be compared with them."""

    columns: Float32[np.ndarray, "b p+q+1"]
    penalties: Float32[np.ndarray, "e m"]
    experts: Int[np.ndarray, " e"]
    metric: Metric
    factor: Float32[np.ndarray, "q q"]

    @classmethod
    def of(
        cls,
        values: Float32[np.ndarray, "e m p"],
        penalties: Float32[np.ndarray, "e m"],
        experts: Int[np.ndarray, " e"],
        seen: Bool[np.ndarray, " p"],
        metric: Metric,
        factor: Float32[np.ndarray, "q q"],
    ) -> "_Observed":
        """Lay out one column a code: the sequence, its projection, and what no case changes."""
        flat = values.reshape(-1, values.shape[2])
        flat = flat if seen.all() else flat * seen
        projected = (flat @ metric.basis) @ factor.T
        alone = _lengths(flat, projected, metric) + penalties.ravel()
        scale = np.float32(-2.0 / metric.floor)
        columns = np.concatenate([scale * flat, -scale * projected, alone[:, None]], axis=1)
        return cls(columns, penalties, experts, metric, factor)

    def best(
        self, values: Float32[np.ndarray, "n p"]
    ) -> tuple[Int[np.ndarray, "n e"], Float32[np.ndarray, "n e"]]:
        """Return the place of the lowest score in each codebook, and that score."""
        projected = (values @ self.metric.basis) @ self.factor.T
        ones = np.ones((len(values), 1), np.float32)
        rows = np.concatenate([values, projected, ones], axis=1)
        scores = (rows @ self.columns.T).reshape(len(values), *self.penalties.shape)
        place = scores.argmin(axis=2)
        lowest = np.take_along_axis(scores, place[:, :, None], axis=2)[:, :, 0]
        return place, lowest + _lengths(values, projected, self.metric)[:, None]


def _lengths(plain: np.ndarray, projected: np.ndarray, metric: Metric) -> np.ndarray:
    """Squared lengths in the metric, of values and their projections on its basis."""
    squares = np.einsum("np,np->n", plain, plain) - np.einsum("nq,nq->n", projected, projected)
    return squares / np.float32(metric.floor)


def decoded(
    decoder: Decoder, params: Any, codes: Float32[np.ndarray, "e m k"], n_steps: int
) -> Float32[np.ndarray, "e m p"]:
    """Decode the codes of experts with codes of one size."""
    return np.asarray(_decode(params, codes, decoder, n_steps)).reshape(*codes.shape[:2], -1)


@partial(jax.jit, static_argnums=(2, 3))
def _decode(params: Any, codes, decoder: Decoder, n_steps: int):
    return jax.vmap(lambda p, z: decoder.decode_batch(p, z, n_steps))(params, codes)
