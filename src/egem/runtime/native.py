"""Native code (`kernel/`) for the decoder and for features, where it could be compiled.

It works on codes, or on time points, side by side, one a SIMD lane (AVX-512, AVX2 or the compiler's
plain vectors, chosen when it is loaded), in float32, on the thread that calls it. Without it
:mod:`egem.ensemble.decoder` falls back to JAX's scan, and :mod:`egem.ensemble.features` to JAX.
`EGEM_KERNEL` in the environment asks for one: `scan`, `plain`, `avx2` or `avx512`.
"""

import ctypes
import logging
import os
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int32

from egem.runtime.arrays import AnyArray

# EGEM_LIBRARY is for `make sanitize`, which compiles one of its own.
LIBRARY = Path(os.environ.get("EGEM_LIBRARY") or Path(__file__).parent / "kernel" / "libegem.so")
CELLS_OF_A_BLOCK, TAPED = 2, 6  # as in kernel/lstm.hpp
FEWEST_CODES = 4  # of an expert: fewer leave most lanes idle, and the scan is quicker
MOST_TAPED = 2**20  # floats of an expert up to which the way forward is kept for the way back


class Kernel(NamedTuple):
    """What was loaded: the instruction set's name, its number of float32 lanes, and the library."""

    name: str
    lanes: int
    library: ctypes.CDLL


def _load() -> Kernel | None:
    if os.environ.get("EGEM_KERNEL") == "scan" or not LIBRARY.exists():
        return None
    try:
        library = ctypes.CDLL(str(LIBRARY))
        made, served = library.egem_ffi_version(), _ffi_version()
        if made > served:  # JAX would only notice, and fail for good, at its first computation
            raise RuntimeError(f"made for version {made} of JAX's interface, this one has {served}")
        library.egem_kernel_name.restype = ctypes.c_char_p
        library.egem_shares.restype = None
        for name in ("Roll", "Record", "Pull", "Push", "Normal"):
            handler = jax.ffi.pycapsule(getattr(library, f"Egem{name}"))
            jax.ffi.register_ffi_target(f"egem_{name.lower()}", handler, platform="cpu")
        return Kernel(library.egem_kernel_name().decode(), library.egem_kernel_lanes(), library)
    except Exception as error:  # made for another machine or JAX: the scan serves as well
        logging.getLogger(__name__).warning("%s cannot be used: %s", LIBRARY, error)
        return None


def _ffi_version() -> int:
    """Version of the interface to native code that the installed JAX has."""
    text = (Path(jax.ffi.include_dir()) / "xla/ffi/api/c_api.h").read_text("utf-8")
    numbers = [re.search(rf"#define XLA_FFI_API_{part} (\d+)", text) for part in ("MAJOR", "MINOR")]
    major, minor = (int(found[1]) if found else 0 for found in numbers)
    return 1000 * major + minor


KERNEL = _load()


def serves(codes: Float[AnyArray, "n k"], *arrays: AnyArray) -> bool:
    """Whether the kernel is there, can take these arrays, and is worth calling for these codes."""
    arrays = codes, *arrays
    return (
        KERNEL is not None
        and len(codes) >= FEWEST_CODES
        and jax.default_backend() == "cpu"
        and all(a.dtype == jnp.float32 for a in arrays)
    )


def serves_normal(codes: Float[AnyArray, "n k"], basis: AnyArray, *arrays: AnyArray) -> bool:
    """The same of :func:`normal`, whose lanes are codes alone."""
    few = KERNEL is not None and 2 * len(codes) < KERNEL.lanes
    return serves(codes, basis, *arrays) and not few and basis.shape[1] % 4 == 0


def _call(
    name: str, shapes: list[tuple[int, ...]], n_steps: int, *arrays: AnyArray
) -> Sequence[Array]:
    made = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return jax.ffi.ffi_call(name, made, vmap_method="broadcast_all")(*arrays, steps=n_steps)


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def roll(
    first: Float[AnyArray, "n 4h"],
    rec: Float[AnyArray, "h 4h"],
    bias: Float[AnyArray, " 4h"],
    out: Float[AnyArray, "h c"],
    n_steps: int,
) -> Float[Array, "n t c"]:
    """Run the LSTM from the gates of its first step; ``y`` comes without its bias.

    Differentiable in reverse mode; :func:`push` is for forward mode. Under :func:`jax.vmap` all
    arguments are laid out for every entry of the axis, so map over experts, not over codes.
    """
    (y,) = _call("egem_roll", [(len(first), n_steps, out.shape[1])], n_steps, first, rec, bias, out)
    return y


