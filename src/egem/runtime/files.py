"""Files: atomic writing, checksums, and limits on the size of what is read."""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from egem.errors import TooLarge

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be removed anyway
    fcntl = None

MAX_BYTES = 2**31  # so that a small file cannot exhaust memory


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Write a file completely or not at all.

    The content goes to a draft in the same folder, which is flushed to disk and renamed when the
    block ends; if it raises, an existing file stays as it is. Drafts left by processes that were
    killed are removed. Links are followed, an existing file's permissions are kept, and a pipe or a
    device is written to as it is.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file() and not path.is_dir():
        with path.open("wb") as file:
            yield file
        return
    _remove_abandoned_drafts(path)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with _create_locked(draft) as file:
            if path.exists():
                draft.chmod(path.stat().st_mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        _flush_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def atomic_write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, completely or not at all."""
    with atomic_write(path) as file:
        file.write(text.encode())


def _remove_abandoned_drafts(path: Path) -> None:
    """Remove drafts of ``path`` that nobody has locked: a lock ends with its process."""
    for draft in path.parent.iterdir() if path.parent.is_dir() else ():
        if draft.name.startswith(f".{path.name}.") and draft.suffix == ".part":
            with suppress(OSError), draft.open("rb") as file:
                if _lock(file):
                    draft.unlink()


def _create_locked(draft: Path) -> BinaryIO:
    while True:
        file = draft.open("xb")
        _lock(file)
        if fcntl is None or os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # another process removed it before it was locked


def _lock(file: BinaryIO) -> bool:
    """Lock a file until it is closed; False if another process has locked it."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # locked, or on a file system without locks
        return False
    return True


def _flush_folder(folder: Path) -> None:
    """Make a new name survive a power cut, where the system can flush folders."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def checksum(arrays: dict[str, np.ndarray], header: dict[str, Any]) -> str:
    """Return the SHA-256 of named arrays, their types and shapes, and a JSON header."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def byte_limit(max_bytes: int | None) -> int:
    """Return the limit given, else ``EGEM_MAX_BYTES`` of the environment, else 2 GiB.

    Raises ValueError if the limit is not a positive whole number.

    >>> byte_limit(1000)
    1000
    """
    limit = os.environ.get("EGEM_MAX_BYTES", MAX_BYTES) if max_bytes is None else max_bytes
    try:
        number = int(limit)
    except (TypeError, ValueError):
        number = 0
    if number < 1 or isinstance(limit, float):
        name = "EGEM_MAX_BYTES" if max_bytes is None else "max_bytes"
        raise ValueError(f"{name} must be a positive whole number of bytes, not {limit!r}.")
    return number


def check_size(what: str, size: int, limit: int) -> None:
    """Raise :class:`~egem.errors.TooLarge` if ``size`` bytes exceed the limit.

    >>> check_size("data.npz: array X takes", 5, limit=8)
    """
    if size > limit:
        raise TooLarge(
            f"{what} {size:,} bytes, over the limit of {limit:,}; if you trust the file, raise "
            "max_bytes, or EGEM_MAX_BYTES in the environment"
        )
