"""Convolution features: a representation that tolerates shifts and stretches.

Small kernels slide over the sequence at several dilations; a feature is the share of time at which
a kernel's response exceeds a threshold (kernels and statistic are MiniRocket's: Dempster, Schmidt
and Webb, KDD 2021), for the sequence and its first differences. Features are standardised and
projected onto the span of at most ``MAX_DIRECTIONS`` training cases; the distance from it is added.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float32, Int

from egem.data.cases import Case
from egem.data.validation import of_one_shape
from egem.runtime import native
from egem.runtime.batching import batched_indices
from egem.runtime.forks import claim_jax
from egem.runtime.linalg import svd
from egem.runtime.memo import Cached
from egem.runtime.parallel import run

TAPS = 9
N_THRESHOLDS = 4  # of a kernel
MAX_CHANNELS = 9  # that a kernel sums over
PER_OCTAVE, CASES_FOR_THRESHOLDS = 2, 40  # dilations; training cases
RESPONSES_FOR_THRESHOLDS = 8192
MAX_POINTS = 2**18  # time points of those cases; of more, responses are worked out for some only
CASES_FOR_STANDARDISATION = 2000
MAX_DIRECTIONS = 512
VALUES_PER_BATCH = 16_384  # time points of all cases that one call works on
MIN_SPREAD = 1e-6  # of a feature, a share of time, that is not the same for all cases
ROUNDING = 1e-5  # of a squared length, in float32
MARGIN = 1e-5  # of thresholds, which are responses to training cases

# All kernels with weights of 2 at three of nine taps and -1 at the others; they sum to 0.
_PLACES = np.array(list(combinations(range(TAPS), 3)), np.int32)
KERNELS = np.full((len(_PLACES), TAPS), -1.0, np.float32)
np.put_along_axis(KERNELS, _PLACES, 2.0, axis=1)

Along = Literal["time", "channels"]


class Bank(NamedTuple):
    """All kernels at several dilations."""

    dilations: Int[np.ndarray, " d"]  # steps between two taps
    channels: Float32[np.ndarray, "d k c"]  # 1 where a kernel sums over a channel
    thresholds: Float32[np.ndarray, "d k b"]  # quantiles of a kernel's response to training cases


class Layout(NamedTuple):
    """How a case in the user's units becomes what kernels slide over."""

    along: Along  # what they slide over: channels, of images, are pixel columns
    mean: Float[np.ndarray, " c"]  # offset and divisor
    scale: Float[np.ndarray, " c"]
    length: int  # longest sequence; of longer ones the rest is not looked at

    def apply(
        self, cases: list[Case]
    ) -> tuple[Float32[np.ndarray, "n c t"], Int[np.ndarray, " n"]]:
        """Return standardised values, 0 beyond a case's end, and lengths."""
        values = np.zeros((len(cases), len(self.mean), self.length), np.float32)
        lengths = np.zeros(len(cases), np.int32)
        for alike, each in of_one_shape(cases):
            whole = _whole(each, self.along)[:, : len(self.mean), : self.length]
            lacking = len(self.mean) - whole.shape[1]  # rows, of a prefix described along channels
            whole = np.pad(whole, ((0, 0), (0, lacking), (0, 0)), mode="edge")
            lengths[alike] = whole.shape[2]
            standard = (whole - self.mean[:, None]) / self.scale[:, None]
            values[alike, :, : whole.shape[2]] = standard
        return values, lengths


@dataclass(frozen=True, eq=False)
class Convolutions(Cached):
    """Fitted features."""

    layout: Layout  # what the kernels slide over
    banks: tuple[Bank, ...]  # for the sequences, and for their first differences
    centre: Float32[np.ndarray, " f"]  # standardisation of the features
    spread: Float32[np.ndarray, " f"]
    projection: Float32[np.ndarray, "f q"]  # orthonormal columns, projected onto

    @property
    def size(self) -> int:
        """Length of the vectors: the directions, and the distance from their span."""
        return self.projection.shape[1] + 1

    def transform(
        self, cases: list[Case], n_jobs: int | None = None
    ) -> Float32[np.ndarray, "n q+1"]:
        """Describe cases by vectors."""
        # In double precision, so that a case gets the same vector, to float32, in any company.
        projection, divisor = self._scaled_projection, self.spread.astype(np.float64)
        vectors = []
        for each in _describe(self.layout, self.banks, cases, n_jobs):
            away = each - self.centre
            squares = ((away / divisor) ** 2).sum(axis=1)
            vectors.append(with_distance(away @ projection, squares))
        return np.concatenate(vectors)[: len(cases)].astype(np.float32)

    @cached_property
    def _scaled_projection(self) -> Float[np.ndarray, "f q"]:
        return self.projection / self.spread[:, None].astype(np.float64)


def with_distance(
    projected: Float[np.ndarray, "n q"], squares: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "n q+1"]:
    """Add the distance from the span: the length that a projection has lost of ``sqrt(squares)``.

    What rounding leaves of nothing is 0.
    """
    lost = squares - (projected**2).sum(axis=1)
    lost[lost < ROUNDING * squares] = 0.0
    return np.concatenate([projected, np.sqrt(lost)[:, None]], axis=1)


