"""Files that are wrong: mutations of models and of data files, for `benchmarks/fuzz.py`.

Bytes are flipped, cut and joined; and what a format's own checks would stop is written anew with
its lengths and checksums right, so that what lies behind them is reached as well.
"""

import io
import json
import random
import struct
import zipfile
from collections.abc import Callable

import numpy as np

from model_mutants import ODD, of_bytes, of_model

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
