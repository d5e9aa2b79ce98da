"""Native code (``kernel/``) for batches: the LSTM decoder, and convolution features.

Each SIMD lane takes one code, or one time point, in float32, on the calling thread. The widest
instruction set of the CPU is chosen when the library is loaded. Callers fall back to JAX where the
library is missing or does not support their arrays. ``EGEM_KERNEL`` in the environment selects
``scan`` (no native code), ``plain``, ``avx2`` or ``avx512``.

In shapes, ``n`` is the number of codes, ``k`` the code size, ``h`` of cells, ``c`` of channels,
``t`` of steps, and ``p = t * c``.
"""

import ctypes
import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int32

from egem.core.config import AnyArray
from egem.core.decoder import Decoder
from egem.core.lstm import LSTMDecoder, LSTMParams, first_gates

# EGEM_LIBRARY is for `make sanitize`, which compiles one of its own.
LIBRARY = Path(os.environ.get("EGEM_LIBRARY") or Path(__file__).parent / "kernel" / "libegem.so")
CELL_BLOCK, TAPE_ROWS = 2, 6  # as in kernel/lstm.hpp
MIN_CODES = 4  # of an expert: fewer leave most lanes idle, and the scan is faster
MAX_TAPE = 2**20  # floats of an expert: above, the backward pass repeats the forward pass


class Kernel(NamedTuple):
    """The loaded library, its instruction set, and its number of float32 lanes."""

    name: str
    lanes: int
    library: ctypes.CDLL


def _load() -> Kernel | None:
    if os.environ.get("EGEM_KERNEL") == "scan" or not LIBRARY.exists():
        return None
    try:
        library = ctypes.CDLL(str(LIBRARY))
        built, installed = library.egem_ffi_version(), _ffi_version()
        if built > installed:  # JAX itself would raise at its first computation, and all later ones
            raise RuntimeError(f"made for version {built} of JAX's interface, not {installed}")
        library.egem_kernel_name.restype = ctypes.c_char_p
        library.egem_shares.restype = None
        for name in ("Roll", "Record", "Pull", "Push", "Normal"):
            handler = jax.ffi.pycapsule(getattr(library, f"Egem{name}"))
            jax.ffi.register_ffi_target(f"egem_{name.lower()}", handler, platform="cpu")
        return Kernel(library.egem_kernel_name().decode(), library.egem_kernel_lanes(), library)
    except Exception as error:  # built for another machine or version of JAX
        logging.getLogger(__name__).warning("%s cannot be used: %s", LIBRARY, error)
        return None


def _ffi_version() -> int:
    """Return the version of the installed JAX's foreign function interface."""
    header = (Path(jax.ffi.include_dir()) / "xla/ffi/api/c_api.h").read_text("utf-8")
    found = [re.search(rf"#define XLA_FFI_API_{part} (\d+)", header) for part in ("MAJOR", "MINOR")]
    major, minor = (int(match[1]) if match else 0 for match in found)
    return 1000 * major + minor


KERNEL = _load()


def supports(codes: Float[AnyArray, "n k"], *arrays: AnyArray) -> bool:
    """Whether native code can decode these codes with these weights, and is faster than JAX."""
    return (
        KERNEL is not None
        and len(codes) >= MIN_CODES
        and jax.default_backend() == "cpu"
        and all(a.dtype == jnp.float32 for a in (codes, *arrays))
    )


def supports_normal_products(
    codes: Float[AnyArray, "n k"], basis: Float[AnyArray, "p q"], *arrays: AnyArray
) -> bool:
    """Whether the same holds for :func:`normal_products`, whose lanes hold codes only."""
    fills_lanes = KERNEL is not None and 2 * len(codes) >= KERNEL.lanes
    return fills_lanes and basis.shape[1] % 4 == 0 and supports(codes, basis, *arrays)


def _call(
    target: str, shapes: list[tuple[int, ...]], n_steps: int, *arrays: AnyArray
) -> Sequence[Array]:
    results = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return jax.ffi.ffi_call(target, results, vmap_method="broadcast_all")(*arrays, steps=n_steps)


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def unroll(
    first: Float[AnyArray, "n 4h"],
    rec: Float[AnyArray, "h 4h"],
    bias: Float[AnyArray, " 4h"],
    out: Float[AnyArray, "h c"],
    n_steps: int,
) -> Float[Array, "n t c"]:
    """Run the LSTM from the gates of its first step; the output bias is not added.

    Differentiable in reverse mode only; see :func:`unroll_with_jacobian`. :func:`jax.vmap` copies
    all arguments for every entry of its axis, so map over experts, not over codes.
    """
    (y,) = _call("egem_roll", [(len(first), n_steps, out.shape[1])], n_steps, first, rec, bias, out)
    return y


