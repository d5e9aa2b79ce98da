"""The search for codes by all experts, of which those that cannot matter any more are dropped.

Every expert's codebook is screened for every case. What is then searched for depends on what is
needed: every loss, those that count in a case's probabilities, the lowest, or only which expert has
the lowest. An expert is dropped from a case once its score, at best, is above the lowest score, or
so many times that score that it does not count. At best it falls to ``exp(-MAX_FALL)`` of what it
is after the screening; later by ``TRUST`` times the predicted reduction, and by ``SLACK``. That
rule was chosen on the development splits of nine sets and is no bound: ``benchmarks/accuracy.py``
reports how often a search of all experts finds another class.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int

from egem.core.classify import MAX_LEAD
from egem.core.levenberg_marquardt import UNKNOWN
from egem.data.preparation import Batch
from egem.ensemble.bank import Bank, Found
from egem.ensemble.cases import BoundCases
from egem.ensemble.codebook import Screened, screen
from egem.ensemble.steps import Searches, continue_searches, start, take_first_steps
from egem.runtime.progress import Advance
from egem.views.views import ViewLosses, pooled

CHECKPOINTS = 0, 1, 2, 3, 4, 6, 8, 12  # steps after which experts are dropped
PAUSES = 5, 10  # the same where all are searched: those that have converged make room
MAX_FALL = 1.0  # of the log of a score, from the codebook's best to the end of the search
TRUST, SLACK = 2.5, 0.1
# Values of a case, for each entry of a code: so few can be met by chance, and no expert is dropped.
MIN_VALUES = 4
# What is left of an expert's cases goes into thin batches, where nothing but a class is needed.
THIN_CASES = 4


class Need(NamedTuple):
    """What a search is for."""

    # Experts are searched as long as their score, at best, may be at most ``exp(within)`` times the
    # lowest score of the case.
    within: float
    loss: bool = True  # whether the loss of the last expert that is left matters
    label: bool = True  # whether the class matters that is predicted


CLASS = Need(0.0, loss=False)  # which expert has the lowest score
LOWEST = Need(MAX_LEAD)  # and what its nonconformity depends on
NOVELTY = Need(MAX_LEAD, label=False)  # that alone
ALL = Need(np.inf)  # all scores, and the predicted class
LOSSES = Need(np.inf, label=False)  # all scores


def search_codes(
    bank: Bank,
    batch: Batch,
    n_jobs: int | None,
    advance: Advance,
    need: Need = ALL,
    views: ViewLosses | None = None,
    among: Bool[np.ndarray, "n e"] | None = None,
) -> Found:
    """Search for the codes of cases by all experts, or by those ``among`` (n, e)."""
    cases = BoundCases.of(batch, bank.metric)
    first = screen(bank.codebook, cases, among, n_jobs)
    shared = bank, cases, first, n_jobs, advance, views, among
    if among is not None or not need.label or need == CLASS:
        out = _search(*shared, need, 1.0)
        return out._replace(winners=_winners(out, views)) if need == CLASS else out
    # The search for the predicted class is the same whatever else is needed.
    winners = _winners(_search(*shared, CLASS, 0.5), views)
    return _search(*shared, need, 0.5)._replace(winners=winners)


def _winners(out: Found, views: ViewLosses | None) -> Int[np.ndarray, " n"]:
    """Return the expert of the lowest score of each case."""
    losses = np.where(out.losses < UNKNOWN, out.losses, np.float32(np.inf))
    scores = pooled(losses + out.priors, views)
    return np.where(np.isfinite(losses), scores, np.float32(np.inf)).argmin(axis=1)


def _search(
    bank: Bank,
    cases: BoundCases,
    first: Screened,
    n_jobs: int | None,
    advance: Advance,
    views: ViewLosses | None,
    among: Bool[np.ndarray, "n e"] | None,
    need: Need,
    share: float,
) -> Found:
    """Search as far as is needed; ``share`` is that of the progress."""
    out = _before(bank, first)
    n_cases = len(out.losses)
    contending = np.ones(out.losses.shape, bool) if among is None else among.copy()
    thin = not need.loss or among is not None
    max_fall = np.float32(np.exp(-MAX_FALL))
    at_best = (out.losses + out.priors) * max_fall
    short = cases.n_observed < MIN_VALUES * out.codes.shape[2]
    searches: list[Searches] = []
    # The first evaluation of a code counts as a step: searches start at -1.
    checkpoints = (0, *PAUSES) if np.isinf(need.within) else CHECKPOINTS
    if among is not None:
        checkpoints = PAUSES  # calls are what few pairs cost, and few starts are shared
    rounds = list(pairwise((-1, *checkpoints, bank.search.max_steps)))
    share *= n_cases / len(rounds)
    for done, (begun, end) in enumerate(rounds):
        end = min(end, bank.search.max_steps)
        if not np.isinf(need.within):
            contending &= _may_matter(at_best, out, views, need.within) | short[:, None]
        searching = contending & ~out.converged
        if not need.loss:
            searching &= contending.sum(axis=1, keepdims=True) > 1
        if not searching.any():
            advance(share * (len(rounds) - done))
            break
        if not searches:
            searches = [start(group, searching, out.codes, first.place) for group in bank.groups]
        if begun < 0 and among is None:
            for each in searches:
                take_first_steps(each, cases, bank, n_jobs, thin)
                searching[each.case, each.expert] &= each.state.n_steps < 0
        thin_cases = THIN_CASES if thin else 0
        continue_searches(
            searches, searching, cases, bank, end - begun, n_jobs, advance, share, thin_cases
        )
        for each in searches:
            at, now = (each.case, each.expert), each.state
            scores = now.at.score
            hoped = np.maximum(scores - TRUST * now.predicted_reduction, scores * max_fall)
            at_best[at] = hoped * np.exp(-SLACK)
            out.codes[(*at, slice(now.code.shape[1]))] = now.code
            out.losses[at], out.priors[at] = now.at.loss, now.at.prior
            out.n_steps[at], out.converged[at] = now.n_steps, now.converged
    return out


def search_path(
    bank: Bank, e: int, batch: Batch
) -> tuple[Float32[np.ndarray, "n n_path k"], Float32[np.ndarray, "n n_path"]]:
    """Search with one expert, and return the codes and scores of every step."""
    bank = bank.only(e)
    cases = BoundCases.of(batch, bank.metric)
    first = screen(bank.codebook, cases)
    out = _before(bank, first)
    each = start(bank.groups[0], ~out.converged, out.codes, first.place)
    codes, scores = [], []
    for _ in range(bank.search.max_steps + 1):
        searching = np.zeros_like(out.converged)
        searching[each.case, 0] = ~each.state.converged
        continue_searches([each], searching, cases, bank, 1, 1, lambda _: None, 0.0)
        codes.append(each.state.code.copy())
        scores.append(each.state.at.score)
    return np.stack(codes, axis=1), np.stack(scores, axis=1)


def _before(bank: Bank, first: Screened) -> Found:
    """Return the results before the first step: the best codes of the codebooks."""
    out = Found.blank(bank, len(first.place))
    for group in bank.groups:
        members = np.arange(len(group.numbers))
        codes = group.starts[members, first.place[:, group.numbers]]
        out.codes[:, group.numbers, : codes.shape[2]] = codes
    out.losses[:], out.priors[:] = first.losses, first.priors
    return out


def _may_matter(
    at_best: Float32[np.ndarray, "n e"], out: Found, views: ViewLosses | None, within: float
) -> Bool[np.ndarray, "n e"]:
    """Find the experts whose scores, at best, are not too far above the lowest of a case."""
    lowest = pooled(out.losses + out.priors, views).min(axis=1, keepdims=True)
    return pooled(at_best, views) <= lowest * np.exp(within)