def fit_convolutions(
    cases: list[Case],
    along: Along,
    shared_scale: bool,
    rng: np.random.Generator,
    n_jobs: int | None = None,
) -> Convolutions:
    """Choose dilations, channels, thresholds and directions from training cases."""
    shown = [cases[i] for i in rng.permutation(len(cases))[:CASES_FOR_STANDARDISATION]]
    layout = _layout(shown, along, shared_scale)
    first = layout.apply(shown[:CASES_FOR_THRESHOLDS])
    banks = tuple(_bank(*view, rng) for view in _views(*first))
    found = np.concatenate(list(_describe(layout, banks, shown, n_jobs)))[: len(shown)]
    centre, spread = found.mean(axis=0), found.std(axis=0)
    spread[spread < MIN_SPREAD] = 1.0
    _, s, vt = svd((found[:MAX_DIRECTIONS] - centre) / spread)
    n_kept = int((s > 1e-4 * max(s[0], 1e-6)).sum())
    kept = vt[: max(n_kept, 1)]  # one, where all cases are alike
    return Convolutions(layout, banks, centre, spread, np.ascontiguousarray(kept.T))


def _whole(cases: Float[np.ndarray, "n c t"], along: Along) -> Float[np.ndarray, "n c t"]:
    """Fill in what is missing inside cases, and turn them so that kernels slide along the rows."""
    missing = np.isnan(cases)
    if missing.any():
        cases = cases.copy()
        time = np.arange(cases.shape[2])
        for i, c in np.argwhere(missing.any(axis=2)):
            row, seen = cases[i, c], np.flatnonzero(~missing[i, c])
            row[:] = np.interp(time, seen, row[seen]) if len(seen) else 0.0
    return cases if along == "time" else cases.swapaxes(1, 2)


def _layout(cases: list[Case], along: Along, shared_scale: bool) -> Layout:
    n_rows = max(case.shape[0 if along == "time" else 1] for case in cases)
    if along == "channels":  # cases of unequal length have unequal numbers of rows
        cases = [np.pad(c, ((0, 0), (0, n_rows - c.shape[1])), mode="edge") for c in cases]
    turned = [_whole(case[None], along)[0] for case in cases]
    pooled = np.sort(np.concatenate(turned, axis=1), axis=1)  # sums must not depend on the order
    if shared_scale:
        pooled = np.sort(pooled.reshape(1, -1))
    mean, scale = (np.broadcast_to(f(pooled, axis=1), n_rows) for f in (np.mean, np.std))
    scale = np.where(scale > 1e-9 * np.abs(mean) + 1e-30, scale, 1.0)
    return Layout(along, np.array(mean), scale, max(x.shape[1] for x in turned))


def _views(values: Float32[np.ndarray, "n c t"], lengths: Int[np.ndarray, " n"]):
    """Yield the sequences, then their first differences, of the same width."""
    yield values, lengths
    steps = np.diff(values, axis=2, append=0.0)
    lengths = np.maximum(lengths - 1, 1)
    inside = np.arange(values.shape[2]) < lengths[:, None]
    yield np.where(inside[:, None], steps, np.float32(0)), lengths


