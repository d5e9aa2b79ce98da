"""Experts kept in a folder as they finish, so that an interrupted fit resumes.

A file holds the experts of a training task and is named by everything they depend on: cases,
labels, recipe, seed. Later fits with other classes, or in another order, find what is the same.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from egem.ensemble.codes import TrainedExpert
from egem.ensemble.training import TrainingTask
from egem.io.packing import pack_expert, unpack_expert
from egem.runtime.files import atomic_write, checksum

FORMAT = 1
_KEY = "egem-experts"


class Folder:
    """A :class:`egem.ensemble.training.CheckpointStore` on disk.

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

    def find(self, tasks: list[TrainingTask]) -> dict[int, list[TrainedExpert | None]]:
        """Read the experts of tasks that were finished before; a damaged file counts as none."""
        names = {file.name for file in self._path.glob("*.safetensors")}
        found = {}
        for i, task in enumerate(tasks):
            name = _name(task)
            experts = _read(self._path / name, task) if name in names else None
            if experts is not None and len(experts) == len(task.labels):
                found[i] = experts
        return found

    def put(self, task: TrainingTask, experts: list[TrainedExpert | None]) -> None:
        """Write the experts of a task, whole or not at all."""
        from safetensors.numpy import save

        arrays: dict[str, np.ndarray] = {}
        for e, expert in enumerate(experts):
            arrays |= {} if expert is None else pack_expert(expert, f"{e}")
        facts = [t and {"loss": t.loss, "n_warps": t.n_warps} for t in experts]
        header = {"experts": facts, "labels": [str(c) for c in task.labels]}
        metadata = {_KEY: json.dumps(header), "checksum": checksum(arrays, header)}
        with atomic_write(self._path / _name(task)) as file:
            file.write(save(arrays, metadata=metadata))


def _name(task: TrainingTask) -> str:
    """Name a task by its content."""
    digest = hashlib.sha256()
    recipe = asdict(task.recipe) | {"decoder": repr(task.recipe.decoder)}
    content = [FORMAT, recipe, task.steps_used, task.seed, task.attempt]
    digest.update(json.dumps(content).encode())
    for label, batch in zip(task.labels, task.batches, strict=True):
        digest.update(f"{label!r} {batch.values.shape}".encode())
        digest.update(np.ascontiguousarray(batch.values).tobytes())
        digest.update(np.ascontiguousarray(batch.mask).tobytes())
    return f"{digest.hexdigest()[:40]}.safetensors"


def _read(path: Path, task: TrainingTask) -> list[TrainedExpert | None] | None:
    from safetensors import safe_open

    decoder, n_channels = task.recipe.decoder, task.batches[0].values.shape[2]
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata()
        header = json.loads(metadata[_KEY])
        if metadata["checksum"] != checksum(arrays, header):
            return None
        return [
            its and unpack_expert(arrays, f"{e}", decoder, n_channels, its)
            for e, its in enumerate(header["experts"])
        ]
    except Exception:  # whatever a damaged file brings about: the experts are trained again
        return None
