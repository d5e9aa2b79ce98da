"""How much nearer experts come to a new case than what stands in for them when cases are held out.

Held-out cases are scored with a stand-in (:mod:`egem.calibration.proxy`), new ones by the experts,
which come nearer: held-out cases would look stranger, and less certain, than new ones. But no
expert has seen the cases of *other* classes. What it makes of some of those, beside what its
stand-in made of them, tells how the log losses of the one follow from those of the other: nearly
along a line, on which those of the true class lie as well.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from egem.calibration.conformal import HeldOut
from egem.calibration.fit import Material, Measured
from egem.calibration.folds import evenly
from egem.ensemble.experts import Ensemble
from egem.runtime.parallel import plain_products

MOST_PAIRS, FEWEST_CASES = 512, 8  # of a case and an expert that are searched
NEARER_HALF = np.linspace(0.01, 0.5, 50)  # quantiles: the experts that matter are not the far ones
FEW_PAIRS = 20.0  # worth as much as the presumption that both are alike
STEEPEST = 2.0


class Line(NamedTuple):
    """``log loss of an expert = intercept + slope * log loss of its stand-in``."""

    intercept: float
    slope: float

    def __call__(self, log_losses: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n c"]:
        """Return what experts would have said."""
        return self.intercept + self.slope * log_losses

    @staticmethod
    def through(stand_in: Float[np.ndarray, " n"], own: Float[np.ndarray, " n"]) -> "Line":
        """Lay a line through the nearer halves of both, quantile by quantile.

        >>> x = np.linspace(-3.0, 1.0, 2000)
        >>> line = Line.through(x, 1.5 * x - 0.5)
        >>> bool(abs(line(np.array([[-2.0]])) - (-3.5)).max() < 0.05)
        True
        """
        n = len(own)
        if not n:
            return Line(0.0, 1.0)
        x, y = np.quantile(stand_in, NEARER_HALF), np.quantile(own, NEARER_HALF)
        centre, apart = float(x.mean()), float((y - x).mean())
        spread = float(np.sum((x - centre) ** 2))
        slope = float(np.sum((x - centre) * (y - y.mean()))) / spread if spread > 0 else 1.0
        told = n / (n + FEW_PAIRS)
        slope = 1.0 + told * (min(max(slope, 1.0 / STEEPEST), STEEPEST) - 1.0)
        return Line(told * apart + (1.0 - slope) * centre, slope)


def as_experts_would(measured: Measured, ensemble: Ensemble, material: Material) -> HeldOut:
    """Score held-out cases as if experts had been taught without them.

    Parameters
    ----------
    measured : Measured
        What held-out cases scored with a stand-in.
    ensemble : Ensemble
        The experts.
    material : Material
        Their training cases.

    Returns
    -------
    HeldOut
        As it was where experts do not count, or where there is one class alone.
    """
    guess = measured.guess
    if guess is None or not guess.evidence.share or material.n_classes < 2:
        return measured.held_out
    n_cases = max(MOST_PAIRS // material.n_classes, FEWEST_CASES)
    some = evenly(len(guess.cases), n_cases)
    with plain_products():
        found = ensemble.invert(material.batch[guess.cases[some]], material.n_jobs, lambda _: None)
    stand_in, own = np.asarray(guess.log_losses), found.log_scores
    of_others = np.arange(material.n_classes) != guess.truth[some, None]
    pairs = of_others & np.isfinite(own)
    return guess.scored(Line.through(stand_in[some][pairs], own[pairs])(stand_in))