def _bank(
    values: Float32[np.ndarray, "n c t"], lengths: Int[np.ndarray, " n"], rng: np.random.Generator
) -> Bank:
    """Draw kernels' channels, and take their thresholds from training cases."""
    claim_jax()
    n_kernels, n_channels = len(KERNELS), values.shape[1]
    widest = max((values.shape[2] - 1) // (TAPS - 1), 1)
    n_dilations = 1 + int(PER_OCTAVE * np.log2(widest))
    dilations = np.unique(np.geomspace(1, widest, n_dilations).astype(np.int32))
    most = min(n_channels, MAX_CHANNELS)
    channels = np.zeros((len(dilations), n_kernels, n_channels), np.float32)
    for each in channels.reshape(-1, n_channels):
        size = min(int(2 ** rng.uniform(0.0, np.log2(most + 1))), most)
        each[rng.choice(n_channels, size, replace=False)] = 1.0
    inside = np.arange(values.shape[2]) < lengths[:, None]
    thresholds = np.zeros((len(dilations), n_kernels, N_THRESHOLDS), np.float32)
    golden = (np.sqrt(5.0) - 1.0) / 2.0  # its multiples spread evenly over quantiles
    for d, dilation in enumerate(dilations):
        if inside.sum() > MAX_POINTS:
            responses = _responses_at_some(values, lengths, dilation, channels[d], rng)
        else:
            responses = np.asarray(_responses(values, dilation, channels[d])).swapaxes(0, 1)
            some = rng.permutation(int(inside.sum()))[:RESPONSES_FOR_THRESHOLDS]
            responses = responses[:, inside][:, some]
        responses = np.sort(responses, axis=1)
        places = (np.arange(n_kernels * N_THRESHOLDS) * golden + rng.random()) % 1.0
        places = (places * responses.shape[1]).astype(int).reshape(n_kernels, N_THRESHOLDS)
        thresholds[d] = np.take_along_axis(responses, places, axis=1)
        # Where a response is often the same, rounding must not decide on which side it lies.
        thresholds[d] += MARGIN * (1.0 + responses.std(axis=1, keepdims=True))
    return Bank(dilations, channels, thresholds)


def _describe(layout: Layout, banks: tuple[Bank, ...], cases: list[Case], n_jobs: int | None):
    """Yield the features of blocks of cases, (n_block, n_features); the last block is filled up."""
    size = int(np.clip(VALUES_PER_BATCH // layout.length, 1, 64))
    if native.KERNEL is not None:  # no programs of fixed shapes: a block need not be filled up
        size = min(size, -(-len(cases) // 2))

    def work(at: Int[np.ndarray, " m"], advance) -> Float32[np.ndarray, "m f"]:
        block = layout.apply([cases[i] for i in at])
        shares = [
            proportions_above(*view, bank) for view, bank in zip(_views(*block), banks, strict=True)
        ]
        advance(1.0)
        return np.concatenate([share.reshape(len(at), -1) for share in shares], axis=1)

    blocks = batched_indices(len(cases), size)
    for i in range(0, len(blocks), 64):  # features of all cases at once may not fit into memory
        done = run(work, blocks[i : i + 64], n_jobs, lambda _: None)
        yield np.concatenate(done)


@jax.jit
def _responses(
    values: Float[Array, "n c t"], dilation: Int[Array, ""], channels: Float[Array, "k c"]
) -> Float[Array, "n k t"]:
    """Slide all kernels over all sequences; beyond its ends a sequence is 0, its mean."""
    length = values.shape[2]
    border = (TAPS // 2) * max((length - 1) // (TAPS - 1), 1)
    padded = jnp.pad(values, ((0, 0), (0, 0), (border, border)))
    starts = border + dilation * (jnp.arange(TAPS) - TAPS // 2)
    taps = jax.vmap(lambda s: jax.lax.dynamic_slice_in_dim(padded, s, length, axis=2))(starts)
    return jnp.einsum("kj,kc,jnct->nkt", jnp.asarray(KERNELS), channels, taps)


def _responses_at_some(
    values: Float32[np.ndarray, "n c t"],
    lengths: Int[np.ndarray, " n"],
    dilation: int,
    channels: Float32[np.ndarray, "k c"],
    rng: np.random.Generator,
) -> Float32[np.ndarray, "k m"]:
    """Return what :func:`_responses` does, at random time points of all cases."""
    case = rng.integers(len(values), size=RESPONSES_FOR_THRESHOLDS)
    middle = (rng.random(len(case)) * lengths[case]).astype(int)
    at = middle[:, None] + dilation * (np.arange(TAPS) - TAPS // 2)
    inside = (at >= 0) & (at < values.shape[2])
    taps = values[case[:, None], :, np.where(inside, at, 0)] * inside[:, :, None]  # (m, taps, c)
    return np.einsum("kj,kc,mjc->km", KERNELS, channels, taps, optimize=True)


def proportions_above(
    values: Float32[np.ndarray, "n c t"], lengths: Int[np.ndarray, " n"], bank: Bank
) -> Float32[np.ndarray, "n d k b"]:
    """Share of time at which each kernel's response exceeds each of its thresholds.

    Every other kernel looks at the whole sequence, the rest only where all taps lie inside it.
    """
    if native.KERNEL is None:
        claim_jax()
        return np.asarray(_shares_above(values, lengths, bank))
    return native.proportions_above(
        values, lengths, bank.dilations, _PLACES, bank.channels, bank.thresholds
    )


@jax.jit
def _shares_above(
    values: Float[Array, "n c t"], lengths: Int[Array, " n"], bank: Bank
) -> Float[Array, "n d k b"]:
    time = jnp.arange(values.shape[2])
    whole = time < lengths[:, None]
    halves = jnp.arange(len(KERNELS)) % 2 == 0

    def one(layer: tuple) -> Float[Array, "n k b"]:
        dilation, channels, thresholds = layer
        reach = dilation * (TAPS // 2)
        inner = (time >= reach) & (time < lengths[:, None] - reach)
        inner = jnp.where(inner.any(axis=1, keepdims=True), inner, whole)
        counted: Bool[Array, "n k t"] = jnp.where(halves[:, None], whole[:, None], inner[:, None])
        responses = jnp.where(counted, _responses(values, dilation, channels), -jnp.inf)
        n_counted = jnp.sum(counted, axis=2)
        above = [
            jnp.sum(responses > thresholds[:, b, None], axis=2) / n_counted
            for b in range(N_THRESHOLDS)
        ]
        return jnp.stack(above, axis=2)

    return jnp.moveaxis(jax.lax.map(one, tuple(bank)), 0, 1)
