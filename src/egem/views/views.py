"""Views: the representations in which every class has a linear expert, and how they are pooled.

A view represents a sequence by a vector: the values on the grid (``"linear"``), convolution
features along time or, for images, along columns (``"features"``, ``"columns"``), or a user's own
representation. In each view the scatter of cases about their class means is estimated from all
classes together, and the log loss is averaged over several shrinkages and ridges, weighted by how
well each predicted held-out training cases (:mod:`egem.calibration.weights`).
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy.special import expit

from egem.core.classify import safe_log
from egem.core.metric import Scatter
from egem.data.cases import Case
from egem.data.preparation import Batch, Coverage
from egem.runtime.memo import Cached, Last
from egem.views.features import Along, Convolutions, fit_convolutions
from egem.views.linear import LocalExperts
from egem.views.linear_losses import LinearLosses, LinearMetric

RECURRENT, LINEAR, FEATURES, COLUMNS, OWN = "recurrent", "linear", "features", "columns", "own"
VIEWS = (RECURRENT, LINEAR, FEATURES, COLUMNS)
CONVOLUTIONS: dict[str, Along] = {FEATURES: "time", COLUMNS: "channels"}

# The out-of-distribution gate. A case whose loss in the linear view is this many standard
# deviations above that of held-out training cases is unlike them, and its features are not trusted.
GATE, GATE_WIDTH = 1.75, 0.25
# Nor are they where more of a case is missing than of training cases: features fill gaps with
# lines, and those of a prefix are not those of the whole. From full trust to none, in shares of a
# case.
GAPS, GAPS_WIDTH = 0.15, 0.1


class ViewLosses(NamedTuple):
    """What the linear views add to the scores."""

    # weighted sum of the log losses in the linear views
    log_losses: Float[np.ndarray, "n_cases n_classes"]
    recurrent_weight: float  # weight of the log score of the recurrent view; all weights sum to 1
    # Part of that sum which the out-of-distribution gate removed
    gated: Float[np.ndarray, "n_cases n_classes"]

    @staticmethod
    def joined(parts: "list[ViewLosses]") -> "ViewLosses":
        """Concatenate cases."""
        return ViewLosses(
            np.concatenate([part.log_losses for part in parts]),
            parts[0].recurrent_weight,
            np.concatenate([part.gated for part in parts]),
        )

    def __getitem__(self, index: Any) -> "ViewLosses":  # type: ignore[override]
        return ViewLosses(self.log_losses[index], self.recurrent_weight, self.gated[index])


def pooled(
    scores: Float32[np.ndarray, "n_cases n_classes"], views: ViewLosses | None
) -> Float32[np.ndarray, "n_cases n_classes"]:
    """Pool the recurrent view's scores with the losses in the linear views, if there are any."""
    if views is None:
        return scores
    return np.exp(views.recurrent_weight * safe_log(scores) + views.log_losses).astype(np.float32)


@runtime_checkable
class Representation(Protocol):
    """A user's own view: vectors of sequences.

    Examples
    --------
    Spectra, which do not depend on when something happened:

    >>> import numpy as np
    >>> class Spectra:
    ...     def fit(self, cases):
    ...         self.length = max(x.shape[1] for x in cases)
    ...         return self
    ...     def transform(self, cases):
    ...         padded = [np.nan_to_num(x) for x in cases]
    ...         power = [abs(np.fft.rfft(x, self.length)) for x in padded]
    ...         return np.log1p(np.array([p.ravel() for p in power]))
    >>> isinstance(Spectra(), Representation)
    True
    """

    def fit(self, cases: list[Case]) -> Self:
        """Learn what is needed from training cases, arrays (n_channels, length_i)."""
        ...

    def transform(self, cases: list[Case]) -> Float[np.ndarray, "n p"]:
        """Represent each case by a finite vector."""
        ...


class HeldOutLoss(NamedTuple):
    """Mean and standard deviation of held-out training cases' log loss in their own class."""

    mean: float
    spread: float


@dataclass(frozen=True, eq=False)
class View(Cached):
    """A representation with the metrics of its linear experts, fitted to all classes."""

    name: str  # ``"linear"``, ``"features"``, ``"columns"`` or ``"own"``
    representation: Convolutions | Representation | None  # None for the values on the grid
    scatter: Scatter  # about class means
    metrics: tuple[LinearMetric, ...]  # averaged over
    weight: float  # exponent of this view's loss in the score
    held_out_loss: HeldOutLoss | None = None  # None where no training case could be held out

    def represent(self, cases: list[Case], batch: Batch, n_jobs: int | None) -> Batch:
        """Represent cases, of which ``batch`` are the values on the grid."""
        return represent(self.representation, cases, batch, n_jobs)

    def log_losses(
        self, experts: Sequence[LocalExperts], batch: Batch
    ) -> Float[np.ndarray, "n n_classes"]:
        """Return the log loss of represented cases in every class's nearest local expert."""

        def make() -> tuple[LinearLosses, tuple[LocalExperts, ...]]:  # which keeps the ids taken
            return LinearLosses.of(self.scatter, experts, self.metrics), tuple(experts)

        return self._last.get(tuple(map(id, experts)), make)[0].averaged(batch)

    @cached_property
    def _last(self) -> Last[tuple[LinearLosses, tuple[LocalExperts, ...]]]:
        """For a single case, laying the experts out is most of the work."""
        return Last()

    def deviation(self, log_losses: Float[np.ndarray, "n n_classes"]) -> Float[np.ndarray, " n"]:
        """Return by how many standard deviations the smallest loss exceeds held-out cases'."""
        if self.held_out_loss is None:
            return np.zeros(len(log_losses))
        return (log_losses.min(axis=1) - self.held_out_loss.mean) / self.held_out_loss.spread


