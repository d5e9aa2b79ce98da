"""Experts kept in a folder as they finish, so that an interrupted fit carries on.

A file holds a tile of experts and is named by all that it was made of: cases, labels, recipe, seed.
Whatever else is fitted later, with other classes or in another order, finds what is the same.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from egem.ensemble.codes import Trained
from egem.ensemble.decoder import Expert
from egem.ensemble.training import Lesson
from egem.runtime.files import checksum, whole_file

FORMAT = 1
_KEY = "egem-experts"
_ARRAYS = ("codes", "code_mean", "code_precision", "book")


class Folder:
    """A :class:`egem.ensemble.training.Shelf` on disk.

    Parameters
    ----------
    path : str or Path
        The folder; it is made where it does not exist.

    Raises
    ------
    OSError
        Where it cannot be made.
    """

    def __init__(self, path: str | Path):
        self._path = Path(path)
        try:
            self._path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise type(error)(
                error.errno,
                f"the checkpoint folder cannot be made ({error.strerror}); name another",
                str(path),
            ) from error

    def find(self, lessons: list[Lesson]) -> dict[int, list[Trained | None]]:
        """Read what is kept of some lessons; a damaged file counts as none."""
        there = {file.name for file in self._path.glob("*.safetensors")}
        found = {}
        for i, lesson in enumerate(lessons):
            name = _name(lesson)
            experts = _read(self._path / name) if name in there else None
            if experts is not None and len(experts) == len(lesson.labels):
                found[i] = experts
        return found

    def put(self, lesson: Lesson, experts: list[Trained | None]) -> None:
        """Write what came of a lesson, whole or not at all."""
        from safetensors.numpy import save

        arrays: dict[str, np.ndarray] = {}
        about: list[dict[str, Any] | None] = []
        for e, trained in enumerate(experts):
            about.append(
                None if trained is None else {"loss": trained.loss, "n_bends": trained.n_bends}
            )
            if trained is not None:
                parts = trained.expert._asdict() | {k: getattr(trained, k) for k in _ARRAYS}
                arrays |= {f"{e}/{k}": np.ascontiguousarray(a) for k, a in parts.items()}
        header = {"experts": about, "labels": [str(c) for c in lesson.labels]}
        told = {_KEY: json.dumps(header), "checksum": checksum(arrays, header)}
        with whole_file(self._path / _name(lesson)) as file:
            file.write(save(arrays, metadata=told))


def _name(lesson: Lesson) -> str:
    """Name a lesson by its content."""
    digest = hashlib.sha256()
    told = [FORMAT, asdict(lesson.recipe), lesson.steps_used, lesson.seed, lesson.attempt]
    digest.update(json.dumps(told).encode())
    for label, batch in zip(lesson.labels, lesson.batches, strict=True):
        digest.update(f"{label!r} {batch.values.shape}".encode())
        digest.update(np.ascontiguousarray(batch.values).tobytes())
        digest.update(np.ascontiguousarray(batch.mask).tobytes())
    return f"{digest.hexdigest()[:40]}.safetensors"


def _read(path: Path) -> list[Trained | None] | None:
    from safetensors import safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata()
        header = json.loads(metadata[_KEY])
        if metadata["checksum"] != checksum(arrays, header):
            return None
        return [
            None
            if its is None
            else Trained(
                Expert(*(arrays[f"{e}/{name}"] for name in Expert._fields)),
                **{name: arrays[f"{e}/{name}"] for name in _ARRAYS},
                **its,
            )
            for e, its in enumerate(header["experts"])
        ]
    except Exception:  # whatever a damaged file brings about: the experts are trained again
        return None
