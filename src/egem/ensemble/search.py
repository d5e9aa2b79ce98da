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

import jax
import numpy as np
from jaxtyping import Bool, Float32, Int

from egem.core.levenberg_marquardt import UNKNOWN
from egem.data.preparation import Batch
from egem.ensemble.bank import Bank, Found
from egem.ensemble.cases import BoundCases
from egem.ensemble.codebook import screen
from egem.ensemble.result import ViewLosses, pooled
from egem.ensemble.steps import Searches, continue_searches, start, take_first_steps
from egem.runtime.progress import Advance

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
    # Whether the search for that class is resumed. Losses of a search from the start depend on no
    # other case or class, to the last bit.
    resume: bool = True


CLASS = Need(0.0, loss=False)  # which expert has the lowest score
LOWEST = Need(0.0)  # and that score
EVERY = Need(np.inf)  # all scores, of which the predicted class has the lowest
ALL = Need(np.inf, resume=False)  # the same, reproducible
LOSSES = Need(np.inf, label=False)  # all scores, without a prediction


def search_codes(
    bank: Bank,
    batch: Batch,
    n_jobs: int | None,
    advance: Advance,
    need: Need = ALL,
    views: ViewLosses | None = None,
    among: Bool[np.ndarray, "n e"] | None = None,
) -> Found:
    """Search for the codes of cases by all experts, or by those ``among`` (n, e).

    Where a class is predicted, the search for it comes first and is the same whatever else is
    needed.
    """
    cases = BoundCases.of(batch, bank.metric)
    first = _Run(bank, cases, n_jobs, advance, views, among)
    if among is not None or not need.label:
        first.search(need, among is not None, 1.0, need)
        return first.out
    share = 1.0 if need == CLASS else 0.5
    first.search(CLASS, True, share, need if need.resume else CLASS)
    winners = first.winners()
    if need != CLASS:
        rest = first if need.resume else _Run(bank, cases, n_jobs, advance, views, among)
        rest.search(need, False, share, need)
        return rest.out._replace(winners=winners)
    return first.out._replace(winners=winners)


class _Run:
    """A search and its results so far."""

    def __init__(self, bank, cases, n_jobs, advance, views, among):
        self.bank, self.cases, self.n_jobs, self.advance = bank, cases, n_jobs, advance
        self.views, self.among = views, among
        self.out, self.places = _screened(bank, cases, among, n_jobs)
        self.at_best = (self.out.losses + self.out.priors) * np.float32(np.exp(-MAX_FALL))
        self.steps = np.full(self.out.losses.shape, -1)  # before the first evaluation
        self.short = cases.n_observed < MIN_VALUES * self.out.codes.shape[2]
        self.searches: list[Searches] = []

    def winners(self) -> Int[np.ndarray, " n"]:
        """Return the expert of the lowest score of each case."""
        out = self.out
        losses = np.where(out.losses < UNKNOWN, out.losses, np.float32(np.inf))
        scores = pooled(losses + out.priors, self.views)
        return np.where(np.isfinite(losses), scores, np.float32(np.inf)).argmin(axis=1)

    def search(self, need: Need, thin: bool, share: float, last: Need) -> None:
        """Search as far as needed; ``last`` is the need of the last call, which includes others."""
        out, bank, among = self.out, self.bank, self.among
        contending = np.ones(out.losses.shape, bool) if among is None else among.copy()
        # The first evaluation of a code counts as a step.
        reproducible = need in (ALL, LOSSES)
        checkpoints = (0, *PAUSES) if reproducible else CHECKPOINTS
        if among is not None:
            checkpoints = PAUSES  # calls are what few pairs cost, and few starts are shared
        rounds = list(pairwise((-1, *checkpoints, bank.search.max_steps)))
        share *= len(out.losses) / len(rounds)
        for done, (begun, end) in enumerate(rounds):
            end = min(end, bank.search.max_steps)
            contending &= self._may_matter(need)
            searching = contending & ~out.converged
            if not need.loss:
                searching &= contending.sum(axis=1, keepdims=True) > 1
            if not searching.any():
                self.advance(share * (len(rounds) - done))
                return
            if not self.searches:
                wanted = searching if need == last else self._may_matter(last)
                self.searches = [start(g, wanted, out.codes, self.places) for g in bank.groups]
            searching &= self.steps <= begun
            if begun < 0 and among is None:
                for each in self.searches:
                    take_first_steps(each, searching, self.cases, bank, self.n_jobs, thin)
                    searching[each.case, each.expert] &= each.state.n_steps < 0
            thin_cases = THIN_CASES if thin else 0
            continue_searches(
                *(self.searches, searching, self.cases, bank, end - begun),
                *(self.n_jobs, self.advance, share, thin_cases),
            )
            for each in self.searches:
                self._take_over(each)

    def _may_matter(self, need: Need) -> Bool[np.ndarray, "n e"]:
        """Find the experts whose scores, at best, are not too far above the lowest of a case."""
        if np.isinf(need.within):
            return np.ones(self.at_best.shape, bool)
        scores = pooled(self.out.losses + self.out.priors, self.views)
        highest = scores.min(axis=1, keepdims=True) * np.exp(need.within)
        return (pooled(self.at_best, self.views) <= highest) | self.short[:, None]

    def _take_over(self, each: Searches) -> None:
        """Copy the results of searches that have begun."""
        out, begun = self.out, each.state.n_steps >= 0
        at = each.case[begun], each.expert[begun]
        now = jax.tree.map(lambda a: a[begun], each.state)
        scores = now.at.score
        hoped = np.maximum(
            scores - TRUST * now.predicted_reduction, scores * np.float32(np.exp(-MAX_FALL))
        )
        self.at_best[at], self.steps[at] = hoped * np.exp(-SLACK), now.n_steps
        out.codes[(*at, slice(now.code.shape[1]))] = now.code
        out.losses[at], out.priors[at] = now.at.loss, now.at.prior
        out.n_steps[at], out.converged[at] = now.n_steps, now.converged


def search_path(
    bank: Bank, e: int, batch: Batch
) -> tuple[Float32[np.ndarray, "n n_path k"], Float32[np.ndarray, "n n_path"]]:
    """Search with one expert, and return the codes and scores of every step."""
    bank = bank.only(e)
    cases = BoundCases.of(batch, bank.metric)
    out, places = _screened(bank, cases)
    each = start(bank.groups[0], ~out.converged, out.codes, places)
    codes, scores = [], []
    for _ in range(bank.search.max_steps + 1):
        searching = np.zeros_like(out.converged)
        searching[each.case, 0] = ~each.state.converged
        continue_searches([each], searching, cases, bank, 1, 1, lambda _: None, 0.0)
        codes.append(each.state.code.copy())
        scores.append(each.state.at.score)
    return np.stack(codes, axis=1), np.stack(scores, axis=1)


def _screened(
    bank: Bank,
    cases: BoundCases,
    among: Bool[np.ndarray, "n e"] | None = None,
    n_jobs: int | None = 1,
) -> tuple[Found, Int[np.ndarray, "n e"]]:
    """Return the best codes of the codebooks, and their places there."""
    first = screen(bank.codebook, cases, among, n_jobs)
    out = Found.blank(bank, len(cases.values))
    for group in bank.groups:
        members = np.arange(len(group.numbers))
        codes = group.starts[members, first.place[:, group.numbers]]
        out.codes[:, group.numbers, : codes.shape[2]] = codes
    return out._replace(losses=first.losses, priors=first.priors), first.place
