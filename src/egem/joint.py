"""The metric a classifier is fitted with: residuals of the experts, joined with further spaces."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Int
from scipy.special import expit

from .augment import Kind, bent_copies
from .calibration import choose_metric
from .evidence import weigh
from .features import Along, Convolutions, fit_convolutions
from .inversion import Evidence
from .metric import GUESSED_FREEDOM, Bends, Metric
from .prepare import Batch, Preparation
from .spaces import Hull, Representation, Space, as_batch, hull
from .standin import Imagination
from .validation import Case

if TYPE_CHECKING:
    from .classifier import EGEMClassifier


# A case this many spreads further from every class than usual is of another kind than the training
# cases, and what descriptions of it say is not to be trusted. The experts' own say stays.
STRANGE, STRANGE_WIDTH = 1.75, 0.25
COPIES, MOST_COPIES = 256, 8  # bent copies of all training cases together, of one of them
ENOUGH_CASES = 20.0  # times what a guess is worth: from there on none is made


@dataclass(frozen=True, eq=False)
class JointMetric:
    """What a fitted classifier measures with; may be handed to another as ``metric``.

    Attributes
    ----------
    residual : Metric
        Measures what is left between a case and what an LSTM expert imagined.
    spaces : tuple of Space
        Spaces in which cases are compared with the classes' hulls.
    representations : tuple
        What describes cases in each space; None for the experts' grid.
    imagined : float
        Weight of the experts' own losses, beside those of the spaces.
    """

    residual: Metric
    spaces: tuple[Space, ...]
    representations: tuple[Convolutions | Representation | None, ...]
    imagined: float

    @property
    def name(self) -> str:
        """``"auto"``, ``"features"`` or ``"own"``."""
        names = [space.name for space in self.spaces]
        return "own" if "own" in names else "auto" if "raw" in names else "features"

    @property
    def shrinkage(self) -> float:
        """Shrinkage of the residual metric."""
        return self.residual.shrinkage

    @property
    def sharpness(self) -> float:
        """Sum of all weights."""
        return self.imagined + sum(space.weight for space in self.spaces)

    def describe(self, cases: list[Case], batch: Batch, n_jobs: int | None) -> list[Batch]:
        """Return cases in each space; ``batch`` is the cases on the experts' grid."""
        return [describe(r, cases, batch, n_jobs) for r in self.representations]

    def evidence(self, hulls: Sequence[Sequence[Hull]], described: list[Batch]) -> Evidence:
        """Join the log losses against the hulls; strange cases are left to the raw values.

        Parameters
        ----------
        hulls : sequence (n_classes) of sequences (n_spaces) of Hull
            The classes' hulls.
        described : list of Batch
            Cases in each space.

        Returns
        -------
        Evidence
            For (n_cases, n_classes).
        """
        total = np.zeros((described[0].n_cases, len(hulls)))
        trust = np.ones((len(total), 1))
        for i, (space, batch) in enumerate(zip(self.spaces, described, strict=True)):
            losses = space.log_losses([each[i] for each in hulls], batch)
            if space.name == "raw":
                strange = space.strangeness(losses)[:, None]
                total += space.weight * losses
                trust = expit((STRANGE - strange) / STRANGE_WIDTH)
            else:
                total += trust * space.weight * losses
        return Evidence(total / self.sharpness, self.imagined / self.sharpness)


def describe(
    representation: Convolutions | Representation | None,
    cases: list[Case],
    batch: Batch,
    n_jobs: int | None,
) -> Batch:
    """Return cases in the space of a representation.

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
            f"metric: transform of {type(representation).__name__} must return one finite vector a "
            f"case, an array ({len(cases)}, p); it returned shape {vectors.shape}"
            + ("." if np.isfinite(vectors).all() else " with values that are not finite.")
        )
    return as_batch(vectors)


def representations(
    metric: str | Representation,
    cases: list[Case],
    is_image: bool,
    rng: np.random.Generator,
    n_jobs: int | None,
) -> dict[str, Convolutions | Representation | None]:
    """Fit what a metric's spaces need; images are described along rows and along columns."""
    if not isinstance(metric, str):
        return {"raw": None, "own": metric.fit(cases)}
    sides: dict[str, Along] = {"features": "time"}
    if is_image:
        sides["columns"] = "channels"
    found: dict[str, Convolutions | Representation | None] = {
        name: fit_convolutions(cases, along, is_image, rng, n_jobs) for name, along in sides.items()
    }
    return ({"raw": None} if metric == "auto" else {}) | found