@dataclass(frozen=True, eq=False)
class Views:
    """All views of a model beside the recurrent one, and the weights of all."""

    linear: tuple[View, ...]  # the views with linear experts
    recurrent_weight: float  # weight of the recurrent view; 0 without one
    coverage: Coverage  # how much of the training cases is observed

    @property
    def total_weight(self) -> float:
        """Sum of all weights."""
        return self.recurrent_weight + sum(view.weight for view in self.linear)

    def pool(
        self,
        log_losses: Sequence[Float[np.ndarray, "n n_classes"]],
        mask: Bool[np.ndarray, "n n_steps n_channels"],
    ) -> ViewLosses:
        """Pool the log losses of the views; the gate removes features of unusual cases."""
        counted = np.zeros_like(log_losses[0])
        gated = np.zeros_like(counted)
        trust = np.ones((len(counted), 1))
        for view, losses in zip(self.linear, log_losses, strict=True):
            if view.name == LINEAR:
                unusual = (GATE - view.deviation(losses)) / GATE_WIDTH
                gaps = (GAPS - self.coverage.lacking(mask)) / GAPS_WIDTH
                trust = (expit(unusual) * np.clip(gaps, 0.0, 1.0))[:, None]
                counted += view.weight * losses
            else:
                counted += trust * view.weight * losses
                gated += (1.0 - trust) * view.weight * losses
        total = self.total_weight
        return ViewLosses(counted / total, self.recurrent_weight / total, gated / total)


def resolve_views(views: Any, augmentation: str) -> tuple:
    """Return the views that are asked for, in one order: results do not depend on the user's.

    Raises
    ------
    ValueError
        Where one is unknown, given twice, or there is none.
    """
    if isinstance(views, str):
        return VIEWS if augmentation == "image" else VIEWS[:-1]
    for view in views:
        own = isinstance(view, Representation) and not isinstance(view, type)
        if not (view in VIEWS if isinstance(view, str) else own):
            raise ValueError(
                f"views must hold {', '.join(map(repr, VIEWS))} or objects with fit and transform; "
                f"it holds {view!r}."
            )
    names = [view for view in views if isinstance(view, str)]
    if not views or len(set(names)) < len(names):
        raise ValueError(f"views must name one view at least, and none twice; it is {views!r}.")
    order = {name: i for i, name in enumerate(VIEWS)}
    return tuple(sorted(views, key=lambda v: order[v] if isinstance(v, str) else len(order)))


def as_batch(vectors: Float[np.ndarray, "n p"]) -> Batch:
    """Return complete vectors as cases of p steps and one channel."""
    values = np.asarray(vectors, np.float32)[:, :, None]
    return Batch(values, np.ones(values.shape, bool))


def without_distance(name: str, batch: Batch) -> Batch:
    """Return training cases in a view with the distance of features from their span set to 0.

    Experts and scatter are fitted to these. The distance differs from 0 where the span was fitted
    without a class, or is truncated; it must not tell one class from another.
    """
    if name not in CONVOLUTIONS:
        return batch
    values = batch.values.copy()
    values[:, -1] = 0.0
    return Batch(values, batch.mask)


def represent(
    representation: Convolutions | Representation | None,
    cases: list[Case],
    batch: Batch,
    n_jobs: int | None,
) -> Batch:
    """Return cases in a representation.

    Raises
    ------
    ValueError
        Where a user's representation does not return one finite vector a case.
    """
    if representation is None:
        return batch
    if isinstance(representation, Convolutions):
        return as_batch(representation.transform(cases, n_jobs))
    vectors = np.asarray(representation.transform(cases), float)
    if vectors.ndim != 2 or len(vectors) != len(cases) or not np.isfinite(vectors).all():
        raise ValueError(
            f"views: transform of {type(representation).__name__} must return one finite vector a "
            f"case, an array ({len(cases)}, p); it returned shape {vectors.shape}"
            + ("." if np.isfinite(vectors).all() else " with values that are not finite.")
        )
    return as_batch(vectors)


def fit_representations(
    views: Sequence[str | Representation],
    cases: list[Case],
    is_image: bool,
    rng: np.random.Generator,
    n_jobs: int | None,
) -> dict[str, Convolutions | Representation | None]:
    """Fit the representation of each view but the recurrent one, by name."""
    found: dict[str, Convolutions | Representation | None] = {}
    for view in views:
        if not isinstance(view, str):
            found[OWN if OWN not in found else f"{OWN} {len(found)}"] = deepcopy(view).fit(cases)
        elif view in CONVOLUTIONS:
            found[view] = fit_convolutions(cases, CONVOLUTIONS[view], is_image, rng, n_jobs)
        elif view == LINEAR:
            found[view] = None
    return found
