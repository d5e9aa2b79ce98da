"""The experts of all classes together."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import jax
import numpy as np
from jaxtyping import Bool, Float, Float32, Shaped

from egem.data.preparation import Batch, Preparation
from egem.ensemble.bank import Arena, Search, Team
from egem.ensemble.codebook import Books, decoded
from egem.ensemble.codes import Trained, code_size
from egem.ensemble.decoder import decode, decode_with_jacobian
from egem.ensemble.lm import NOWHERE, Searcher
from egem.ensemble.metric import Metric
from egem.ensemble.published import settle
from egem.ensemble.result import Evidence, Inversion
from egem.ensemble.search import ALL, Wanted, compete
from egem.ensemble.training import EXPERTS_PER_TILE, label_key
from egem.runtime.batching import stack, tiled
from egem.runtime.memo import Cached
from egem.runtime.progress import Advance

CASES_PER_TILE = 16


@dataclass(frozen=True, eq=False)
class Ensemble(Cached):
    """Trained experts with everything a search needs; immutable.

    Attributes
    ----------
    classes : array (n_classes,)
        Labels.
    trained : tuple of Trained
        One a class, in the same order.
    preparation : Preparation
        Scaling and grid.
    metric : Metric
        Metric of the experts' losses.
    search : Search
        How codes are found.
    seed : int
        Seed of the paper's random starts.
    """

    classes: Shaped[np.ndarray, " n_classes"]
    trained: tuple[Trained, ...]
    preparation: Preparation
    metric: Metric
    search: Search
    seed: int

    @cached_property
    def arena(self) -> Arena:
        """Experts with codes of one length side by side, their books decoded."""
        groups: dict[int, list[int]] = {}
        for i, t in enumerate(self.trained):
            groups.setdefault(code_size(t), []).append(i)
        teams = []
        n_book = max(len(t.book) for t in self.trained)
        values = np.zeros((len(self.trained), n_book, self.n_values), np.float32)
        prices = np.zeros((len(self.trained), n_book), np.float32)
        for members in groups.values():
            of = [self.trained[i] for i in members]
            searchers = stack([Searcher(t.expert, t.code_mean, t.code_precision) for t in of])
            team = Team(
                np.array(members),
                searchers,
                np.stack([t.book[np.arange(n_book) % len(t.book)] for t in of]),
            )
            for at in tiled(len(members), EXPERTS_PER_TILE):
                experts = jax.tree.map(lambda a, at=at: a[at], searchers.expert)
                some = decoded(experts, team.book[at], self.preparation.n_steps)
                values[team.experts[at]] = some
            away = team.book - searchers.code_mean[:, None]
            prices[members] = np.sum(searchers.code_precision[:, None] * away**2, axis=2)
            teams.append(team)
        prices *= np.float32(self.search.prior_strength * self.metric.noise)
        books = Books(values.reshape(-1, self.n_values), prices, self.metric)
        return Arena(tuple(teams), books, self.search)

    @property
    def n_values(self) -> int:
        """Values of a case on the grid."""
        return self.preparation.n_steps * self.preparation.n_channels

    def invert(
        self,
        batch: Batch,
        n_jobs: int | None,
        bar: Advance,
        wanted: Wanted = ALL,
        evidence: Evidence | None = None,
        among: Bool[np.ndarray, "n e"] | None = None,
        n_iterations: int | None = None,
    ) -> Inversion:
        """Let experts search for the codes of cases.

        Parameters
        ----------
        batch : Batch
            Prepared cases.
        n_jobs : int or None
            Threads, None for all cores.
        bar : callable
            Receives progress, in cases.
        wanted : Wanted
            What is to be found out; experts that do not matter for it search for a few steps only.
        evidence : Evidence, optional
            What else counts in the decision.
        among : array of bool (n, e), optional
            Which pairs of a case and an expert are wanted; the paper's Adam works on all.
        n_iterations : int or None, default None
            Most steps, where they are to be fewer.

        Returns
        -------
        Inversion
        """
        if self.search.method == "adam":
            found = settle(self.arena, batch, n_jobs, bar, self._keys(batch))
        else:
            arena = self.arena
            if n_iterations is not None:
                arena = arena._replace(search=self.search._replace(n_iterations=n_iterations))
            found = compete(arena, batch, n_jobs, bar, wanted, evidence, among)
        return Inversion(
            self.classes,
            np.where(found.losses < NOWHERE, found.losses, np.float32(np.inf)),
            found.priors,
            found.codes,
            found.n_steps,
            found.converged,
            self.imagine,
            evidence,
            _among=among,
        )

    def imagine(
        self, e: int, codes: Float[np.ndarray, "n k"]
    ) -> Float32[np.ndarray, "n n_channels n_timepoints"]:
        """Decode codes by expert number ``e``, in the user's units."""
        return self.preparation.restore(self.imagine_steps(e, codes))

    def imagine_steps(
        self, e: int, codes: Float[np.ndarray, "n k"]
    ) -> Float32[np.ndarray, "n n_steps n_channels"]:
        """Decode codes by expert number ``e``, standardised, on the grid."""
        expert, size = self.trained[e].expert, code_size(self.trained[e])
        codes = np.asarray(codes[:, :size], np.float32)
        steps = np.zeros((len(codes), self.preparation.n_steps, self.preparation.n_channels))
        for at in tiled(len(codes), CASES_PER_TILE):
            steps[at] = _decode(expert, codes[at], self.preparation.n_steps)
        return steps.astype(np.float32)

    def linearise(
        self, e: int, code: Float[np.ndarray, " k"]
    ) -> tuple[Float[np.ndarray, "t c"], Float[np.ndarray, "k t c"]]:
        """Return what expert number ``e`` imagines, on the grid, and its derivatives."""
        expert, size = self.trained[e].expert, code_size(self.trained[e])
        codes = np.asarray(code[None, :size], np.float32)
        y, jacobian = _linearised(expert, codes, self.preparation.n_steps)
        return np.asarray(y[0], np.float64), np.asarray(jacobian[0], np.float64)

    def _keys(self, batch: Batch) -> Callable[[int, int], tuple[int, int]]:
        """Keys from seed, label and a case's content: position and company do not matter."""
        cases = [zlib.crc32(batch.values[i].tobytes()) for i in range(batch.n_cases)]
        labels = [zlib.crc32(repr(label_key(self.seed, c)).encode()) for c in self.classes]
        return lambda expert, case: (labels[expert], cases[case])


_decode = jax.jit(decode, static_argnames="n_steps")
_linearised = jax.jit(decode_with_jacobian, static_argnames="n_steps")
