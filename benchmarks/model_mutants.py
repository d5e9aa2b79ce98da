"""Mutations of bytes and of models, whose lengths and checksums are right again."""

import json
import random
import struct
import warnings
from typing import Any

import numpy as np

from egem.runtime.files import checksum

ODD: tuple[Any, ...] = (
    *(0, -1, 1, 2, 7, 255, 2**31, 2**63, 10**30, -(2**40), 0.5, 1e308, -1e-300),
    *(float("nan"), float("inf"), True, False, None, "", "up", "float32", "O", "\x00", "é" * 300),
    *([], [0], [None] * 3, [[]], {}, {"a": 1}, "__import__('os').abort()", "../../etc/passwd"),
)


def of_bytes(data: bytes, rng: random.Random) -> bytes:
    """Flip, cut, overwrite, repeat or insert some bytes."""
    out = bytearray(data or b"\0")
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        at, n = rng.randrange(len(out)), rng.choice((1, 1, 2, 4, 8, 64, 1024))
        match rng.randrange(7):
            case 0 | 1:
                out[at] ^= 1 << rng.randrange(8)
            case 2:
                out[at : at + n] = rng.randbytes(len(out[at : at + n]))
            case 3:
                del out[at : at + n]
            case 4:
                out[at:at] = out[at : at + n]
            case 5:
                out[at : at + n] = rng.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * n
            case 6:
                del out[at:]
        if not out:
            return b""
    return bytes(out)


def of_model(data: bytes, rng: random.Random) -> bytes:
    """Change a model's header or arrays, or the file's own header, and write it whole again."""
    try:
        size = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8 : 8 + size])
        content = data[8 + size :]
        if rng.random() < 0.25:
            return _framed(_changed_json(header, rng), content)
        meta = json.loads(header["__metadata__"]["egem"])
        arrays = {
            name: np.frombuffer(content[slice(*its["data_offsets"])], _TYPES[its["dtype"]]).reshape(
                its["shape"]
            )
            for name, its in header.items()
            if name != "__metadata__"
        }
        meta.pop("checksum", None)
        for _ in range(rng.choice((1, 1, 2, 3))):
            if rng.random() < 0.5:
                meta = _changed_json(meta, rng)
            else:
                _change_arrays(arrays, rng)
        return written(meta, arrays)
    except Exception:  # too far from a model to be changed as one
        return of_bytes(data, rng)


_TYPES = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "I32": "<i4", "U8": "u1", "BOOL": "?"}
_NAMES = {np.dtype(t): name for name, t in _TYPES.items()}


def written(meta: Any, arrays: dict[str, np.ndarray]) -> bytes:
    """Write a model's header and arrays with the checksum they ought to have."""
    if isinstance(meta, dict):
        meta = meta | {"checksum": checksum(arrays, meta)}
    header: dict[str, Any] = {"__metadata__": {"egem": json.dumps(meta)}}
    content = b""
    for name, array in arrays.items():
        data = np.ascontiguousarray(array).tobytes()
        offsets = [len(content), len(content) + len(data)]
        dtype = _NAMES[array.dtype]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": offsets}
        content += data
    return _framed(header, content)


def _framed(header: Any, content: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


def _changed_json(value: Any, rng: random.Random) -> Any:
    """Change one place of a JSON value, the deeper the likelier."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        kind = rng.random()
        if kind < 0.08:
            return {k: v for k, v in value.items() if k != key}
        if kind < 0.14:
            return value | {rng.choice((key + "2", "weights", "__class__")): rng.choice(ODD)}
        if kind < 0.2:
            return value | {key: value[rng.choice(list(value))]}
        return value | {key: _changed_json(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at, kind = rng.randrange(len(value)), rng.random()
        if kind < 0.1:
            return value[:at] + value[at + 1 :]
        if kind < 0.2:
            return value[:at] + value[at : at + 1] * 3 + value[at:]
        return [*value[:at], _changed_json(value[at], rng), *value[at + 1 :]]
    if isinstance(value, int | float) and not isinstance(value, bool) and rng.random() < 0.5:
        return rng.choice((value + 1, value - 1, -value, value * 2, value * 1000, float(value)))
    if rng.random() < 0.02:
        deep: Any = 0
        for _ in range(900):
            deep = [deep]
        return deep
    return rng.choice(ODD)


def _change_arrays(arrays: dict[str, np.ndarray], rng: random.Random) -> None:
    name = rng.choice(list(arrays))
    a = arrays[name]
    match rng.randrange(9):
        case 0:
            del arrays[name]
        case 1:
            arrays[name] = arrays[rng.choice(list(arrays))]
        case 2:
            arrays[name] = a.reshape(-1)
        case 3:
            arrays[name] = a[..., None] if rng.random() < 0.5 else a[None]
        case 4 if a.ndim:
            axis = rng.randrange(a.ndim)
            n = rng.choice((0, 1, 2, max(a.shape[axis] - 1, 0), a.shape[axis] + 1))
            arrays[name] = np.take(a, range(n), axis=axis, mode="wrap") if a.size else a
        case 5:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                arrays[name] = a.astype(rng.choice(list(_NAMES)))
        case 6:
            arrays[rng.choice(("0/extra", "space/9/mean", name + "x"))] = a
        case 7:
            arrays[name] = np.zeros((rng.choice((10**9, 2**40)), 0), a.dtype)
        case _ if a.size:
            changed = a.copy().reshape(-1)
            at = [rng.randrange(a.size) for _ in range(rng.choice((1, 3, 50)))]
            odd = rng.choice((0, -1, 1, 2**20, 2**31 - 1, -(2**31), np.nan, np.inf, 1e30, 1e-30))
            whole = a.dtype.kind != "f" and not np.isfinite(odd)
            with np.errstate(all="ignore"):
                changed[at] = 0 if whole else np.array(odd).astype(a.dtype)
            arrays[name] = changed.reshape(a.shape)
