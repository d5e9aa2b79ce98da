"""Steps of many searches: pairs of a case and an expert, in batches of fixed shape on threads."""

from functools import partial
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Int

from egem.core.config import AnyArray
from egem.core.decoder import Decoder
from egem.core.inversion import Expert, Targets, quadratic
from egem.core.levenberg_marquardt import LMState, init, search
from egem.core.metric import Metric
from egem.ensemble.bank import Bank, Group
from egem.ensemble.cases import BoundCases, axes_of
from egem.ensemble.shared_start import MAX_VALUES, Linearised, first_step, linearise
from egem.runtime.batching import grouped_batches
from egem.runtime.parallel import run
from egem.runtime.progress import Advance

# Groups of a batch of first steps, and cases of a group: with little work, calls are the cost.
FIRST_STEPS = 16, 16


class Searches(NamedTuple):
    """Pairs of a case and an expert of a group, and the states of their searches."""

    group: Group
    case: Int[np.ndarray, " pairs"]
    member: Int[np.ndarray, " pairs"]
    place: Int[np.ndarray, " pairs"]  # in the expert's codebook, of the code to start from
    state: LMState

    @property
    def expert(self) -> Int[np.ndarray, " pairs"]:
        """The pairs' experts, by number."""
        return self.group.numbers[self.member]

    def put(self, pairs: np.ndarray, states: LMState) -> None:
        """Write the states of some pairs, in place."""
        for whole, part in zip(jax.tree.leaves(self.state), jax.tree.leaves(states), strict=True):
            whole[pairs] = part


def start(
    group: Group, searching: Bool[np.ndarray, "n e"], codes: np.ndarray, places: np.ndarray
) -> Searches:
    """Start the searches of a group from the best codes of its codebooks."""
    member, case = np.nonzero(searching[:, group.numbers].T)
    starts = codes[case, group.numbers[member], : group.starts.shape[2]]
    return Searches(group, case, member, places[case, group.numbers[member]], init(starts))


def take_first_steps(
    each: Searches, cases: BoundCases, bank: Bank, n_jobs: int | None, only_if_shared: bool
) -> None:
    """Take the first step of pairs whose cases miss nothing, each code decoded once."""
    group, n_codes = each.group, each.group.starts.shape[1]
    complete = np.asarray(cases.mask.all(axis=(1, 2)))
    pairs = np.flatnonzero(complete[each.case])
    start_of = each.member * n_codes + each.place
    pairs = pairs[np.argsort(start_of[pairs], kind="stable")]
    starts, of_pair = np.unique(start_of[pairs], return_inverse=True)
    # Sums in batches of another shape differ in the last bit, as with thin ones.
    if only_if_shared and 2 * len(starts) > len(pairs):
        return
    member = starts // n_codes
    codes = np.clip(group.starts[member, starts % n_codes], *bank.search.bounds)
    n_steps, n_channels = cases.values.shape[1:]
    n_values, k = n_steps * n_channels, codes.shape[1]
    at_once = max(MAX_VALUES // (n_values * (1 + k)), 1)

    def experts_of(members: np.ndarray) -> Expert:
        return jax.tree.map(lambda a: a[members], group.experts)

    for first in range(0, len(starts), at_once):
        some = np.arange(first, min(first + at_once, len(starts)))
        shapes = (len(some), n_values), (len(some), k, n_values)
        made = Linearised(*(np.empty(shape, np.float32) for shape in shapes))

        def decode(block: np.ndarray, _: Advance, first=first, made=made) -> None:
            experts = experts_of(member[block[:, 0]])
            parts = linearise(bank.decoder, experts, codes[block], n_steps)
            for whole, part in zip(made, parts, strict=True):
                whole[block - first] = part

        def begin(block: np.ndarray, _: Advance, first=first, made=made) -> None:
            of = of_pair[block[:, 0]]
            states = first_step(
                experts_of(member[of]),
                codes[of],
                Linearised(*(a[of - first] for a in made)),
                cases.targets(each.case[pairs[block]]),
                bank.metric,
                bank.search.prior_weight,
            )
            each.put(pairs[block], states)

        run(decode, grouped_batches(some, member[some]), n_jobs, lambda _: None)
        low, high = np.searchsorted(of_pair, (some[0], some[-1] + 1))
        blocks = grouped_batches(np.arange(low, high), of_pair[low:high], shape=FIRST_STEPS)
        run(begin, blocks, n_jobs, lambda _: None, in_turns=True)


def continue_searches(
    searches: list[Searches],
    searching: Bool[np.ndarray, "n e"],
    cases: BoundCases,
    bank: Bank,
    max_steps: int,
    n_jobs: int | None,
    advance: Advance,
    share: float,
    thin_cases: int = 0,
) -> None:
    """Take further steps of those pairs that are to be searched."""
    tasks = []
    if max_steps > 0:
        for each in searches:
            pairs = np.flatnonzero(searching[each.case, each.expert])
            tasks += [
                (each, block) for block in grouped_batches(pairs, each.member[pairs], thin_cases)
            ]
    advance(share if not tasks else 0.0)

    def work(task: tuple[Searches, np.ndarray], advanced: Advance) -> None:
        each, block = task
        states = _take_steps(
            bank.decoder,
            jax.tree.map(lambda a: a[each.member[block[:, 0]]], each.group.experts),
            cases.targets(each.case[block]),
            bank.metric,
            bank.search.prior_weight,
            jax.tree.map(lambda a: a[block], each.state),
            max_steps,
            bank.search.bounds,
        )
        each.put(block, states)
        advanced(share / len(tasks))

    run(work, tasks, n_jobs, advance, in_turns=True)


@partial(jax.jit, static_argnums=0)
def _take_steps(
    decoder: Decoder,
    experts: Expert,
    targets: Targets,
    metric: Metric,
    prior_weight,
    states: LMState,
    max_steps: AnyArray | int,
    bounds: tuple[float, float],
) -> LMState:
    """Take up to ``max_steps`` steps with g groups, each of one expert and n cases."""

    def evaluate(codes):
        one = partial(quadratic, decoder, metric=metric, prior_weight=prior_weight)
        each = jax.vmap(lambda e, t, z: one(e, t, codes=z), (0, axes_of(targets), 0))
        return each(experts, targets, codes)

    return search(evaluate, states, max_steps, bounds)
