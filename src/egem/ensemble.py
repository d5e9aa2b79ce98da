"""The experts of all classes together: every one searches for every case, tile by tile."""

import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float32, Shaped

from .decoder import decode
from .inversion import (
    Found,
    Inversion,
    Searcher,
    Targets,
    levenberg_marquardt,
    open_books,
    published_adam,
)
from .metric import Metric, bind
from .prepare import Batch, Preparation
from .tiles import Advance, run, stack, tiled
from .training import EXPERTS_PER_TILE, Trained, code_size, label_key

CASES_PER_TILE = 16


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
    """

    method: str
    n_iterations: int
    prior_strength: float


@dataclass(frozen=True, eq=False)
class Ensemble:
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
        Metric of the loss.
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
    def _tiles(self) -> list[tuple[np.ndarray, Searcher]]:
        """Experts with codes of one length side by side, their books decoded."""
        groups: dict[int, list[int]] = {}
        for i, t in enumerate(self.trained):
            groups.setdefault(code_size(t), []).append(i)
        tiles = []
        for members in groups.values():
            for index in tiled(len(members), EXPERTS_PER_TILE):
                of = np.array(members)[index]
                fields = stack([_searchable(self.trained[i]) for i in of])
                fields = jax.tree.map(jnp.asarray, fields)
                tiles.append((of, open_books(*fields, n_steps=self.preparation.n_steps)))
        return tiles

    def invert(self, batch: Batch, n_jobs: int | None, bar: Advance) -> Inversion:
        """Let every expert search for the code of every case.

        Parameters
        ----------
        batch : Batch
            Prepared cases.
        n_jobs : int or None
            Threads, None for one a core.
        bar : callable
            Receives progress, in cases.

        Returns
        -------
        Inversion
        """
        n, n_experts = batch.n_cases, len(self.trained)
        longest = max(code_size(t) for t in self.trained)
        losses = np.zeros((n, n_experts), np.float32)
        priors = np.zeros((n, n_experts), np.float32)
        codes = np.full((n, n_experts, longest), np.nan, np.float32)
        n_steps = np.zeros((n, n_experts), int)
        converged = np.zeros((n, n_experts), bool)
        values, mask = batch.values.reshape(n, -1), batch.mask.reshape(n, -1)
        weights = bind(self.metric, batch.mask)
        tasks = [(of, tile, at) for at in tiled(n, CASES_PER_TILE) for of, tile in self._tiles]

        def work(task, advance) -> None:
            of, tile, at = task
            cut = Targets(
                values[at], mask[at], weights.factors[weights.pattern[at]], weights.n_observed[at]
            )
            found = self._search_tile(of, tile, cut, batch[at])
            where = np.ix_(at, of)
            losses[where], priors[where] = found.losses.T, found.priors.T
            codes[(*where, slice(found.codes.shape[2]))] = found.codes.transpose(1, 0, 2)
            n_steps[where], converged[where] = found.n_steps.T, found.converged.T
            advance(len(set(at)) / len(self._tiles))

        run(work, tasks, n_jobs, bar)
        return Inversion(
            self.classes, losses, priors, codes, n_steps, converged, self.imagine
        )

    def imagine(
        self, e: int, codes: Float[np.ndarray, "n k"]
    ) -> Float32[np.ndarray, "n n_channels n_timepoints"]:
        """Decode codes by expert number ``e``, in the user's units."""
        expert, size = self.trained[e].expert, code_size(self.trained[e])
        codes = np.asarray(codes[:, :size], np.float32)
        steps = np.zeros((len(codes), self.preparation.n_steps, self.preparation.n_channels))
        for at in tiled(len(codes), CASES_PER_TILE):
            steps[at] = _decode(expert, codes[at], self.preparation.n_steps)
        return self.preparation.restore(steps)

    def _search_tile(
        self, of: np.ndarray, tile: Searcher, targets: Targets, batch: Batch
    ) -> Found:
        targets = jax.tree.map(jnp.asarray, targets)
        if self.search.method == "adam":
            keys = self._case_keys(of, batch)
            found = published_adam(tile, targets, self.metric, keys, self.search.n_iterations)
        else:
            found = levenberg_marquardt(
                tile, targets, self.metric, self.search.prior_strength, self.search.n_iterations
            )
        return jax.tree.map(np.asarray, found)

    def _case_keys(self, of: np.ndarray, batch: Batch) -> Any:
        """Keys from seed, label and a case's content: position and company do not matter."""
        cases = [zlib.crc32(batch.values[i].tobytes()) for i in range(batch.n_cases)]
        labels = [label_key(self.seed, self.classes[e]) for e in of]
        return jnp.asarray(
            [[(zlib.crc32(repr(label).encode()), case) for case in cases] for label in labels],
            jnp.uint32,
        )


def _searchable(t: Trained):
    return t.expert, t.code_mean, t.code_precision, t.book


_decode = jax.jit(decode, static_argnames="n_steps")
