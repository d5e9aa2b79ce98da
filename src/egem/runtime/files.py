"""Files that are there whole or not at all, and whether what is in them is whole."""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

try:
    import fcntl
except ImportError:  # Windows, which lets nobody remove a file that is open
    fcntl = None


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file to write beside ``path``; once written it is flushed and takes that name.

    Drafts of writers that were killed are removed by the next writer of the same file.

    Parameters
    ----------
    path : Path
        An existing file is replaced; it stays as it is where writing fails.

    Yields
    ------
    BinaryIO
        The file to write to.
    """
    _sweep(path)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with _opened(draft) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        _flush_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write text as UTF-8, whole or not at all."""
    with whole_file(path) as file:
        file.write(text.encode())


def _sweep(path: Path) -> None:
    """Remove drafts of ``path`` that no living process writes to: its lock went with it."""
    for draft in path.parent.iterdir() if path.parent.is_dir() else ():
        if draft.name.startswith(f".{path.name}.") and draft.suffix == ".part":
            with suppress(OSError), draft.open("rb") as file:
                if _lock(file):
                    draft.unlink()


def _opened(draft: Path) -> BinaryIO:
    """Create a file that is locked."""
    while True:
        file = draft.open("xb")
        _lock(file)
        if fcntl is None or os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # swept away before it was locked


def _lock(file: BinaryIO) -> bool:
    """Lock a file as long as it is open; False where somebody else has it locked."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # or a file system without locks
        return False
    return True


def _flush_folder(folder: Path) -> None:
    """Let the new name outlast a power cut, where folders can be flushed."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def checksum(arrays: dict[str, np.ndarray], header: dict[str, Any]) -> str:
    """Return a digest of named arrays, their types and shapes, and of what is told beside them."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()
