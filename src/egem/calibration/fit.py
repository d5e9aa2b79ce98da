"""Measure training cases: fit the metric, span the classes, and see what held-out cases score.

The experts take part in none of this; in their place stand hulls and what experts are shown.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from egem.calibration.conformal import HeldOut, nothing_held_out
from egem.calibration.folds import few_of_all, holding
from egem.calibration.proxy import Imagination
from egem.calibration.temperature import (
    RIDGE,
    SHARPNESS_WITHOUT_CASES,
    SHARPNESSES,
    choose_metric,
    held_out_losses,
    one_case_more,
    scatter_of,
    sharpest,
)
from egem.calibration.weights import losses_in, of_experts, weigh
from egem.data.augment import Kind, bent_copies
from egem.data.preparation import Batch, Preparation, Whole, canonical_order
from egem.data.validation import Case
from egem.ensemble.joint import JointMetric, describe, representations
from egem.ensemble.linear import Candidate, Pieces, averaged
from egem.ensemble.metric import GUESSED_FREEDOM, Bends, Metric
from egem.ensemble.pieces import span_classes
from egem.ensemble.result import Evidence
from egem.ensemble.views import Representation

COPIES, MOST_COPIES = 256, 8  # bent copies of all training cases together, of one of them
# Pixels differ together because pictures move, and experts of images move what they imagine.
SHRINKAGE_OF_IMAGES = 1.0
ENOUGH_CASES = 20.0  # times what a guess is worth: from there on none is made


class Material(NamedTuple):
    """Training cases with what is needed to look at them.

    Attributes
    ----------
    cases : list of array (n_channels, length_i)
        In the user's units, in an order that does not depend on the user's.
    batch : Batch
        The same on the experts' grid.
    classes : array of int (n,)
        Their classes, from 0, none without a case.
    kind : str
        How cases are bent.
    preparation : Preparation
        What laid them on the grid.
    seed : int
        Seed of the features and of the bent copies.
    n_jobs : int or None
        Threads.
    """

    cases: list[Case]
    batch: Batch
    classes: Int[np.ndarray, " n"]
    kind: Kind
    preparation: Preparation
    seed: int
    n_jobs: int | None

    @staticmethod
    def of(
        cases: list[Case],
        batch: Batch,
        classes: Int[np.ndarray, " n"],
        kind: Kind,
        preparation: Preparation,
        seed: int,
        n_jobs: int | None,
    ) -> "Material":
        """Bring cases into an order that does not depend on the user's."""
        order = canonical_order(batch)
        ordered = [cases[i] for i in order]
        return Material(ordered, batch[order], classes[order], kind, preparation, seed, n_jobs)

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return int(self.classes.max()) + 1


class Guess(NamedTuple):
    """What a stand-in for experts said of held-out cases, and what else counts in their scores.

    Attributes
    ----------
    cases : array of int (n_held,)
        Which training cases these are.
    truth : array of int (n_held,)
        Their classes.
    log_losses : array (n_held, n_classes)
        What the stand-in said, 0 where experts do not count.
    evidence : Evidence
        What else counts.
    """

    cases: Int[np.ndarray, " n_held"]
    truth: Int[np.ndarray, " n_held"]
    log_losses: Float[np.ndarray, "n_held n_classes"] | float
    evidence: Evidence

    def scored(self, log_losses: Float[np.ndarray, "n_held n_classes"] | float) -> HeldOut:
        """Score the cases as if experts had said this."""
        scores = self.evidence.log_losses + self.evidence.share * log_losses
        return HeldOut(scores, (scores + self.evidence.doubted).min(axis=1), self.truth)


class Measured(NamedTuple):
    """A metric, what each class spans in each of its spaces, and what held-out cases scored."""

    metric: Metric | JointMetric
    hulls: tuple[tuple[Pieces, ...], ...]
    held_out: HeldOut
    guess: Guess | None = None

    @property
    def residual(self) -> Metric:
        """What measures the experts' residuals."""
        return self.metric.residual if isinstance(self.metric, JointMetric) else self.metric

    def sharpness(self, classes: Int[np.ndarray, " n"]) -> float:
        """How sharply scores tell classes of so many cases apart."""
        told = SHARPNESS_WITHOUT_CASES
        if isinstance(self.metric, JointMetric):
            told = self.metric.sharpness
        elif len(self.held_out.truth) and self.held_out.log_scores.shape[1] > 1:
            told = sharpest(self.held_out.log_scores, self.held_out.truth, SHARPNESSES)[1]
        return told * one_case_more(classes)


class _Copies(NamedTuple):
    """Bent copies of the cases, in the user's units and on the grid."""

    of: Int[np.ndarray, " m"]
    cases: list[Case]
    batch: Batch | None


