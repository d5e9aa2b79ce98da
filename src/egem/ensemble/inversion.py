"""Inversion of many cases by an ensemble, some at a time, here or on workers."""

import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from numpy.typing import ArrayLike

from egem.core.levenberg_marquardt import UNKNOWN
from egem.data.cases import Case
from egem.data.preparation import Batch
from egem.data.validation import check_channels
from egem.ensemble.conformal import HeldOut
from egem.ensemble.ensemble import Ensemble
from egem.ensemble.published import search_published
from egem.ensemble.result import Inversion
from egem.ensemble.search import ALL, LOSSES, Need, search_codes
from egem.runtime.dispatch import dispatch_to
from egem.runtime.executors import active_executor
from egem.runtime.forks import claim_jax
from egem.runtime.numerics import own_numerics
from egem.runtime.parallel import run, single_threaded_blas
from egem.runtime.progress import Advance, Progress, Timings
from egem.views.views import Representation, ViewLosses

log = logging.getLogger(__name__)

Taken = TypeVar("Taken")

PAIRS_AT_ONCE = 2**19  # of a case and an expert
CASES_AT_ONCE = 64, 4096  # but no fewer and no more cases than these
CHUNKS_PER_WORKER = 3  # or more, where cases are many
CASES_PER_BATCH = 256  # whose features a thread computes


class Chunk(NamedTuple):
    """Some cases; the first of them is number ``first`` of the user's."""

    first: int
    cases: list[Case]

    def numbers(self) -> range:
        """Their numbers."""
        return range(self.first, self.first + len(self.cases))


class _Work(NamedTuple):
    """What every chunk needs: the ensemble, and what of its inversion is returned."""

    ensemble: Ensemble
    need: Need
    take: Callable[[Inversion], Any]
    decided: bool


def invert(
    ensemble: Ensemble,
    cases: list[Case],
    need: Need = ALL,
    n_jobs: int | None = None,
    verbose: bool = False,
    decided: bool = False,
    codes: bool = True,
) -> Inversion:
    """Search for the codes of cases by all experts.

    Raises
    ------
    ValueError
        For cases that do not fit the training cases.
    FloatingPointError
        For undecided cases.
    """
    take = _portable if codes else _without_codes
    parts = list(invert_in_chunks(ensemble, cases, need, take, n_jobs, verbose, decided))
    joined = Inversion.joined(parts)
    return replace(joined, _decode=ensemble.imagine, calibration=ensemble.calibration)