class FittedMetric(NamedTuple):
    """A metric, the sharpness of its losses, and what each class spans in each of its spaces."""

    metric: Metric | JointMetric
    sharpness: float
    hulls: tuple[tuple[Hull, ...], ...]


def fit_metric(
    p: "EGEMClassifier",
    cases: list[Case],
    batch: Batch,
    classes: Int[np.ndarray, " n"],
    kind: Kind,
    preparation: Preparation,
    seed: int,
) -> FittedMetric:
    """Fit the metric that the constructor's arguments ask for.

    Parameters
    ----------
    p : EGEMClassifier
        Asks for a metric, or hands in a fitted one.
    cases : list of array (n_channels, length_i)
        Training cases in the user's units, in an order that does not depend on the user's.
    batch : Batch
        The same on the experts' grid.
    classes : array of int (n,)
        Their classes, from 0.
    kind : str
        How cases are bent.
    preparation : Preparation
        What laid them on the grid.
    seed : int
        Seed of the features and of the bent copies.

    Returns
    -------
    FittedMetric
    """
    metric = p.metric
    if isinstance(metric, Metric) or metric in ("mse", "whitened"):
        choice = choose_metric(batch, classes, metric, p.shrinkage)  # pyright: ignore
        return FittedMetric(choice.metric, choice.sharpness, ())
    if not isinstance(metric, JointMetric):
        rng = np.random.default_rng(seed)
        of, copies = _copies(cases, classes, kind, preparation, rng)
        by_name = representations(metric, cases + copies, kind == "image", rng, p.n_jobs)  # pyright: ignore
        described = {n: describe(r, cases, batch, p.n_jobs) for n, r in by_name.items()}
        bends = {}
        if copies:
            bent = preparation.apply(copies)
            for name, r in by_name.items():
                bends[name] = _bends(of, described[name], describe(r, copies, bent, p.n_jobs))
        residual = choose_metric(batch, classes, "whitened", p.shrinkage).metric
        shown = Imagination(kind, preparation.steps_used, residual.shrinkage)
        weighed = weigh(described, classes, shown if "raw" in by_name else None, bends)
        metric = JointMetric(residual, weighed.spaces, tuple(by_name.values()), weighed.imagined)
        in_spaces = list(described.values())
    else:
        in_spaces = metric.describe(cases, batch, p.n_jobs)
    hulls = tuple(
        tuple(hull(each[classes == c]) for each in in_spaces) for c in range(classes.max() + 1)
    )
    return FittedMetric(metric, metric.sharpness, hulls)


def _copies(
    cases: list[Case],
    classes: Int[np.ndarray, " n"],
    kind: Kind,
    preparation: Preparation,
    rng: np.random.Generator,
) -> tuple[Int[np.ndarray, " m"], list[Case]]:
    """Bend the cases, where they are so few that a guess of how members differ helps."""
    n = len(cases)
    if kind == "none" or n - len(np.unique(classes)) > ENOUGH_CASES * GUESSED_FREEDOM:
        return np.zeros(0, int), []
    n_copies = int(np.clip(COPIES // n, 1, MOST_COPIES))
    copies = bent_copies(cases, kind, n_copies, preparation.mean, preparation.scale, rng)
    return np.repeat(np.arange(n), n_copies), copies


def _bends(of: Int[np.ndarray, " m"], cases: Batch, copies: Batch) -> Bends:
    differences = np.where(copies.mask & cases.mask[of], copies.values - cases.values[of], 0.0)
    return Bends(of, differences.reshape(len(of), -1))
