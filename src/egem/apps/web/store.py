"""Workspaces on disk: a folder each, with the models it had, newest last.

A model is written whole before the index names it, and the index is replaced in one step, so that
a crash at any moment leaves the workspace as it was before or after a change.
"""

import json
import logging
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from egem.apps.web.models import Model, read_model, write_about
from egem.apps.web.schema import Uploaded
from egem.apps.web.trouble import Trouble
from egem.runtime.files import whole_file

log = logging.getLogger(__name__)

MOST_WORKSPACES = 500
MOST_KEPT = 30  # models of a workspace that can be gone back to
MOST_BYTES = 64 * 2**20  # of a workspace's models; the oldest make room
INDEX = "index.json"
DATA = "data-now.json"
BEGINNING = 0  # number of the model that every workspace begins with; it has no file
_ID = re.compile(r"[A-Za-z0-9_-]{22}")


def new_id() -> str:
    """Make up an id that nobody guesses."""
    return secrets.token_urlsafe(16)


def is_id(name: str | None) -> bool:
    """Tell an id from anything else, a path for instance."""
    return name is not None and _ID.fullmatch(name) is not None


class Index(NamedTuple):
    """What is kept of a workspace.

    Attributes
    ----------
    version : int
        Grows with every change, undone or not; the number of the newest model there was.
    models : tuple of int
        Numbers of the models that are kept, oldest first, the last one in use.
    """

    version: int
    models: tuple[int, ...]


class Shelf:
    """The folder of all workspaces.

    Parameters
    ----------
    folder : Path
        Made where it is not there.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def place(self, name: str) -> "Place":
        """Return the place of a workspace, which may not be there yet."""
        return Place(self, self.folder / name)

    def check_room(self) -> None:
        """Refuse one more workspace where there are too many.

        Raises
        ------
        Trouble
            With what to do.
        """
        if sum(1 for _ in self.folder.iterdir()) >= MOST_WORKSPACES:
            raise Trouble(
                507,
                f"This server keeps {MOST_WORKSPACES} workspaces already.",
                f"Remove folders that nobody needs from {self.folder}.",
            )


class Place:
    """The folder of one workspace."""

    def __init__(self, shelf: Shelf, folder: Path):
        self.shelf = shelf
        self.folder = folder

    def index(self) -> Index:
        """Tell which models are kept."""
        try:
            told = json.loads((self.folder / INDEX).read_bytes())
        except FileNotFoundError:
            return Index(BEGINNING, (BEGINNING,))
        return Index(told["version"], tuple(told["models"]))

    def read(self, number: int) -> Model:
        """Read a model that is kept."""
        about = self._file(number, "json").read_bytes()
        return read_model(about, self._file(number, "safetensors"))

    def write(self, model: Model, before: Index) -> Index:
        """Write a model that follows others; returns what is kept then.

        Raises
        ------
        Trouble
            Where the disk is full or there are too many workspaces.
        """
        number = before.version + 1
        with _told():
            self._make()
            for left in self.folder.glob(f"{number}.*"):  # by a crash
                left.unlink()
            if model.classifier is not None:
                model.classifier.save(self._file(number, "safetensors"))
            with whole_file(self._file(number, "json")) as file:
                file.write(write_about(model))
            return self._keep(Index(number, (*before.models, number)))

    def go_back(self, before: Index) -> Index:
        """Forget the newest model."""
        with _told():
            return self._keep(Index(before.version + 1, before.models[:-1]))

    def put_data(self, file: Path, described: Uploaded) -> None:
        """Keep a file of data, in place of the one before."""
        with _told():
            self._make()
            old = [f for f in self.folder.glob("data-*") if f.name != DATA]
            shutil.copyfile(file, self.folder / f"data-{described.dataset_id}{file.suffix}")
            with whole_file(self.folder / DATA) as out:
                out.write(described.model_dump_json().encode())
            for each in old:
                each.unlink()

    def get_data(self, dataset_id: str) -> tuple[Path, Uploaded]:
        """Return the file of data that is kept, and what it holds.

        Raises
        ------
        Trouble
            Where another has taken its place.
        """
        try:
            described = Uploaded.model_validate_json((self.folder / DATA).read_bytes())
        except FileNotFoundError:
            described = None
        if described is None or described.dataset_id != dataset_id:
            raise Trouble(404, "These data are gone.", "Upload the file again.")
        return next(self.folder.glob(f"data-{dataset_id}.*")), described

    def _make(self) -> None:
        if not self.folder.exists():
            self.shelf.check_room()
            self.folder.mkdir()

    def _keep(self, index: Index) -> Index:
        """Name the models to be kept, as many of the newest as there is room for; drop others."""
        kept: list[int] = []
        total = 0
        for number in reversed(index.models):
            total += sum(f.stat().st_size for f in self.folder.glob(f"{number}.*"))
            if kept and (len(kept) > MOST_KEPT or total > MOST_BYTES):
                break
            kept.insert(0, number)
        with whole_file(self.folder / INDEX) as file:
            file.write(json.dumps({"format": 1, "version": index.version, "models": kept}).encode())
        for file in self.folder.glob("*.*"):
            if file.stem.isdigit() and int(file.stem) not in kept:
                file.unlink(missing_ok=True)
        return index._replace(models=tuple(kept))

    def _file(self, number: int, ending: str) -> Path:
        return self.folder / f"{number}.{ending}"


@contextmanager
def draft(ending: str) -> Iterator[Path]:
    """Name a file to be gone at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="egem-") as folder:
        yield Path(folder) / f"file{ending}"


@contextmanager
def _told() -> Iterator[None]:
    """Turn trouble with the disk into a refusal."""
    try:
        yield
    except OSError as error:
        log.exception("a workspace cannot be written")
        raise Trouble(
            507,
            f"The change cannot be kept: {error.strerror}.",
            "Make room on the server's disk, then try again.",
        ) from error
