"""The experts of all classes together: every one searches for every case, tile by tile."""

import zlib
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Shaped

from .decoder import decode, decode_with_jacobian
from .inversion import (
    Evidence,
    Found,
    Inversion,
    Searcher,
    Targets,
    decisive,
    levenberg_marquardt,
    levenberg_marquardt_on,
    open_books,
    published_adam,
)
from .metric import Metric, Weights, bind
from .prepare import Batch, Preparation
from .tiles import Advance, run, stack, tiled
from .training import EXPERTS_PER_TILE, Trained, code_size, label_key

CASES_PER_TILE = 16
FIRST_STEPS = 6  # of a search, taken by all experts together
CONTENDING = 3.0  # times the best score after those, up to which an expert may still win


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

    def __getstate__(self) -> dict[str, Any]:
        # Without the tiles, so that a pickle does not tell whether anything was searched for.
        return {field.name: getattr(self, field.name) for field in fields(self)}

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
                searchers = open_books(*fields, n_steps=self.preparation.n_steps)
                tiles.append((of, jax.tree.map(np.asarray, searchers)))
        return tiles

    def invert(
        self,
        batch: Batch,
        n_jobs: int | None,
        bar: Advance,
        contenders_only: bool = False,
        evidence: Evidence | None = None,
    ) -> Inversion:
        """Let every expert search for the code of every case.

        Parameters
        ----------
        batch : Batch
            Prepared cases.
        n_jobs : int or None
            Threads, None for one a core.
        bar : callable
            Receives progress, in cases.
        contenders_only : bool, default False
            Whether to leave the search, after its first few steps, of experts that are then far
            behind the best: enough to tell the winner. Their losses stay as they are then.
        evidence : Evidence, optional
            What else counts in the decision.

        Returns
        -------
        Inversion

        Raises
        ------
        FloatingPointError
            Where a loss is not finite; names the class.
        """
        targets = self.bound(batch)
        result = _blank(self, batch.n_cases)
        tasks = [
            (of, tile, at)
            for at in tiled(batch.n_cases, CASES_PER_TILE)
            for of, tile in self._tiles
        ]

        def search(task, advance) -> None:
            of, tile, at = task
            keys = self._case_keys(of, batch[at]) if self.search.method == "adam" else None
            found = self._search_tile(tile, targets.of(at), keys)
            result.put(np.ix_(at, of), jax.tree.map(lambda a: a.swapaxes(0, 1), found))
            advance(len(set(at)) / len(self._tiles))

        run(search, tasks, n_jobs, bar)
        open_pairs = ~result.converged
        if contenders_only:
            scores = decisive(result.losses + result.priors, evidence)
            ahead = CONTENDING ** (evidence.share if evidence else 1.0)
            open_pairs &= scores <= ahead * scores.min(axis=1, keepdims=True)
        self._search_on(open_pairs, targets, result, n_jobs)
        lost = np.argwhere(~np.isfinite(result.losses))
        if len(lost):
            raise FloatingPointError(
                f"the expert of class {self.classes[lost[0, 1]].item()!r} found no finite loss for "
                f"case {lost[0, 0]} of X; look at that case for extreme values."
            )
        return Inversion(
            self.classes,
            result.losses,
            result.priors,
            result.codes,
            result.n_steps,
            result.converged,
            self.imagine,
            evidence,
        )

    def _search_on(
        self, open_pairs: Bool[np.ndarray, "n e"], targets: "_Bound", result: "_Result", n_jobs
    ) -> None:
        """Finish the searches of the given pairs of case and expert, expert by expert."""
        left = self.search.n_iterations - FIRST_STEPS
        if self.search.method == "adam" or left <= 0:
            return
        tasks = []
        for of, tile in self._tiles:
            for slot, e in enumerate(of):
                if e in of[:slot]:  # a copy that fills the tile
                    continue
                cases = np.flatnonzero(open_pairs[:, e])
                tasks += [(e, slot, tile, cases[at]) for at in tiled(len(cases), CASES_PER_TILE)]

        def search(task, advance) -> None:
            e, slot, tile, cases = task
            begun = result.get((cases, e), tile.code_mean.shape[-1])
            found = levenberg_marquardt_on(
                jax.tree.map(lambda a: a[slot : slot + 1], tile),
                targets.of(cases),
                self.metric,
                self.search.prior_strength,
                jax.tree.map(lambda a: a[None], begun),
                left,
            )
            result.put((cases, e), jax.tree.map(lambda a: np.asarray(a)[0], found))
            advance(0.0)

        run(search, tasks, n_jobs, lambda _: None)

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

    def searcher(self, e: int) -> Searcher:
        """Return expert number ``e`` ready to search, with a leading axis of 1."""
        of, tile = next((of, tile) for of, tile in self._tiles if e in of)
        slot = int(np.flatnonzero(of == e)[0])
        return jax.tree.map(lambda a: a[slot : slot + 1], tile)

    def bound(self, batch: Batch) -> "_Bound":
        """Bind the metric to what is observed of cases."""
        return _Bound(batch, bind(self.metric, batch.mask))

    def linearise(
        self, e: int, code: Float[np.ndarray, " k"]
    ) -> tuple[Float[np.ndarray, "t c"], Float[np.ndarray, "k t c"]]:
        """Return what expert number ``e`` imagines, on the grid, and its derivatives."""
        expert, size = self.trained[e].expert, code_size(self.trained[e])
        codes = np.asarray(code[None, :size], np.float32)
        y, jacobian = _linearised(expert, codes, self.preparation.n_steps)
        return np.asarray(y[0], np.float64), np.asarray(jacobian[0], np.float64)

    def _search_tile(self, tile: Searcher, targets: Targets, keys) -> Found:
        if self.search.method == "adam":
            found = published_adam(tile, targets, self.metric, keys, self.search.n_iterations)
        else:
            steps = min(FIRST_STEPS, self.search.n_iterations)
            found = levenberg_marquardt(
                tile, targets, self.metric, self.search.prior_strength, steps
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


class _Bound(NamedTuple):
    """Cases with the metric bound to what is observed of them."""

    batch: Batch
    weights: Weights

    def of(self, cases: Int[np.ndarray, " n"]) -> Targets:
        """Lay out a tile of cases; those that miss the same values share a factor."""
        batch, pattern = self.batch[cases], self.weights.pattern[cases]
        alike = (pattern == pattern[0]).all()
        n = batch.n_cases
        return Targets(
            batch.values.reshape(n, -1),
            batch.mask.reshape(n, -1),
            self.weights.factors[pattern[0] if alike else pattern],
            self.weights.n_observed[cases],
        )


class _Result(NamedTuple):
    """Arrays (n_cases, n_experts, ...) that searches write their findings to."""

    codes: Float32[np.ndarray, "n e k"]
    losses: Float32[np.ndarray, "n e"]
    priors: Float32[np.ndarray, "n e"]
    n_steps: Int[np.ndarray, "n e"]
    converged: Bool[np.ndarray, "n e"]
    damping: Float32[np.ndarray, "n e"]

    def put(self, where, found: Found) -> None:
        size = found.codes.shape[-1]
        self.codes[(*where, slice(size))] = found.codes
        for whole, part in zip(self[1:], found[1:], strict=True):
            whole[where] = part

    def get(self, where, code_size: int) -> Found:
        return Found(self.codes[where][:, :code_size], *(whole[where] for whole in self[1:]))


def _blank(ensemble: Ensemble, n_cases: int) -> _Result:
    shape = n_cases, len(ensemble.trained)
    longest = max(code_size(t) for t in ensemble.trained)
    return _Result(
        codes=np.full((*shape, longest), np.nan, np.float32),
        losses=np.zeros(shape, np.float32),
        priors=np.zeros(shape, np.float32),
        n_steps=np.zeros(shape, np.int32),
        converged=np.zeros(shape, bool),
        damping=np.zeros(shape, np.float32),
    )


_decode = jax.jit(decode, static_argnames="n_steps")
_linearised = jax.jit(decode_with_jacobian, static_argnames="n_steps")
