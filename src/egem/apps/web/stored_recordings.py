"""The recordings of a workspace on disk: values, which stay, and details, which are edited."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

from egem.apps.web.disk import disk_errors
from egem.apps.web.errors import ApiError
from egem.apps.web.models.recordings import Recordings
from egem.apps.web.responses import DatasetVersion
from egem.runtime.files import atomic_write

DETAILS = "data-now.json"


class StoredRecordings:
    """The recordings in a workspace's folder.

    Parameters
    ----------
    path : Path
        The folder.
    create : callable
        Creates it.
    """

    def __init__(self, path: Path, create: Callable[[], None]):
        self.path = path
        self._create = create
        self._lock = threading.Lock()
        self._known: DatasetVersion | None = None

    def version(self) -> DatasetVersion | None:
        """Return which recordings are stored; None without any."""
        if self._known is None:
            try:
                read = json.loads((self.path / DETAILS).read_bytes())
                self._known = DatasetVersion(
                    dataset_id=read["dataset_id"], revision=read["revision"]
                )
            except (FileNotFoundError, KeyError, ValueError):  # or of an earlier format
                return None
        return self._known

    def read(self, dataset_id: str) -> Recordings:
        """Return the recordings.

        Raises
        ------
        ApiError
            If others have replaced them.
        """
        with self._lock:
            return self._read(dataset_id)

    def write(self, recordings: Recordings) -> None:
        """Store recordings, which replace those before."""
        with self._lock:
            self._write(recordings)

    def extend(self, dataset_id: str, more: Recordings) -> Recordings:
        """Add recordings to the stored ones; returns all of them, under a new id."""
        with self._lock:
            both = self._read(dataset_id).extended(more)
            self._write(both)
            return both

    def edit(self, dataset_id: str, numbers: list[int], changes: dict) -> Recordings:
        """Change label, start or end of some recordings; returns all of them."""
        with self._lock:
            edited = self._read(dataset_id).edited(numbers, changes)
            self._write_details(edited)
            return edited

    def delete(self, dataset_id: str) -> None:
        """Delete all recordings."""
        with self._lock, disk_errors():
            self._read(dataset_id)
            for file in self.path.glob("data-*"):
                file.unlink()
            self._known = None

    def _read(self, dataset_id: str) -> Recordings:
        version = self.version()
        if version is None or version.dataset_id != dataset_id:
            raise ApiError(404, "The recordings are no longer stored.", "Upload them again.")
        values = (self.path / f"data-{dataset_id}.npy").read_bytes()
        return Recordings.of((self.path / DETAILS).read_bytes(), values)

    def _write(self, recordings: Recordings) -> None:
        with disk_errors():
            self._create()
            old = [f for f in self.path.glob("data-*") if f.name != DETAILS]
            with atomic_write(self.path / f"data-{recordings.dataset_id}.npy") as out:
                out.write(recordings.values())
            self._write_details(recordings)
            for each in old:
                each.unlink()

    def _write_details(self, recordings: Recordings) -> None:
        with disk_errors(), atomic_write(self.path / DETAILS) as out:
            out.write(recordings.details())
        self._known = DatasetVersion(dataset_id=recordings.dataset_id, revision=recordings.revision)
