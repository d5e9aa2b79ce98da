"""The metric a classifier is fitted with: residuals of the experts, joined with further spaces."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import expit

from egem.data.preparation import Batch, Whole
from egem.data.validation import Case
from egem.ensemble.features import Along, Convolutions, fit_convolutions
from egem.ensemble.metric import Metric
from egem.ensemble.result import Evidence
from egem.ensemble.views import Representation, Space, as_batch

# A case this many spreads further from every class than usual is of another kind than the training
# cases, and what descriptions of it say is not to be trusted. The experts' own say stays.
STRANGE, STRANGE_WIDTH = 1.75, 0.25
# Nor is it where more of a case is missing than of training cases: features fill gaps with lines,
# and those of a prefix are not those of the whole. From none to all doubt, in shares of a case.
GAPPY, GAPPY_WIDTH = 0.15, 0.1


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
    whole : Whole
        How much of the training cases is observed.
    """

    residual: Metric
    spaces: tuple[Space, ...]
    representations: tuple[Convolutions | Representation | None, ...]
    imagined: float
    whole: Whole

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

    def evidence(
        self,
        log_losses: Sequence[Float[np.ndarray, "n n_classes"]],
        mask: Bool[np.ndarray, "n n_steps n_channels"],
    ) -> Evidence:
        """Join the log losses against the hulls; of strange or gappy cases only the raw ones.

        Parameters
        ----------
        log_losses : sequence of array (n, n_classes)
            One a space.
        mask : array of bool (n, n_steps, n_channels)
            What is observed of the cases on the experts' grid.

        Returns
        -------
        Evidence
            For (n_cases, n_classes).
        """
        counted = np.zeros_like(log_losses[0])
        doubted = np.zeros_like(counted)
        trust = np.ones((len(counted), 1))
        for space, losses in zip(self.spaces, log_losses, strict=True):
            if space.name == "raw":
                strange = (STRANGE - space.strangeness(losses)) / STRANGE_WIDTH
                gappy = (GAPPY - self.whole.lacking(mask)) / GAPPY_WIDTH
                trust = (expit(strange) * np.clip(gappy, 0.0, 1.0))[:, None]
                counted += space.weight * losses
            else:
                counted += trust * space.weight * losses
                doubted += (1.0 - trust) * space.weight * losses
        total = self.sharpness
        return Evidence(counted / total, self.imagined / total, doubted / total)


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
        return {"raw": None, "own": deepcopy(metric).fit(cases)}  # the user's stays as it is
    sides: dict[str, Along] = {"features": "time"}
    if is_image:
        sides["columns"] = "channels"
    found: dict[str, Convolutions | Representation | None] = {
        name: fit_convolutions(cases, along, is_image, rng, n_jobs) for name, along in sides.items()
    }
    return ({"raw": None} if metric == "auto" else {}) | found