def invert_in_chunks(
    ensemble: Ensemble,
    cases: list[Case],
    need: Need,
    take: Callable[[Inversion], Taken],
    n_jobs: int | None = None,
    verbose: bool = False,
    decided: bool = True,
) -> Iterator[Taken]:
    """Invert some cases at a time, and yield what is taken of each: all takes much memory."""
    preparation = ensemble.preparation
    check_channels(cases, preparation.n_channels, "this model")
    _warn_of_longer(cases, ensemble)
    some = int(np.clip(PAIRS_AT_ONCE // len(ensemble.classes), *CASES_AT_ONCE))
    executor = active_executor(n_jobs)
    work = _Work(ensemble, need, take, decided)
    with Progress(f"inverting {len(cases)} cases", len(cases), verbose) as bar:
        if executor is None:
            for at in range(0, len(cases), some):
                chunk = Chunk(at, cases[at : at + some])
                yield _invert_chunk(work, chunk, bar.advance, n_jobs)
            return
        most = -(-len(cases) // (CHUNKS_PER_WORKER * executor.n_workers))
        some = min(some, max(most, CASES_AT_ONCE[0]))
        chunks = [Chunk(at, cases[at : at + some]) for at in range(0, len(cases), some)]
        shared = work._replace(ensemble=_light(ensemble))
        yield from dispatch_to(
            executor, _invert_chunk, chunks, bar.advance, Chunk.numbers, shared=shared
        )


def invert_now(
    ensemble: Ensemble,
    cases: list[Case],
    n_jobs: int | None = 1,
    advance: Advance | None = None,
    first: int = 0,
    need: Need = ALL,
    among: ArrayLike | None = None,
    max_steps: int | None = None,
    views: bool = True,
) -> Inversion:
    """Invert cases in one go, the first of them number ``first`` of the user's.

    Only pairs of a case and an expert ``among`` (n_cases, n_classes) of True are searched, in thin
    batches; losses of the others may be inf. ``max_steps`` is at most the model's. Without
    ``views`` the other views do not count in the scores.
    """
    check_channels(cases, ensemble.preparation.n_channels, "this model")
    shape = len(cases), len(ensemble.classes)
    if among is not None and np.ndim(among) and np.shape(among) != shape:
        raise ValueError(
            f"among has shape {np.shape(among)}, but X and this model have {shape[0]} cases and "
            f"{shape[1]} classes; give one entry for each pair of them."
        )
    pairs = None if among is None else np.broadcast_to(np.asarray(among, bool), shape)
    phases = Timings(f"invert {len(cases)} cases")
    preparation = ensemble.preparation
    with single_threaded_blas(), own_numerics():
        with phases("prepare"):
            aligned = preparation.align(cases)
            batch = preparation.apply(aligned, first=first)
            check_visible(batch, preparation.n_timepoints, first)
        with phases("views"):
            pooled = _view_losses(ensemble, aligned, batch, n_jobs) if views else None
        with phases("search"):
            found = invert_batch(ensemble, batch, n_jobs, advance, need, pooled, pairs, max_steps)
    phases.log(log, logging.DEBUG)
    return replace(found, stats=phases.seconds)


def invert_batch(
    ensemble: Ensemble,
    batch: Batch,
    n_jobs: int | None,
    advance: Advance | None = None,
    need: Need = LOSSES,
    views: ViewLosses | None = None,
    among: Bool[np.ndarray, "n e"] | None = None,
    max_steps: int | None = None,
) -> Inversion:
    """Invert prepared cases by the recurrent experts, given their losses in the other views."""
    classes, calibration = ensemble.classes, ensemble.calibration
    advance = advance or (lambda _: None)
    if not ensemble.experts:
        assert views is not None
        losses = np.exp(views.log_losses).astype(np.float32)
        none = np.zeros((*losses.shape, 0), np.float32)
        steps, done = np.zeros(losses.shape, np.int32), np.ones(losses.shape, bool)
        advance(float(len(losses)))
        priors = np.zeros_like(losses)
        return Inversion(
            classes,
            losses,
            priors,
            none,
            steps,
            done,
            ensemble.imagine,
            views,
            calibration=calibration,
        )
    claim_jax()
    bank = ensemble.bank
    if ensemble.method == "adam":
        found = search_published(bank, batch, n_jobs, advance, classes, ensemble.seed)
    else:
        if max_steps is not None:
            bank = bank._replace(search=replace(bank.search, max_steps=max_steps))
        found = search_codes(bank, batch, n_jobs, advance, need, views, among)
    return Inversion(
        classes,
        np.where(found.losses < UNKNOWN, found.losses, np.float32(np.inf)),
        found.priors,
        found.codes,
        found.n_steps,
        found.converged,
        ensemble.imagine,
        views,
        calibration=calibration,
        _among=among,
        _winners=found.winners,
    )


def check_visible(batch: Batch, n_timepoints: int, first: int = 0) -> None:
    """Refuse cases of which nothing lies on the grid; ``first`` is the number of the first."""
    blind = np.flatnonzero(~batch.mask.any(axis=(1, 2)))
    if len(blind):
        raise ValueError(
            f"X: case {first + blind[0]} holds no value within the fitted {n_timepoints} time "
            "points; remove it."
        )


def _view_losses(
    ensemble: Ensemble, cases: list[Case], batch: Batch, n_jobs: int | None
) -> ViewLosses | None:
    """Return the pooled losses in the views with linear experts."""
    views = ensemble.views
    if views is None:
        return None
    own = any(isinstance(view.representation, Representation) for view in views.linear)
    n_batches = 1 if own else -(-len(cases) // CASES_PER_BATCH)

    def work(at: Int[np.ndarray, " m"], _: Advance) -> list[Float[np.ndarray, "m n_classes"]]:
        some = [cases[i] for i in at]
        return [
            view.log_losses(experts, view.represent(some, batch[at], 1))
            for view, experts in zip(views.linear, ensemble.linear_experts, strict=True)
        ]

    batches = np.array_split(np.arange(len(cases)), n_batches)
    losses = zip(*run(work, batches, n_jobs, lambda _: None), strict=True)
    return views.pool([np.concatenate(of_view) for of_view in losses], batch.mask)


def _invert_chunk(work: _Work, chunk: Chunk, advance: Advance, n_jobs: int | None = 1) -> Any:
    found = invert_now(work.ensemble, chunk.cases, n_jobs, advance, chunk.first, work.need)
    if work.decided:
        found.check_decided(chunk.first)
    return work.take(found)


def _light(ensemble: Ensemble) -> Ensemble:
    """Leave behind what a worker does not need: exemplars, settings and held-out scores."""
    own: dict[str, Any] = {field.name: getattr(ensemble, field.name) for field in fields(Ensemble)}
    held_out = HeldOut.none(len(ensemble.classes))
    own["calibration"] = ensemble.calibration._replace(held_out=held_out)
    return Ensemble(**own)


class Decisions(NamedTuple):
    """The predicted class of each case, and no more."""

    winners: Int[np.ndarray, " n_cases"]  # positions of the classes
    probabilities: Float[np.ndarray, " n_cases"]  # of those classes
    losses: Float32[np.ndarray, " n_cases"]  # of their experts

    @classmethod
    def of(cls, inversion: Inversion) -> "Decisions":
        """Take the decisions of an inversion."""
        winners = inversion.winners
        pairs = np.arange(len(winners)), winners
        return cls(winners, inversion.probabilities()[pairs], inversion.losses[pairs])


def winners(inversion: Inversion) -> Int[np.ndarray, " n_cases"]:
    """Take only the positions of the predicted classes."""
    return inversion.winners


def _portable(inversion: Inversion) -> Inversion:
    """Leave the experts behind: they do not travel from worker to worker."""
    return replace(inversion, _decode=_elsewhere, calibration=None)


def _without_codes(inversion: Inversion) -> Inversion:
    return replace(_portable(inversion), codes=inversion.codes[:, :, :0])


def _elsewhere(e: int, codes: np.ndarray) -> np.ndarray:
    raise RuntimeError("the experts are in another process")


def _warn_of_longer(cases: list[Case], ensemble: Ensemble) -> None:
    longest = ensemble.preparation.n_timepoints
    n_longer = sum(x.shape[1] > longest for x in cases)
    if n_longer and not ensemble.preparation.stretch:
        warnings.warn(
            f"X: {n_longer} of {len(cases)} cases are longer than the longest training case "
            f"({longest} time points); what lies beyond is left out of the comparison. Fit with a "
            "case of full length to use it.",
            UserWarning,
            stacklevel=5,
        )
