"""Who searches for what: experts compete for cases, and those that cannot win any more leave.

All experts' books are screened for every case. What then remains to be searched for depends on what
is wanted: every loss, those that count in a case's probabilities, the loss of its nearest expert,
or only who that is. An expert leaves a case once its score, at best, is above the score of another,
or so many times that score that it does not count: after screening
``FURTHEST`` below what it is; later lower by ``TRUST`` times what a full step promises, and by
``SLACK``. That is a measured rule (on the development splits of nine sets), not a bound:
`python benchmarks/accuracy.py` reports how often full searches have another winner.
"""

from itertools import pairwise
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float32, Int

from .first_look import MOST_SEEN, View, look, views
from .inversion import Evidence, decisive
from .metric import Metric, Weights, bind
from .prepare import Batch
from .screening import Books, screen
from .search import EVERYWHERE, Searcher, Standing, Targets, advance, start
from .tiles import Advance, run, tiled

LOOKS = 0, 1, 2, 3, 4, 6, 8, 12  # steps after which it is decided who searches on
PAUSES = 5, 10  # steps after which, where all search to the end, those that are there make room
FURTHEST = 1.0  # fall of the log of a score that a search may bring
TRUST, SLACK = 2.5, 0.1
# Values of a case, for each entry of a code: so few can be met by chance, and all search on.
FEW_VALUES = 4
WIDE = 4, 16  # groups of a tile, and cases of a group: as many as fill the lanes of the kernel
LOOKING = 16, 16  # the same for first looks: a little work each, so that calls are what costs
# For what is left of an expert's cases, where most of a wide group would be copies. Sums in tiles
# of another shape differ in the last bit: only done where nothing but a winner is wanted.
THIN = 8  # groups of one case
FEW_CASES = 4  # of an expert
FEW_PAIRS = 2  # each of which is searched for alone: the quickest for a single case


class Wanted(NamedTuple):
    """What a contest is to tell.

    Attributes
    ----------
    behind : float
        Experts search on for a case as long as their score, at best, may be at most ``exp(behind)``
        times that of its nearest expert.
    loss : bool, default True
        Whether the loss of the last that is left matters, or only who that is.
    """

    behind: float
    loss: bool = True


ALL = Wanted(np.inf)
NEAREST = Wanted(0.0)
WINNER = Wanted(0.0, loss=False)


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


class _Race(NamedTuple):
    """Pairs of a case and an expert of a team, and where their searches stand."""

    team: Team
    case: Int[np.ndarray, " pairs"]
    member: Int[np.ndarray, " pairs"]
    place: Int[np.ndarray, " pairs"]  # in the expert's book, of the code to begin with
    standing: Standing

    @property
    def expert(self) -> Int[np.ndarray, " pairs"]:
        return self.team.experts[self.member]


def compete(
    arena: Arena,
    batch: Batch,
    n_jobs: int | None,
    bar: Advance,
    wanted: Wanted = ALL,
    evidence: Evidence | None = None,
    among: Bool[np.ndarray, "n e"] | None = None,
) -> Outcome:
    """Let experts search for the codes of cases.

    Parameters
    ----------
    arena : Arena
        The experts, their books and the search.
    batch : Batch
        Prepared cases.
    n_jobs : int or None
        Threads, None for one a core.
    bar : callable
        Receives progress, in cases.
    wanted : Wanted
        What is to be found out.
    evidence : Evidence, optional
        What else than the experts' own losses decides.
    among : array of bool (n, e), optional
        Which pairs of a case and an expert take part; losses of the others may be inf. Tiles are
        thin then, as where only a winner is wanted.

    Returns
    -------
    Outcome
    """
    bound = Bound.of(batch, arena.metric)
    out, places = _screened(arena, bound, among, n_jobs)
    n_cases = len(out.losses)
    contending = np.ones(out.losses.shape, bool) if among is None else among.copy()
    thin = not wanted.loss or among is not None
    furthest = np.float32(np.exp(-FURTHEST))
    at_best = (out.losses + out.priors) * furthest
    few = bound.weights.n_observed < FEW_VALUES * out.codes.shape[2]
    races: list[_Race] = []
    # The first look at a code counts as a step: searches begin at -1.
    looks = (0, *PAUSES) if wanted == ALL else LOOKS
    if among is not None:
        looks = PAUSES  # calls are what few pairs cost, and there is little to share
    rounds = list(pairwise((-1, *looks, arena.search.n_iterations)))
    share = n_cases / len(rounds)
    for done, (begun, end) in enumerate(rounds):
        end = min(end, arena.search.n_iterations)
        if wanted != ALL:
            contending &= _may_matter(at_best, out, evidence, wanted.behind) | few[:, None]
        searching = contending & ~out.converged
        if not wanted.loss:
            searching &= contending.sum(axis=1, keepdims=True) > 1
        if not searching.any():
            bar(share * (len(rounds) - done))
            break
        if not races:
            races = [_begin(team, searching, out.codes, places) for team in arena.teams]
        few_cases = FEW_CASES if thin else 0
        if begun < 0 and among is None:
            for race in races:
                _look(race, bound, arena, n_jobs, thin)
                searching[race.case, race.expert] &= race.standing.n_steps < 0
        _search(races, searching, bound, arena, end - begun, n_jobs, bar, share, few_cases)
        for race in races:
            at, now = (race.case, race.expert), race.standing
            scores = now.at.loss + now.at.prior
            hoped = np.maximum(scores - TRUST * now.promise, scores * furthest)
            at_best[at] = hoped * np.exp(-SLACK)
            out.codes[(*at, slice(now.code.shape[1]))] = now.code
            out.losses[at], out.priors[at] = now.at.loss, now.at.prior
            out.n_steps[at], out.converged[at] = now.n_steps, now.converged
    return out