def _roll_forward(first, rec, bias, out, n_steps: int):
    assert KERNEL is not None
    n, (h, c) = len(first), out.shape
    rounded = -(-n // KERNEL.lanes) * KERNEL.lanes
    cells = -(-h // CELLS_OF_A_BLOCK) * CELLS_OF_A_BLOCK
    taped = rounded * n_steps * TAPED * cells
    if taped > MOST_TAPED:
        return roll(first, rec, bias, out, n_steps), (first, rec, bias, out, jnp.zeros(0))
    shapes = [(n, n_steps, c), (taped,)]
    y, tape = _call("egem_record", shapes, n_steps, first, rec, bias, out)
    return y, (first, rec, bias, out, tape)


def _roll_backward(n_steps: int, kept, dy):
    shapes = [a.shape for a in kept[:4]]
    return tuple(_call("egem_pull", shapes, n_steps, *kept, dy))


roll.defvjp(_roll_forward, _roll_backward)


def push(
    first: Float[AnyArray, "n 4h"],
    code: Float[AnyArray, "k 4h"],
    rec: Float[AnyArray, "h 4h"],
    bias: Float[AnyArray, " 4h"],
    out: Float[AnyArray, "h c"],
    n_steps: int,
) -> tuple[Float[Array, "n t c"], Float[Array, "n k t c"]]:
    """Return what :func:`roll` does, with its derivative along each row of ``code``."""
    n, c, k = len(first), out.shape[1], len(code)
    shapes = [(n, n_steps, c), (n, k, n_steps, c)]
    y, jacobian = _call("egem_push", shapes, n_steps, first, code, rec, bias, out)
    return y, jacobian


def normal(
    first: Float[AnyArray, "n 4h"],
    code: Float[AnyArray, "k 4h"],
    rec: Float[AnyArray, "h 4h"],
    bias: Float[AnyArray, " 4h"],
    out: Float[AnyArray, "h c"],
    out_bias: Float[AnyArray, " c"],
    targets: Float[AnyArray, "n p"],
    shown: Float[AnyArray, "n p"],
    basis: Float[AnyArray, "p q"],
    n_steps: int,
) -> tuple[Float[Array, "n k+1 k+1"], Float[Array, "n k+1 q"]]:
    """Return products of :func:`push`'s rows with each other and with the basis.

    The first row is the residual, the sequence less its target, and the others are derivatives;
    both are 0 where ``shown`` is, elsewhere it is 1. A basis has a multiple of four columns.
    """
    n, k, q = len(first), len(code), basis.shape[1]
    shapes = [(n, 1 + k, 1 + k), (n, 1 + k, q)]
    arrays = first, code, rec, bias, out, out_bias, targets, shown, basis
    gram, projected = _call("egem_normal", shapes, n_steps, *arrays)
    return gram, projected


def shares_above(
    values: Float32[np.ndarray, "n c t"],
    lengths: Int32[np.ndarray, " n"],
    dilations: Int32[np.ndarray, " d"],
    places: Int32[np.ndarray, "k 3"],
    channels: Float32[np.ndarray, "d k c"],
    thresholds: Float32[np.ndarray, "d k b"],
) -> Float32[np.ndarray, "n d k b"]:
    """Return the share of time at which kernels' responses exceed their thresholds.

    What :mod:`egem.ensemble.features` calls its features; ``places`` are the taps weighed with 2.
    Needs the native code, :data:`KERNEL`, and four thresholds for each kernel.
    """
    assert KERNEL is not None
    out = np.empty((len(values), *thresholds.shape), np.float32)
    sizes = (*values.shape, len(dilations), len(places))
    arrays = values, lengths, dilations, places, channels, thresholds, out
    types = (np.float32, np.int32, np.int32, np.int32, np.float32, np.float32, np.float32)
    given = [np.ascontiguousarray(a, t) for a, t in zip(arrays, types, strict=True)]
    KERNEL.library.egem_shares(
        *map(ctypes.c_int64, sizes), *(ctypes.c_void_p(a.ctypes.data) for a in given)
    )
    return out
