"""Files that are wrong: mutations of models and of data files, for `benchmarks/fuzz.py`.

Bytes are flipped, cut and joined; and what a format's own checks would stop is written anew with
its lengths and checksums right, so that what lies behind them is reached as well.
"""

import io
import json
import random
import struct
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from egem.runtime.files import checksum

ODD: tuple[Any, ...] = (
    *(0, -1, 1, 2, 7, 255, 2**31, 2**63, 10**30, -(2**40), 0.5, 1e308, -1e-300),
    *(float("nan"), float("inf"), True, False, None, "", "up", "float32", "O", "\x00", "é" * 300),
    *([], [0], [None] * 3, [[]], {}, {"a": 1}, "__import__('os').abort()", "../../etc/passwd"),
)
WORDS = (
    *("1e400", "nan", "-inf", "", "-1", "0x1f", "9" * 25, "1e-320", "2024-01-31T23:59:59", "now"),
    *("2024-13-41", "True", '"', '""', "'", "\x00", "é", "🙂", "a" * 5000, "=1+1", "NA", "?", ":"),
    *(",", ";", "\t", "\n", "\r", "@data", "(1,2)", "1;2", "\ufeff", "case", "time", "label"),
)


class Trap:
    """Unpickled, it raises an audit event that `benchmarks/fuzz.py` takes for code that ran."""

    def __reduce__(self):
        import os

        return os.system, ("true",)


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


def of_text(data: bytes, rng: random.Random) -> bytes:
    """Change cells, rows and separators of a csv or ts file."""
    lines = data.decode("utf-8", "replace").split("\n")
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(lines))
        match rng.randrange(7):
            case 0:
                del lines[at]
            case 1:
                lines[at:at] = [lines[rng.randrange(len(lines))]] * rng.choice((1, 2, 100))
            case 2:
                lines[at] = rng.choice(WORDS)
            case _:
                mark = "," if rng.random() < 0.7 else rng.choice((":", " ", ";"))
                cells = lines[at].split(mark)
                i = rng.randrange(len(cells))
                cells[i : i + rng.randrange(2)] = [rng.choice(WORDS)]
                lines[at] = mark.join(cells)
        if not lines:
            return b""
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def of_npz(data: bytes, rng: random.Random) -> bytes:
    """Change arrays' headers, types and names in a zip archive that is whole."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        name = rng.choice(list(members))
        match rng.randrange(6):
            case 0:
                members[name] = of_bytes(members[name], rng)
            case 1:
                shape = rng.choice(
                    ("(10**9,)", "(1000000000000,)", "(-1,)", "()", "(2, 2)", "(0,)")
                )
                head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
                members[name] = _npy(head, rng.randbytes(64))
            case 2:
                descr = rng.choice(
                    ("'|O'", "'<U9'", "[('a', '<f8')]", "'<M8[s]'", "'|V8'", "'<c16'")
                )
                head = f"{{'descr': {descr}, 'fortran_order': True, 'shape': (2, 3, 4), }}"
                members[name] = _npy(head, rng.randbytes(24 * 16))
            case 3:
                buffer = io.BytesIO()
                np.save(buffer, np.array([Trap(), None], object), allow_pickle=True)
                members[name] = buffer.getvalue()
            case 4:
                members[rng.choice(("X.npy", "y.npy", "lengths.npy", "X", "../X.npy"))] = members[
                    name
                ]
            case 5:
                of = rng.choice(
                    (np.zeros(2**22), np.arange(12.0).reshape(3, 4), np.zeros((3, 0, 2)))
                )
                buffer = io.BytesIO()
                np.save(buffer, of.astype(rng.choice(("f4", "f8", "i8", "?", "f2", "u1"))))
                members[name] = buffer.getvalue()
        out = io.BytesIO()
        pack = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
        with zipfile.ZipFile(out, "w", pack) as archive:
            for each, content in members.items():
                archive.writestr(each, content)
        return out.getvalue() if rng.random() < 0.9 else of_bytes(out.getvalue(), rng)
    except Exception:  # no archive any more
        return of_bytes(data, rng)


def _npy(head: str, content: bytes) -> bytes:
    text = head.encode() + b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def of_parquet(data: bytes, rng: random.Random) -> bytes:
    """Write a table with other types, names, rows or metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(data))
        at = rng.randrange(table.num_columns)
        name, n = table.column_names[at], table.num_rows
        column = rng.choice(
            (
                lambda: pa.array([None] * n),
                lambda: pa.array([{"a": 1}] * n),
                lambda: pa.array([[1.0, 2.0]] * n),
                lambda: pa.array([b"\xff\xfe"] * n),
                lambda: pa.array(["x", "y"] * n).slice(0, n).dictionary_encode(),
                lambda: pa.array([2**62] * n, pa.timestamp("ns")),
                lambda: pa.array([2**62] * n, pa.timestamp("s")),
                lambda: pa.array([float("inf")] * n),
                lambda: pa.array([10**9] * n),
                lambda: pa.array([rng.choice(WORDS) for _ in range(n)]),
                lambda: pa.nulls(n, pa.decimal128(38, 2)),
                lambda: pa.array([0] * n, pa.duration("us")),
            )
        )()
        match rng.randrange(5):
            case 0 | 1:
                table = table.set_column(at, name, column)
            case 2:
                table = table.rename_columns(
                    [rng.choice((c, name, "")) for c in table.column_names]
                )
            case 3:
                table = table.take([rng.randrange(n) for _ in range(rng.choice((0, 1, n)))])
            case 4:
                note = json.dumps({"index_columns": rng.choice(ODD), "columns": rng.choice(ODD)})
                table = table.replace_schema_metadata({"pandas": note})
        out = io.BytesIO()
        pq.write_table(table, out, compression=rng.choice(("none", "snappy", "gzip", "zstd")))
        return out.getvalue() if rng.random() < 0.9 else of_bytes(out.getvalue(), rng)
    except Exception:  # no table any more
        return of_bytes(data, rng)


STRUCTURED: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "safetensors": of_model,
    "csv": of_text,
    "ts": of_text,
    "npz": of_npz,
    "parquet": of_parquet,
}


def mutant(data: bytes, ending: str, seed: int) -> bytes:
    """Return a mutant of a file; the same for the same seed."""
    rng = random.Random(seed)
    change = STRUCTURED[ending] if rng.random() < 0.7 else of_bytes
    return change(data, rng)
