"""The bank of experts that a search works with, and what it finds."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float32, Int

from egem.core.config import SearchConfig
from egem.core.decoder import Decoder
from egem.core.inversion import Expert
from egem.core.metric import Metric
from egem.ensemble.codebook import Codebook, decoded
from egem.ensemble.codes import TrainedExpert
from egem.ensemble.training import EXPERTS_PER_BATCH
from egem.runtime.batching import batched_indices, stack
from egem.runtime.native import accelerated


class Group(NamedTuple):
    """Experts with codes of one size."""

    numbers: Int[np.ndarray, " m"]  # their places among all experts
    experts: Expert  # with a leading axis of them
    starts: Float32[np.ndarray, "m b k"]  # their codebooks


class Bank(NamedTuple):
    """Experts side by side, with their decoded codebooks."""

    decoder: Decoder
    groups: tuple[Group, ...]
    codebook: Codebook
    search: SearchConfig

    @classmethod
    def of(
        cls,
        trained: tuple[TrainedExpert, ...],
        decoder: Decoder,
        metric: Metric,
        search: SearchConfig,
        n_steps: int,
    ) -> "Bank":
        """Group experts by the size of their codes, and decode their codebooks."""
        decoder = accelerated(decoder)
        by_size: dict[int, list[int]] = {}
        for i, t in enumerate(trained):
            by_size.setdefault(t.code_size, []).append(i)
        n_codes = max(len(t.codebook) for t in trained)
        groups, parts = [], {}
        penalties = np.zeros((len(trained), n_codes), np.float32)
        for members in by_size.values():
            of = [trained[i] for i in members]
            experts = stack([t.expert for t in of])
            starts = np.stack([t.codebook[np.arange(n_codes) % len(t.codebook)] for t in of])
            group = Group(np.array(members), experts, starts)
            for at in batched_indices(len(members), EXPERTS_PER_BATCH):
                params = jax.tree.map(lambda a, at=at: a[at], experts.params)
                values = decoded(decoder, params, starts[at], n_steps)
                parts |= dict(zip(group.numbers[at].tolist(), values, strict=True))
            away = starts - experts.code_mean[:, None]
            penalties[members] = np.sum(experts.code_precision[:, None] * away**2, axis=2)
            groups.append(group)
        penalties *= np.float32(search.prior_weight * metric.noise)
        values = np.concatenate([parts[e] for e in range(len(trained))])
        return cls(decoder, tuple(groups), Codebook(values, penalties, metric), search)

    @property
    def metric(self) -> Metric:
        """The metric of the losses."""
        return self.codebook.metric

    @property
    def n_experts(self) -> int:
        """Number of experts."""
        return len(self.codebook.penalties)

    def only(self, e: int) -> "Bank":
        """Return the bank of one expert."""
        group = next(group for group in self.groups if e in group.numbers)
        at = np.flatnonzero(group.numbers == e)
        experts = jax.tree.map(lambda a: a[at], group.experts)
        group = Group(np.zeros(1, int), experts, group.starts[at])
        return self._replace(groups=(group,), codebook=self.codebook.only(e))


class Found(NamedTuple):
    """Results of a search, arrays (n_cases, n_experts, ...); shorter codes have NaN at the end."""

    codes: Float32[np.ndarray, "n e k"]
    losses: Float32[np.ndarray, "n e"]
    priors: Float32[np.ndarray, "n e"]
    n_steps: Int[np.ndarray, "n e"]
    converged: Bool[np.ndarray, "n e"]
    winners: Int[np.ndarray, " n"] | None = None  # where a class was predicted

    @classmethod
    def blank(cls, bank: Bank, n_cases: int) -> "Found":
        """Return the results before the search."""
        shape = n_cases, bank.n_experts
        longest = max(group.starts.shape[2] for group in bank.groups)
        return cls(
            np.full((*shape, longest), np.nan, np.float32),
            np.zeros(shape, np.float32),
            np.zeros(shape, np.float32),
            np.zeros(shape, np.int32),
            np.zeros(shape, bool),
        )