def fit_metric(
    metric: str | Representation | Metric | JointMetric,
    shrinkage: float | None,
    material: Material,
) -> Measured:
    """Fit the metric that is asked for; one that is fitted already is used as it is.

    Parameters
    ----------
    metric : {"auto", "features", "whitened", "mse"}, Representation or fitted
        What is asked for.
    shrinkage : float or None
        Of the residual metric; None chooses it.
    material : Material
        The training cases.

    Returns
    -------
    Measured
    """
    m = material
    if isinstance(metric, Metric | JointMetric):
        return measure(metric, m, fitted_here=False)
    residual = "mse" if metric == "mse" else "whitened"
    if metric == "auto" and m.kind == "image" and shrinkage is None:
        shrinkage = SHRINKAGE_OF_IMAGES
    chosen = choose_metric(m.batch, m.classes, residual, shrinkage).metric
    if metric in ("mse", "whitened"):
        return measure(chosen, m)
    # The copies are drawn first: another call with the same seed draws the same.
    rng = np.random.default_rng(m.seed)
    copies = _bent(m, rng)
    by_name = representations(metric, m.cases + copies.cases, m.kind == "image", rng, m.n_jobs)
    found = tuple(by_name.values())
    described = [describe(r, m.cases, m.batch, m.n_jobs) for r in found]
    bends = _bends(copies, found, described, m.n_jobs)
    shown = Imagination(m.kind, m.preparation.steps_used, chosen.shrinkage)
    weighed = weigh(
        dict(zip(by_name, described, strict=True)),
        m.classes,
        shown if "raw" in by_name else None,
        dict(zip(by_name, bends, strict=True)),
        m.n_jobs,
    )
    joint = JointMetric(chosen, weighed.spaces, found, weighed.imagined, Whole.of(m.batch.mask))
    return _joined(joint, m, described, weighed.log_losses, weighed.of_experts)


def measure(metric: Metric | JointMetric, material: Material, fitted_here: bool = True) -> Measured:
    """Span the classes and score held-out cases in a metric that stays as it is.

    Parameters
    ----------
    metric : Metric or JointMetric
        The metric.
    material : Material
        Training cases.
    fitted_here : bool, default True
        Whether the metric was fitted to these cases: then the spread is estimated without the
        held-out ones. A metric from elsewhere knows nothing of them.

    Returns
    -------
    Measured
    """
    m = material
    if isinstance(metric, Metric):
        held = holding(m.classes)
        if not held.folds:
            return Measured(metric, (), nothing_held_out(m.n_classes))
        cases, classes = m.batch[held.some], m.classes[held.some]
        way = [Candidate(metric.shrinkage, RIDGE, 1.0)]
        given = None if fitted_here else scatter_of(metric)
        scores = held_out_losses(cases, classes, held.folds, way, given)[0][0]
        return Measured(metric, (), HeldOut(scores, scores.min(axis=1), classes[held.order]))
    described = metric.describe(m.cases, m.batch, m.n_jobs)
    held = few_of_all(m.classes)
    if not held.folds:
        return _joined(metric, m, described, (), 0.0)
    copies = _bent(m, np.random.default_rng(m.seed))
    bends = _bends(copies, metric.representations, described, m.n_jobs)
    losses = []
    for space, each, bent in zip(metric.spaces, described, bends, strict=True):
        given = None if fitted_here else space.scatter
        several = losses_in(space.name, each, m.classes, held, space.candidates, bent, given)
        losses.append(averaged(several, space.candidates))
    experts = 0.0
    if metric.imagined:
        raw = [space.name for space in metric.spaces].index("raw")
        shown = Imagination(m.kind, m.preparation.steps_used, metric.residual.shrinkage)
        ways = metric.spaces[raw].candidates
        experts = of_experts(described[raw], m.classes, held, shown, losses[raw], ways, m.n_jobs)
    return _joined(metric, m, described, losses, experts)


def _joined(
    metric: JointMetric,
    m: Material,
    described: list[Batch],
    losses: Sequence[Float[np.ndarray, "n_held n_classes"]],
    experts: Float[np.ndarray, "n_held n_classes"] | float,
) -> Measured:
    """Span the classes, and join what held-out cases lost in each space."""
    hulls = tuple(zip(*(span_classes(each, m.classes) for each in described), strict=True))
    if not losses:
        return Measured(metric, hulls, nothing_held_out(m.n_classes))
    held = few_of_all(m.classes)
    index = held.some[held.order]
    evidence = metric.evidence(losses, m.batch.mask[index])
    guess = Guess(index, m.classes[index], experts, evidence)
    return Measured(metric, hulls, guess.scored(experts), guess)


def _bent(m: Material, rng: np.random.Generator) -> _Copies:
    """Bend the cases, where they are so few that a guess of how members differ helps."""
    n = len(m.cases)
    if m.kind == "none" or n - m.n_classes > ENOUGH_CASES * GUESSED_FREEDOM:
        return _Copies(np.zeros(0, int), [], None)
    n_copies = int(np.clip(COPIES // n, 1, MOST_COPIES))
    grid = m.preparation
    copies = bent_copies(m.cases, m.kind, n_copies, grid.mean, grid.scale, rng)
    return _Copies(np.repeat(np.arange(n), n_copies), copies, grid.apply(copies))


def _bends(
    copies: _Copies, found: Sequence, described: list[Batch], n_jobs: int | None
) -> list[Bends | None]:
    """Return how copies differ from their cases in each space; None where there are none."""
    if copies.batch is None:
        return [None] * len(found)
    bends: list[Bends | None] = []
    for representation, cases in zip(found, described, strict=True):
        bent = describe(representation, copies.cases, copies.batch, n_jobs)
        both = bent.mask & cases.mask[copies.of]
        away = np.where(both, bent.values - cases.values[copies.of], 0.0)
        bends.append(Bends(copies.of, away.reshape(len(copies.of), -1)))
    return bends