def follow(
    arena: Arena, e: int, batch: Batch
) -> tuple[Float32[np.ndarray, "n n_path k"], Float32[np.ndarray, "n n_path"]]:
    """Let one expert search, and write down every step.

    Parameters
    ----------
    arena : Arena
        The experts, their books and the search.
    e : int
        Number of the expert.
    batch : Batch
        Prepared cases.

    Returns
    -------
    codes : array (n_cases, n_path, code_size)
        From the code the search begins with; the last one is repeated once it has converged.
    scores : array (n_cases, n_path)
        Loss and prior.
    """
    arena = arena.alone(e)
    bound = Bound.of(batch, arena.metric)
    out, places = _screened(arena, bound)
    race = _begin(arena.teams[0], ~out.converged, out.codes, places)
    codes, scores = [], []
    for _ in range(arena.search.n_iterations + 1):
        searching = np.zeros_like(out.converged)
        searching[race.case, 0] = ~race.standing.converged
        _search([race], searching, bound, arena, 1, 1, lambda _: None, 0.0)
        codes.append(race.standing.code.copy())
        scores.append(race.standing.at.loss + race.standing.at.prior)
    return np.stack(codes, axis=1), np.stack(scores, axis=1)


def _screened(
    arena: Arena,
    bound: Bound,
    among: Bool[np.ndarray, "n e"] | None = None,
    n_jobs: int | None = 1,
) -> tuple[Outcome, Int[np.ndarray, "n e"]]:
    """Let no expert take a step from the best code of its book; say also where that is."""
    first = screen(arena.books, bound.values, bound.mask, bound.weights, among, n_jobs)
    out = Outcome.blank(arena, len(bound.values))
    for team in arena.teams:
        members = np.arange(len(team.experts))
        found = team.book[members, first.place[:, team.experts]]
        out.codes[:, team.experts, : found.shape[2]] = found
    return out._replace(losses=first.losses, priors=first.priors), first.place


def _may_matter(
    at_best: Float32[np.ndarray, "n e"], out: Outcome, evidence: Evidence | None, behind: float
) -> Bool[np.ndarray, "n e"]:
    """Tell which experts' scores, at best, are not too far above the lowest score of a case."""
    lowest = decisive(out.losses + out.priors, evidence).min(axis=1, keepdims=True)
    return decisive(at_best, evidence) <= lowest * np.exp(behind)


def _begin(
    team: Team, searching: Bool[np.ndarray, "n e"], codes: np.ndarray, places: np.ndarray
) -> _Race:
    member, case = np.nonzero(searching[:, team.experts].T)
    of_team = codes[case, team.experts[member], : team.book.shape[2]]
    return _Race(team, case, member, places[case, team.experts[member]], start(of_team))