def _unroll_forward(first, rec, bias, out, n_steps: int):
    assert KERNEL is not None
    n, (h, c) = len(first), out.shape
    n_padded = -(-n // KERNEL.lanes) * KERNEL.lanes
    h_padded = -(-h // CELL_BLOCK) * CELL_BLOCK
    tape_size = n_padded * n_steps * TAPE_ROWS * h_padded
    if tape_size > MAX_TAPE:
        return unroll(first, rec, bias, out, n_steps), (first, rec, bias, out, jnp.zeros(0))
    shapes = [(n, n_steps, c), (tape_size,)]
    y, tape = _call("egem_record", shapes, n_steps, first, rec, bias, out)
    return y, (first, rec, bias, out, tape)


def _unroll_backward(n_steps: int, residuals, dy):
    shapes = [a.shape for a in residuals[:4]]
    return tuple(_call("egem_pull", shapes, n_steps, *residuals, dy))


unroll.defvjp(_unroll_forward, _unroll_backward)


def unroll_with_jacobian(
    first: Float[AnyArray, "n 4h"],
    code: Float[AnyArray, "k 4h"],
    rec: Float[AnyArray, "h 4h"],
    bias: Float[AnyArray, " 4h"],
    out: Float[AnyArray, "h c"],
    n_steps: int,
) -> tuple[Float[Array, "n t c"], Float[Array, "n k t c"]]:
    """Return the result of :func:`unroll` and its derivative along each row of ``code``."""
    n, c, k = len(first), out.shape[1], len(code)
    shapes = [(n, n_steps, c), (n, k, n_steps, c)]
    y, jacobian = _call("egem_push", shapes, n_steps, first, code, rec, bias, out)
    return y, jacobian


def normal_products(
    first: Float[AnyArray, "n 4h"],
    code: Float[AnyArray, "k 4h"],
    rec: Float[AnyArray, "h 4h"],
    bias: Float[AnyArray, " 4h"],
    out: Float[AnyArray, "h c"],
    out_bias: Float[AnyArray, " c"],
    targets: Float[AnyArray, "n p"],
    mask: Float[AnyArray, "n p"],
    basis: Float[AnyArray, "p q"],
    n_steps: int,
) -> tuple[Float[Array, "n k+1 k+1"], Float[Array, "n k+1 q"]]:
    """Return products for normal equations: of rows with each other, and with the basis.

    For each code, the first row is the residual, output minus target, and the others are its
    derivatives along the rows of ``code``, all times the mask of 0 and 1. ``q`` must be a multiple
    of four.
    """
    n, k, q = len(first), len(code), basis.shape[1]
    shapes = [(n, 1 + k, 1 + k), (n, 1 + k, q)]
    arrays = first, code, rec, bias, out, out_bias, targets, mask, basis
    gram, projected = _call("egem_normal", shapes, n_steps, *arrays)
    return gram, projected


def proportions_above(
    values: Float32[np.ndarray, "n c t"],
    lengths: Int32[np.ndarray, " n"],
    dilations: Int32[np.ndarray, " d"],
    taps: Int32[np.ndarray, "k 3"],
    channels: Float32[np.ndarray, "d k c"],
    thresholds: Float32[np.ndarray, "d k b"],
) -> Float32[np.ndarray, "n d k b"]:
    """Return the proportion of time points where convolutions exceed their thresholds.

    ``taps`` are the positions of weight 2 in each kernel. Requires :data:`KERNEL`, and ``b = 4``.
    """
    assert KERNEL is not None
    result = np.empty((len(values), *thresholds.shape), np.float32)
    sizes = (*values.shape, len(dilations), len(taps))
    arrays = values, lengths, dilations, taps, channels, thresholds, result
    dtypes = (np.float32, np.int32, np.int32, np.int32, np.float32, np.float32, np.float32)
    contiguous = [np.ascontiguousarray(a, t) for a, t in zip(arrays, dtypes, strict=True)]
    KERNEL.library.egem_shares(
        *map(ctypes.c_int64, sizes), *(ctypes.c_void_p(a.ctypes.data) for a in contiguous)
    )
    return result


@dataclass(frozen=True)
class NativeLSTMDecoder(LSTMDecoder):
    """The recurrent decoder with batches in native code, wherever that serves."""

    def decode_batch(self, params: LSTMParams, codes, n_steps: int):
        """Decode many codes, (n, k) -> (n, t, c); differentiable in reverse mode only."""
        if not supports(codes, *params):
            return super().decode_batch(params, codes, n_steps)
        first, rest = first_gates(params, codes)
        y: Array = unroll(first, *rest, n_steps)
        return y + params.b_out

    def linearise(self, params: LSTMParams, codes, n_steps: int):
        """Return sequences (n, t, c) and their derivatives along the code (n, k, t, c)."""
        if not supports(codes, *params):
            return super().linearise(params, codes, n_steps)
        first, rest = first_gates(params, codes)
        y, jacobian = unroll_with_jacobian(first, params.w_code, *rest, n_steps)
        return y + params.b_out, jacobian

    def normal_equations(self, params: LSTMParams, codes, targets, mask, basis):
        """Return the products of a Gauss-Newton step, whose rows are never laid out."""
        if not supports_normal_products(codes, basis, *params):
            return super().normal_equations(params, codes, targets, mask, basis)
        n, n_steps, _ = targets.shape
        first, rest = first_gates(params, codes)
        flat = targets.reshape(n, -1), jnp.asarray(mask, jnp.float32).reshape(n, -1)
        return normal_products(first, params.w_code, *rest, params.b_out, *flat, basis, n_steps)


def accelerated(decoder: Decoder) -> Decoder:
    """Return a decoder of the same parameters that makes use of native code."""
    if KERNEL is None or type(decoder) is not LSTMDecoder:
        return decoder
    return NativeLSTMDecoder(decoder.n_cells, decoder.start)
