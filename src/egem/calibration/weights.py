"""How much each space's losses count, chosen by leaving training cases out.

Held-out cases are measured against the hulls of the rest, for every shrinkage and ridge. In each
space the candidates share the vote by how surprised they are at the held-out cases' true classes,
``share ~ exp(-TEMPER n cross_entropy)``. Then come the weights of the spaces, and of the experts'
own losses, in::

    p(class) ~ exp(-sum of  weight * averaged log loss)

Few cases say little about weights, so these are the most probable ones under a log-normal prior
about ``PRIOR_WEIGHTS`` (chosen on the development splits of eleven data sets together). For the
experts, which would take too long to train again for each fold, stands what
:mod:`egem.calibration.proxy` says together with the hulls in the raw space.

Weights found on training cases mislead where test cases differ from them in kind, as real pictures
do from the cluster centres of pictures: descriptions of texture then say nothing. Such cases lie
further out, in the raw space, than held-out training cases did; see :meth:`Space.strangeness`.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize

from egem.calibration.folds import Holding, few_of_all
from egem.calibration.proxy import Imagination, nearest_shown
from egem.calibration.temperature import MOST_DIRECTIONS, held_out_losses, surprise, tempered_shares
from egem.data.preparation import Batch
from egem.ensemble.linear import Candidate, averaged
from egem.ensemble.metric import Bends, Scatter, class_scatter, principal
from egem.ensemble.pieces import n_pieces
from egem.ensemble.views import Space, Usual, as_batch

SHRINKAGES = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0)
RIDGES = (0.01, 0.05, 0.3, 1.0, 3.0, 30.0)
GRID = tuple(Candidate(s, r, 0.0) for s in SHRINKAGES for r in RIDGES)
SHARPNESSES = tuple(np.geomspace(0.5, 60.0, 12))
TEMPER = 0.3  # below 1, as in egem.calibration.temperature; here over many more candidates
LEAST_SHARE = 0.02  # of the best candidate's; those below are left out
IMAGINED = "imagined"  # the experts' own losses, beside the spaces
PRIOR_WEIGHTS = {IMAGINED: 1.0, "raw": 0.25, "features": 2.0, "columns": 2.0, "own": 2.0}
PRIOR_SPREAD = 1.0  # of the log of a weight
WITHOUT_CASES = Candidate(0.5, 1.0, 1.0)  # where nothing can be held out: one case a class
FEATURES = ("features", "columns")  # spaces of convolution features
FEW_CASES = 4  # held-out cases whose spread tells half of what it seems to
LEAST_SPREAD = 0.1  # of a log loss


class Weighed(NamedTuple):
    """Spaces with their weights, and the weight of the experts' own losses.

    Beside them what held-out cases lost, in each space and to what stands in for experts; nothing
    where none could be held out.
    """

    spaces: tuple[Space, ...]
    imagined: float
    log_losses: tuple[Float[np.ndarray, "n_held n_classes"], ...]
    of_experts: Float[np.ndarray, "n_held n_classes"] | float


def weigh(
    described: Mapping[str, Batch],
    classes: Int[np.ndarray, " n"],
    imagination: Imagination | None,
    bends: Mapping[str, Bends | None] | None = None,
    n_jobs: int | None = 1,
) -> Weighed:
    """Estimate each space's measure, and weigh the spaces against each other.

    Parameters
    ----------
    described : mapping of str to Batch
        The training cases in each space.
    classes : array of int (n,)
        Their classes.
    imagination : Imagination or None
        What experts are shown, where their own losses count as well; there must be a raw space.
    bends : mapping of str to Bends, optional
        Bent copies of all training cases in each space, where there are so few that these help.
    n_jobs : int or None, default 1
        Threads, None for all cores; or workers, see :mod:`egem.runtime.dispatch`.

    Returns
    -------
    Weighed
        Spaces in the order given; the experts' weight, or 0.
    """
    bends = bends or {}
    held = few_of_all(classes)
    names = list(described) if imagination is None else [IMAGINED, *described]
    n_sides = sum(name in FEATURES for name in names)
    weights = {name: PRIOR_WEIGHTS[name] / (n_sides if name in FEATURES else 1) for name in names}
    candidates: dict[str, tuple[Candidate, ...]] = dict.fromkeys(described, (WITHOUT_CASES,))
    usual: dict[str, Usual | None] = dict.fromkeys(described)
    losses: dict[str, np.ndarray] = {}
    if held.folds:
        truth = classes[held.some][held.order]
        for name, batch in described.items():
            each = losses_in(name, batch, classes, held, GRID, bends.get(name))
            shares = _shares(each, truth)
            losses[name] = np.einsum("m,mnc->nc", shares, each)
            usual[name] = _usual(losses[name][np.arange(len(truth)), truth])
            candidates[name] = tuple(
                c._replace(share=float(s)) for c, s in zip(GRID, shares, strict=True) if s > 0
            )
        if imagination is not None:
            losses[IMAGINED] = of_experts(
                described["raw"],
                classes,
                held,
                imagination,
                losses["raw"],
                candidates["raw"],
                n_jobs,
            )
        fitted = fit_weights(
            [losses[name] for name in names], truth, np.array(list(weights.values()))
        )
        weights = dict(zip(names, map(float, fitted), strict=True))
    spaces = tuple(
        Space(
            name,
            class_scatter(batch, classes, MOST_DIRECTIONS, bends.get(name)),
            candidates[name],
            weights[name],
            usual[name],
        )
        for name, batch in described.items()
    )
    in_spaces = tuple(losses[name] for name in described) if losses else ()
    return Weighed(spaces, weights.get(IMAGINED, 0.0), in_spaces, losses.get(IMAGINED, 0.0))


def losses_in(
    name: str,
    batch: Batch,
    classes: Int[np.ndarray, " n"],
    held: Holding,
    candidates: Sequence[Candidate],
    bends: Bends | None,
    scatter: Scatter | None = None,
    piecewise: bool = True,
) -> Float[np.ndarray, "m n_held n_classes"]:
    """Measure held-out cases in a space, in several ways.

    Parameters
    ----------
    name : str
        The space's.
    batch : Batch
        All training cases in it.
    classes : array of int (n,)
        Their classes.
    held : Holding
        Which are held out.
    candidates : sequence of Candidate
        Ways to measure.
    bends : Bends or None
        Bent copies of the cases.
    scatter : Scatter, optional
        Spread about class means, where it comes from elsewhere; None estimates it from the rest.
    piecewise : bool, default True
        Whether classes of many cases are spanned in pieces.

    Returns
    -------
    array (n_candidates, n_held, n_classes)
        Log losses.
    """
    return held_out_losses(
        batch[held.some],
        classes[held.some],
        held.folds,
        list(candidates),
        scatter,
        on_span if name in FEATURES and scatter is None else None,
        bends,
        piecewise,
    )[0]


def of_experts(
    raw: Batch,
    classes: Int[np.ndarray, " n"],
    held: Holding,
    imagination: Imagination,
    in_raw: Float[np.ndarray, "n_held n_classes"],
    candidates: Sequence[Candidate],
    n_jobs: int | None = 1,
) -> Float[np.ndarray, "n_held n_classes"]:
    """Guess the log losses that experts taught without the held-out cases would have.

    An expert has one code for all its cases: the hulls it is likened to are whole, be the classes
    cut into pieces elsewhere or not.
    """
    some = held.some
    if n_pieces(np.bincount(classes)).max() > 1:
        each = losses_in("raw", raw, classes, held, candidates, None, piecewise=False)
        in_raw = averaged(each, candidates)
    shown = nearest_shown(raw[some], classes[some], held.folds, imagination, n_jobs)
    return 0.5 * (shown + in_raw)


def on_span(rest: Batch, out: Batch, bends: Bends | None) -> tuple[Batch, Batch, Bends | None]:
    """Keep of vectors what lies in the span of ``rest`` and of its bent copies.

    Features are projected on what the training cases span. A held-out case that took part in that
    keeps all it has of its own and looks further away than a test case does.
    """
    vectors = rest.values[:, :, 0].astype(np.float64)
    mean = vectors.mean(axis=0)
    vectors -= mean
    spanning = vectors
    if bends is not None:
        spanning = np.concatenate([vectors, vectors[bends.of] + bends.differences])
    s, directions = principal(spanning)
    kept = directions[: max(int((s > 1e-4 * max(s[0], 1e-12)).sum()), 1)].T
    if bends is not None:
        bends = bends._replace(differences=bends.differences @ kept)
    return as_batch(vectors @ kept), as_batch((out.values[:, :, 0] - mean) @ kept), bends


def _usual(log_losses: Float[np.ndarray, " n"]) -> Usual:
    """Mean and spread of held-out cases' log losses; of few cases the spread is taken larger."""
    spread = float(log_losses.std()) * (1.0 + FEW_CASES / len(log_losses))
    return Usual(float(log_losses.mean()), max(spread, LEAST_SPREAD))


