"""Shards of cases that a worker judges, and what of its findings travels back."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int

from egem.calibration.temperature import probabilities
from egem.data.validation import Case
from egem.ensemble.result import Inversion
from egem.ensemble.search import Wanted
from egem.runtime.progress import Advance


def portable(inversion: Inversion) -> Inversion:
    """Leave behind the experts: they do not travel from worker to worker."""
    return replace(inversion, _decode=_nobody)


def without_codes(inversion: Inversion) -> Inversion:
    """Leave behind the codes, most of what an inversion holds, as well."""
    return replace(portable(inversion), codes=inversion.codes[:, :, :0])


def winners(inversion: Inversion) -> Int[np.ndarray, " n_cases"]:
    """Leave only which class comes nearest."""
    return inversion.scores.argmin(axis=1)


class Verdicts(NamedTuple):
    """What decides of each case, and no more.

    Attributes
    ----------
    winners : array of int (n_cases,)
        Position of the nearest class.
    probabilities : array (n_cases,)
        Of that class.
    losses : array (n_cases,)
        Of its expert.
    """

    winners: Int[np.ndarray, " n_cases"]
    probabilities: Float[np.ndarray, " n_cases"]
    losses: Float32[np.ndarray, " n_cases"]


def verdicts(inversion: Inversion, sharpness: float) -> Verdicts:
    """Leave only what decides."""
    of = winners(inversion)
    cases = np.arange(len(of))
    chances = probabilities(inversion.scores, sharpness)
    return Verdicts(of, chances[cases, of], inversion.losses[cases, of])


def _nobody(e: int, codes: np.ndarray) -> np.ndarray:
    raise RuntimeError("the experts are elsewhere")


class Shard(NamedTuple):
    """Some cases, the first of them number ``first`` of the user's."""

    first: int
    cases: list[Case]

    def numbers(self) -> range:
        """Their numbers."""
        return range(self.first, self.first + len(self.cases))


class Judging(NamedTuple):
    """What all shards need.

    Attributes
    ----------
    search : callable
        Inverts cases: the method of a classifier, which goes along.
    wanted : Wanted
        What is to be found out.
    take : callable
        What of it travels back.
    decided : bool
        Whether a case without a nearest class is an error.
    """

    search: Callable[..., Inversion]
    wanted: Wanted
    take: Callable[[Inversion], Any]
    decided: bool


def judge(judging: Judging, shard: Shard, advance: Advance, n_jobs: int | None = 1) -> Any:
    """Invert the cases of a shard, on one thread as a rule."""
    found = judging.search(shard.cases, n_jobs, advance, shard.first, wanted=judging.wanted)
    if judging.decided:
        found.check_decided(shard.first)
    return judging.take(found)
