"""What a contest takes place in: the experts, their books, the search, and the cases."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float32, Int

from egem.data.preparation import Batch
from egem.ensemble.codebook import Books
from egem.ensemble.lm import EVERYWHERE, Searcher, Targets
from egem.ensemble.metric import Metric, Weights, bind


class Search(NamedTuple):
    """How codes are searched for.

    Attributes
    ----------
    method : {"levenberg-marquardt", "adam"}
        The default search, or the paper's.
    n_iterations : int
        Most steps of the former; exactly the steps of the latter.
    prior_strength : float
        Weight of the code prior (the paper has none: Adam ignores it).
    reach : float or None, default None
        How far an entry of a code may lie beyond [0, 1], where codes of training were held there;
        None does not hold them. What such experts make of codes further out means nothing.
    """

    method: str
    n_iterations: int
    prior_strength: float
    reach: float | None = None

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and greatest entry of a code."""
        return EVERYWHERE if self.reach is None else (-self.reach, 1.0 + self.reach)


class Team(NamedTuple):
    """Experts with codes of one size.

    Attributes
    ----------
    experts : array of int (m,)
        Their numbers.
    searchers : Searcher
        With a leading axis of them.
    book : array (m, n_book, k)
        Codes to start from.
    """

    experts: Int[np.ndarray, " m"]
    searchers: Searcher
    book: Float32[np.ndarray, "m b k"]


class Arena(NamedTuple):
    """Everything that a contest takes place in."""

    teams: tuple[Team, ...]
    books: Books
    search: Search

    @property
    def metric(self) -> Metric:
        """The metric of the losses."""
        return self.books.metric

    def alone(self, e: int) -> "Arena":
        """Leave one expert, whose number is then 0."""
        team = next(team for team in self.teams if e in team.experts)
        at = np.flatnonzero(team.experts == e)
        searchers = jax.tree.map(lambda a: a[at], team.searchers)
        team = Team(np.zeros(1, int), searchers, team.book[at])
        return self._replace(teams=(team,), books=self.books.of_expert(e))


class Outcome(NamedTuple):
    """What was found, arrays (n_cases, n_experts, ...); shorter codes have NaN at the end."""

    codes: Float32[np.ndarray, "n e k"]
    losses: Float32[np.ndarray, "n e"]
    priors: Float32[np.ndarray, "n e"]
    n_steps: Int[np.ndarray, "n e"]
    converged: Bool[np.ndarray, "n e"]

    @staticmethod
    def blank(arena: Arena, n_cases: int) -> "Outcome":
        """Lay out what is to be found, before anybody searched."""
        shape = n_cases, len(arena.books.prices)
        longest = max(team.book.shape[2] for team in arena.teams)
        return Outcome(
            np.full((*shape, longest), np.nan, np.float32),
            np.zeros(shape, np.float32),
            np.zeros(shape, np.float32),
            np.zeros(shape, np.int32),
            np.zeros(shape, bool),
        )


class Bound(NamedTuple):
    """Cases, flat, with the metric bound to what is observed of them."""

    values: Float32[np.ndarray, "n p"]
    mask: Bool[np.ndarray, "n p"]
    weights: Weights

    @staticmethod
    def of(batch: Batch, metric: Metric) -> "Bound":
        """Bind the metric."""
        flat = batch.n_cases, -1
        weights = bind(metric, batch.mask)
        return Bound(batch.values.reshape(flat), batch.mask.reshape(flat), weights)

    def targets(self, cases: Int[np.ndarray, "*n"]) -> Targets:
        """Lay out some cases; those that miss the same values share a factor."""
        pattern = self.weights.pattern[cases]
        alike = (pattern == pattern.flat[0]).all()
        return Targets(
            self.values[cases],
            self.mask[cases],
            self.weights.factors[pattern.flat[0] if alike else pattern],
            self.weights.n_observed[cases],
        )