def _shares(losses: Float[np.ndarray, "m n c"], truth) -> Float[np.ndarray, " m"]:
    shares = tempered_shares(losses, truth, SHARPNESSES, TEMPER)
    shares[shares < LEAST_SHARE] = 0.0
    return shares / shares.sum()


def fit_weights(
    log_losses: Sequence[Float[np.ndarray, "n c"]],
    truth: Int[np.ndarray, " n"],
    prior: Float[np.ndarray, " s"],
) -> Float[np.ndarray, " s"]:
    """Find the most probable exponents: surprise at the true classes plus the log-normal prior.

    Parameters
    ----------
    log_losses : sequence of array (n, n_classes)
        One a space.
    truth : array of int (n,)
        True classes.
    prior : array (n_spaces,)
        Median of the prior.

    Returns
    -------
    array (n_spaces,)
        Positive.
    """
    stacked = np.stack(log_losses)

    def improbability(away: Float[np.ndarray, " s"]) -> float:
        energies = np.einsum("s,snc->nc", prior * np.exp(away), stacked)
        evidence = len(truth) * surprise(energies, truth)
        return evidence + 0.5 * float(np.sum((away / PRIOR_SPREAD) ** 2))

    bounds = [(-6.0, 4.0)] * len(stacked)
    found = minimize(improbability, np.zeros(len(stacked)), method="L-BFGS-B", bounds=bounds)
    return prior * np.exp(found.x)
