"""The ensemble: the experts of all classes in all views, and what they decode."""

from dataclasses import dataclass
from functools import cached_property, partial

import jax
import numpy as np
from jaxtyping import Float, Float32, Shaped

from egem.core.config import SearchConfig
from egem.core.decoder import Decoder
from egem.core.metric import Metric
from egem.data.preparation import Preparation
from egem.ensemble.bank import Bank
from egem.ensemble.codes import TrainedExpert
from egem.ensemble.conformal import Calibration
from egem.runtime.batching import batched_indices
from egem.runtime.forks import claim_jax
from egem.runtime.memo import Cached
from egem.runtime.native import accelerated
from egem.runtime.numerics import own_numerics
from egem.views.linear import LocalExperts
from egem.views.views import Views

CASES_PER_BATCH = 16


@dataclass(frozen=True, eq=False, kw_only=True)
class Ensemble(Cached):
    """Everything that a search and a decision need; immutable."""

    classes: Shaped[np.ndarray, " n_classes"]  # labels, sorted
    # the recurrent experts, one a class; () where the recurrent view counts in no score
    experts: tuple[TrainedExpert, ...]
    decoder: Decoder  # of the recurrent experts
    preparation: Preparation  # scaling and grid
    metric: Metric | None  # of the recurrent view; None without one
    views: Views | None  # the views with linear experts, and all weights; None without such views
    linear_experts: tuple[tuple[LocalExperts, ...], ...]  # by view and by class
    calibration: Calibration  # inverse temperature, and the scores of held-out cases
    method: str  # how codes are searched for
    search: SearchConfig  # settings of that search
    seed: int  # seed of the paper's random starts

    @cached_property
    def bank(self) -> Bank:
        """The recurrent experts side by side, with decoded codebooks."""
        metric = self.recurrent
        n_steps = self.preparation.n_steps
        return Bank.of(self.experts, self.decoder, metric, self.search, n_steps)

    @property
    def recurrent(self) -> Metric:
        """The recurrent view's metric.

        Raises
        ------
        ValueError
            Where there is no recurrent view.
        """
        if self.metric is None:
            raise ValueError(
                "this model has no recurrent experts, so it decodes no sequences; fit it with "
                "'recurrent' among its views."
            )
        return self.metric

    def imagine(
        self, e: int, codes: Float[np.ndarray, "n k"]
    ) -> Float32[np.ndarray, "n n_channels n_timepoints"]:
        """Decode codes by expert number ``e``, in the user's units."""
        return self.preparation.restore(self.imagine_steps(e, codes))

    def imagine_steps(
        self, e: int, codes: Float[np.ndarray, "n k"]
    ) -> Float32[np.ndarray, "n n_steps n_channels"]:
        """Decode codes by expert number ``e``, standardised, on the grid."""
        params, codes = self._of_expert(e, codes)
        n_steps = self.preparation.n_steps
        steps = np.zeros((len(codes), n_steps, self.preparation.n_channels), np.float32)
        with own_numerics():
            for at in batched_indices(len(codes), CASES_PER_BATCH):
                steps[at] = _decode(params, codes[at], accelerated(self.decoder), n_steps)
        return steps

    def linearise(
        self, e: int, code: Float[np.ndarray, " k"]
    ) -> tuple[Float[np.ndarray, "t c"], Float[np.ndarray, "k t c"]]:
        """Return the sequence of a code, on the grid, and its derivatives along the code."""
        params, codes = self._of_expert(e, code[None])
        decoder, n_steps = accelerated(self.decoder), self.preparation.n_steps
        with own_numerics():
            y, jacobian = _linearise(params, codes, decoder, n_steps)
        return np.asarray(y[0], np.float64), np.asarray(jacobian[0], np.float64)

    def _of_expert(self, e: int, codes: Float[np.ndarray, "n k"]):
        """Return the parameters of an expert, and codes cut to its size."""
        _ = self.recurrent
        claim_jax()
        expert = self.experts[e]
        return expert.params, np.asarray(codes[:, : expert.code_size], np.float32)


@partial(jax.jit, static_argnums=(2, 3))
def _decode(params, codes, decoder: Decoder, n_steps: int):
    return decoder.decode_batch(params, codes, n_steps)


@partial(jax.jit, static_argnums=(2, 3))
def _linearise(params, codes, decoder: Decoder, n_steps: int):
    return decoder.linearise(params, codes, n_steps)
