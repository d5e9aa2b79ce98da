"""Workspaces on disk: one folder each, with numbered snapshots and an index of them.

A snapshot is completely written before the index lists it, and the index is replaced atomically, so
a crash at any moment leaves the workspace as it was before or after a change.
"""

import json
import logging
import re
import secrets
from pathlib import Path
from typing import NamedTuple

from egem.apps.web.disk import disk_errors
from egem.apps.web.errors import ApiError
from egem.apps.web.models.snapshot import Snapshot, read_snapshot, write_details
from egem.apps.web.stored_recordings import StoredRecordings
from egem.runtime.files import atomic_write

log = logging.getLogger(__name__)

MAX_WORKSPACES = 500
MAX_UNDO = 30  # older snapshots of a workspace
MAX_BYTES = 64 * 2**20  # of a workspace's snapshots; the oldest are deleted
INDEX = "index.json"
INITIAL = 0  # number of the snapshot with which every workspace begins; it has no file
_ID = re.compile(r"[A-Za-z0-9_-]{22}")


def new_id() -> str:
    """Return a new id that cannot be guessed."""
    return secrets.token_urlsafe(16)


def is_id(name: str | None) -> bool:
    """Return whether a string is an id, and not a path for instance."""
    return name is not None and _ID.fullmatch(name) is not None


class History(NamedTuple):
    """The stored snapshots of a workspace.

    Attributes
    ----------
    version : int
        Increases with every change, undo included; the number of the newest snapshot ever written.
    numbers : tuple of int
        Of the stored snapshots, oldest first; the last one is current.
    """

    version: int
    numbers: tuple[int, ...]


class Store:
    """The folder of all workspaces.

    Parameters
    ----------
    path : Path
        Created if necessary.
    """

    def __init__(self, path: Path):
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def folder(self, name: str) -> "WorkspaceFolder":
        """Return the folder of a workspace, which may not exist yet."""
        return WorkspaceFolder(self, self.path / name)

    def check_space(self) -> None:
        """Refuse one more workspace if there are too many.

        Raises
        ------
        ApiError
            With what to do.
        """
        if sum(1 for _ in self.path.iterdir()) >= MAX_WORKSPACES:
            raise ApiError(
                507,
                f"This server has {MAX_WORKSPACES} workspaces, its limit.",
                f"Delete unused folders in {self.path}.",
            )


class WorkspaceFolder:
    """The folder of one workspace."""

    def __init__(self, store: Store, path: Path):
        self.store = store
        self.path = path
        self.recordings = StoredRecordings(path, self.create)

    def history(self) -> History:
        """Return which snapshots are stored."""
        try:
            index = json.loads((self.path / INDEX).read_bytes())
        except FileNotFoundError:
            return History(INITIAL, (INITIAL,))
        return History(index["version"], tuple(index["snapshots"]))

    def read(self, number: int) -> Snapshot:
        """Read a stored snapshot."""
        details = self._file(number, "json").read_bytes()
        return read_snapshot(details, self._file(number, "safetensors"))

    def write(self, snapshot: Snapshot, history: History) -> History:
        """Store a further snapshot; returns the new history.

        Raises
        ------
        ApiError
            If the disk is full or there are too many workspaces.
        """
        number = history.version + 1
        with disk_errors():
            self.create()
            for leftover in self.path.glob(f"{number}.*"):  # of a crash
                leftover.unlink()
            if snapshot.classifier is not None:
                snapshot.classifier.save(self._file(number, "safetensors"))
            with atomic_write(self._file(number, "json")) as file:
                file.write(write_details(snapshot))
            return self._write_index(History(number, (*history.numbers, number)))

    def drop_newest(self, history: History) -> History:
        """Delete the newest snapshot; returns the new history."""
        with disk_errors():
            return self._write_index(History(history.version + 1, history.numbers[:-1]))

    def create(self) -> None:
        """Create it if necessary."""
        if not self.path.exists():
            self.store.check_space()
            self.path.mkdir()

    def _write_index(self, history: History) -> History:
        """Keep as many of the newest snapshots as the limits allow, and delete the others."""
        kept: list[int] = []
        total = 0
        for number in reversed(history.numbers):
            total += sum(f.stat().st_size for f in self.path.glob(f"{number}.*"))
            if kept and (len(kept) > MAX_UNDO or total > MAX_BYTES):
                break
            kept.insert(0, number)
        index = {"format": 1, "version": history.version, "snapshots": kept}
        with atomic_write(self.path / INDEX) as file:
            file.write(json.dumps(index).encode())
        for file in self.path.glob("*.*"):
            if file.stem.isdigit() and int(file.stem) not in kept:
                file.unlink(missing_ok=True)
        return history._replace(numbers=tuple(kept))

    def _file(self, number: int, ending: str) -> Path:
        return self.path / f"{number}.{ending}"
