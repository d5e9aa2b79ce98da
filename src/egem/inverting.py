"""Inverting new cases, some at a time, here or on workers; all that is said of them begins here."""

import logging
import warnings
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from egem.calibration.conformal import nothing_held_out
from egem.data.preparation import Batch
from egem.data.validation import Case
from egem.ensemble.metric import Metric
from egem.ensemble.result import Evidence, Inversion
from egem.ensemble.search import ALL, Wanted
from egem.ensemble.views import Representation
from egem.fitted import Fitted
from egem.judging import Judging, Shard, judge, portable
from egem.kept import Kept
from egem.runtime.dispatch import dispatch_to
from egem.runtime.executors import active_executor
from egem.runtime.parallel import plain_products, run
from egem.runtime.progress import Advance, Progress
from egem.runtime.timings import Phases
from egem.settings import check_channels

log = logging.getLogger(__name__)

Taken = TypeVar("Taken")

PAIRS_AT_ONCE = 2**19  # of a case and an expert, that are worked on together
CASES_AT_ONCE = 64, 4096  # but no fewer and no more cases than these
SHARDS_A_WORKER = 3  # or more, where cases are many
CASES_OF_A_TILE = 256  # whose features a thread works out


class Inverting(Fitted):
    """The methods of :class:`egem.EGEMClassifier` that let experts search."""

    def invert(self, X: ArrayLike) -> Inversion:
        """Let every expert search for the code of every case.

        Parameters
        ----------
        X : array or list
            Cases, as for :meth:`fit`. Shorter ones are compared as far as they go.

        Returns
        -------
        Inversion
            Codes, losses, priors, steps, convergence, reconstructions, and the time it took. Its
            ``states`` and ``troubles`` tell of searches that found nothing or did not end.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            For input that does not fit the training cases.
        """
        inversion = self._invert(X, ALL)
        for trouble in inversion.troubles:
            log.info("invert: %s", trouble)
        return inversion

    def glance(
        self,
        X: ArrayLike,
        among: ArrayLike | None = None,
        n_iterations: int | None = None,
        spaces: bool = True,
    ) -> Inversion:
        """Do what :meth:`invert` does, quicker for few cases, while somebody waits.

        Tiles of the search are as thin as the cases are few, so that the last digits may depend on
        what else is asked for; and some of the search can be left out.

        Parameters
        ----------
        X : array or list
            Cases, as for :meth:`invert`.
        among : array of bool (n_cases, n_classes) or None, default None
            Which experts search for the code of which case; None is all. Losses of the others are
            not worked out, and may be inf.
        n_iterations : int or None, default None
            Most steps of a search; None is the model's.
        spaces : bool, default True
            Whether further spaces of the metric count in the scores, as they do elsewhere; without
            them scores are losses and priors alone.

        Returns
        -------
        Inversion

        Raises
        ------
        ValueError
            Where the input does not fit the training cases, or ``among`` the input.
        """
        check_is_fitted(self)
        cases = self._cases(X, reset=False)
        check_channels(cases, self.preparation_.n_channels, "this model")
        shape = len(cases), len(self.classes_)
        wanted = np.ones(shape, bool) if among is None else np.asarray(among, bool)
        if wanted.shape != shape:
            raise ValueError(
                f"among has shape {wanted.shape}, but there are {shape[0]} cases in X and "
                f"{shape[1]} classes in this model; give one entry for each pair of them."
            )
        return self._searched(
            cases, 1, lambda _: None, spaces=spaces, among=wanted, n_iterations=n_iterations
        )

    def _invert(
        self,
        X,
        wanted: Wanted,
        take: Callable[[Inversion], Inversion] = portable,
        decided: bool = False,
    ) -> Inversion:
        joined = Inversion.joined(list(self._taken(X, wanted, take, decided)))
        return replace(joined, _decode=self.ensemble_.imagine)

    def _taken(
        self, X, wanted: Wanted, take: Callable[[Inversion], Taken], decided: bool = True
    ) -> Iterator[Taken]:
        """Invert some cases at a time, and take of it what is asked for: all takes much memory.

        Where it has to be ``decided``, a case without a nearest class is an error.
        """
        check_is_fitted(self)
        cases = self._cases(X, reset=False)
        check_channels(cases, self.preparation_.n_channels, "this model")
        self._warn_of_longer(cases)
        judging = Judging(self._searched, wanted, take, decided)
        some = int(np.clip(PAIRS_AT_ONCE // len(self.classes_), *CASES_AT_ONCE))
        engine = active_executor(self.n_jobs)
        with Progress(f"inverting {len(cases)} cases", len(cases), self.verbose) as bar:
            if engine is not None:
                most = -(-len(cases) // (SHARDS_A_WORKER * engine.n_workers))
                some = min(some, max(most, CASES_AT_ONCE[0]))
                starts = range(0, len(cases), some)
                shards = [Shard(at, cases[at : at + some]) for at in starts]
                shared = judging._replace(search=self._travelling()._searched)
                yield from dispatch_to(
                    engine, judge, shards, bar.advance, Shard.numbers, shared=shared
                )
                return
            for first in range(0, len(cases), some):
                shard = Shard(first, cases[first : first + some])
                yield judge(judging, shard, bar.advance, self.n_jobs)

    def _travelling(self) -> "Inverting":
        """Leave out what a worker does not need to judge cases."""
        light = copy(self)
        light.held_out_ = nothing_held_out(len(self.classes_))
        light.cases_ = Kept((), np.zeros(0, int), np.zeros(0, int))
        return light

    def _searched(
        self,
        cases: list[Case],
        n_jobs: int | None,
        bar: Advance,
        first: int = 0,
        spaces: bool = True,
        **how: Any,
    ) -> Inversion:
        """Invert cases that were checked, the first of them number ``first`` of the user's."""
        phases = Phases(f"invert {len(cases)} cases")
        with plain_products():
            with phases("prepare"):
                aligned = self.preparation_.align(cases)
                batch = self.preparation_.apply(aligned, first=first)
                self._check_visible(batch, first)
            with phases("spaces"):
                evidence = self._evidence(aligned, batch, n_jobs) if spaces else None
            with phases("search"):
                found = self.ensemble_.invert(batch, n_jobs, bar, evidence=evidence, **how)
        phases.log(log, logging.DEBUG)
        return replace(found, stats=phases.seconds)

    def _warn_of_longer(self, cases: list[Case]) -> None:
        longest = self.preparation_.n_timepoints
        n_longer = sum(x.shape[1] > longest for x in cases)
        if n_longer and not self.preparation_.stretch:
            warnings.warn(
                f"X: {n_longer} of {len(cases)} cases are longer than the longest training case "
                f"({longest} time points); what lies beyond is left out of the comparison. Fit "
                "with a case of full length to use it.",
                UserWarning,
                stacklevel=5,
            )

    def _evidence(self, cases: list[Case], batch: Batch, n_jobs: int | None) -> Evidence | None:
        if isinstance(self.metric_, Metric):
            return None
        metric = self.metric_
        own = any(isinstance(r, Representation) for r in metric.representations)
        n_tiles = 1 if own else -(-len(cases) // CASES_OF_A_TILE)

        def work(at: Int[np.ndarray, " m"], advance) -> list[Float[np.ndarray, "m n_classes"]]:
            described = metric.describe([cases[i] for i in at], batch[at], 1)
            return [
                space.log_losses([each[i] for each in self.hulls_], of)
                for i, (space, of) in enumerate(zip(metric.spaces, described, strict=True))
            ]

        tiles = np.array_split(np.arange(len(cases)), n_tiles)
        losses = zip(*run(work, tiles, n_jobs, lambda _: None), strict=True)
        return metric.evidence([np.concatenate(of_space) for of_space in losses], batch.mask)
