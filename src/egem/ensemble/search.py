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

from egem.data.preparation import Batch
from egem.ensemble.bank import Arena, Bound, Outcome, Team
from egem.ensemble.codebook import screen
from egem.ensemble.first_look import MOST_SEEN, View, look, views
from egem.ensemble.lm import Searcher, Standing, advance, start
from egem.ensemble.result import Evidence, decisive
from egem.runtime.batching import in_tiles
from egem.runtime.parallel import run
from egem.runtime.progress import Advance

LOOKS = 0, 1, 2, 3, 4, 6, 8, 12  # steps after which it is decided who searches on
PAUSES = 5, 10  # steps after which, where all search to the end, those that are there make room
FURTHEST = 1.0  # fall of the log of a score that a search may bring
TRUST, SLACK = 2.5, 0.1
# Values of a case, for each entry of a code: so few can be met by chance, and all search on.
FEW_VALUES = 4
# What is left of an expert's cases is put into thin tiles, where nothing but a winner is wanted.
FEW_CASES = 4
# Groups of a tile of first looks, and cases of a group: with little work, calls are the cost.
LOOKING = 16, 16


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
        Threads, None for all cores.
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