def _look(
    race: _Race, bound: Bound, arena: Arena, n_jobs: int | None, only_if_shared: bool
) -> None:
    """Let those pairs take their first look whose cases miss nothing."""
    team, n_book = race.team, race.team.book.shape[1]
    whole = np.asarray(bound.mask.all(axis=1))
    pairs = np.flatnonzero(whole[race.case])
    start_of = race.member * n_book + race.place
    pairs = pairs[np.argsort(start_of[pairs], kind="stable")]
    begun, view = np.unique(start_of[pairs], return_inverse=True)
    # Sums in tiles of another shape differ in the last bit, as with thin ones.
    if only_if_shared and 2 * len(begun) > len(pairs):
        return
    member = begun // n_book
    codes = np.clip(team.book[member, begun % n_book], *arena.search.bounds)
    n_values, k = bound.values.shape[1], codes.shape[1]
    n_steps = n_values // team.searchers.expert.b_out.shape[-1]
    at_once = max(MOST_SEEN // (n_values * (1 + k)), 1)

    def searchers_of(members: np.ndarray) -> Searcher:
        return jax.tree.map(lambda a: a[members], team.searchers)

    for first in range(0, len(begun), at_once):
        some = np.arange(first, min(first + at_once, len(begun)))
        floats = (len(some), n_values), (len(some), k, n_values)
        seen = View(*(np.empty(shape, np.float32) for shape in floats))

        def decode(tile: np.ndarray, advanced: Advance, first=first, seen=seen) -> None:
            made = views(searchers_of(member[tile[:, 0]]), codes[tile], n_steps)
            for whole, part in zip(seen, made, strict=True):
                whole[tile - first] = part

        def begin(tile: np.ndarray, advanced: Advance, first=first, seen=seen) -> None:
            of = view[tile[:, 0]]
            now = look(
                searchers_of(member[of]),
                codes[of],
                View(*(a[of - first] for a in seen)),
                bound.targets(race.case[pairs[tile]]),
                arena.metric,
                arena.search.prior_strength,
            )
            race.standing.put(pairs[tile], now)

        run(decode, in_tiles(some, member[some]), n_jobs, lambda _: None)
        low, high = np.searchsorted(view, (some[0], some[-1] + 1))
        tiles = in_tiles(np.arange(low, high), view[low:high], shape=LOOKING)
        run(begin, tiles, n_jobs, lambda _: None, in_turns=True)


def _search(
    races: list[_Race],
    searching: Bool[np.ndarray, "n e"],
    bound: Bound,
    arena: Arena,
    most_steps: int,
    n_jobs: int | None,
    bar: Advance,
    share: float,
    few_cases: int = 0,
) -> None:
    """Search on with those pairs of the races that are to."""
    tasks = []
    if most_steps > 0:
        for race in races:
            pairs = np.flatnonzero(searching[race.case, race.expert])
            tasks += [(race, tile) for tile in in_tiles(pairs, race.member[pairs], few_cases)]
    bar(share if not tasks else 0.0)

    def work(task: tuple[_Race, np.ndarray], advanced: Advance) -> None:
        race, tile = task
        now = advance(
            jax.tree.map(lambda a: a[race.member[tile[:, 0]]], race.team.searchers),
            bound.targets(race.case[tile]),
            arena.metric,
            arena.search.prior_strength,
            jax.tree.map(lambda a: a[tile], race.standing),
            most_steps,
            arena.search.bounds,
        )
        race.standing.put(tile, now)
        advanced(share / len(tasks))

    run(work, tasks, n_jobs, bar, in_turns=True)


def in_tiles(
    pairs: Int[np.ndarray, " n"],
    of: Int[np.ndarray, " n"],
    few_cases: int = 0,
    shape: tuple[int, int] = WIDE,
) -> list[Int[np.ndarray, "g m"]]:
    """Cut pairs, sorted by their expert, into groups of one expert, and groups into tiles.

    Tiles are wide ones of one shape, filled up with copies, and thin ones for what is left of an
    expert's cases where that is no more than ``few_cases``.
    """
    n_groups, size = shape
    groups, left = [], []
    for mine in np.split(pairs, np.flatnonzero(np.diff(of)) + 1):
        rest = len(mine) % size
        whole = len(mine) - rest if rest <= few_cases else len(mine)
        groups += [mine[at] for at in tiled(whole, size)]
        left += [mine[whole:]]
    alone = np.concatenate(left)[:, None]
    thin = tiled(len(alone), 1 if len(alone) <= FEW_PAIRS else THIN)
    wide = [np.stack([groups[i] for i in at]) for at in tiled(len(groups), n_groups)]
    return wide + [alone[at] for at in thin]
