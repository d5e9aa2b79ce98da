"""Uploaded files, read within limits: series and models."""

import hashlib
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from egem.apps.web.errors import ApiError, sentence
from egem.apps.web.models.inspection import series
from egem.apps.web.models.snapshot import MAX_CLASSES, Snapshot
from egem.apps.web.requests import check_label
from egem.apps.web.responses import Dataset, Preview
from egem.classifier import EGEMClassifier
from egem.data.cases import Case, as_cases
from egem.errors import ModelFileError
from egem.readers.files import read_data

ENDINGS = (".csv", ".npz", ".ts")
MAX_UNPACKED = 64 * 2**20  # bytes of an archive
MAX_VALUES = 4_000_000
MAX_CHANNELS = 100
MAX_PREVIEWS, PREVIEW_POINTS = 24, 200
MAX_STEPS, MAX_TIMEPOINTS = 512, 100_000  # of an uploaded model
MAX_PARAMETERS, MAX_SEARCH_STEPS = 500_000, 100
MAX_UPDATES, MAX_BATCH = 40_000, 256


@contextmanager
def temporary_path(suffix: str) -> Iterator[Path]:
    """Yield the path of a file that is removed at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="egem-") as folder:
        yield Path(folder) / f"file{suffix}"


@dataclass(frozen=True, eq=False)
class Data:
    """Content of a data file: cases, and labels as text if there are any."""

    cases: list[Case]
    labels: np.ndarray | None


def read_data_file(file: Path) -> Data:
    """Read a file of series.

    Raises
    ------
    ApiError
        If it is of an unknown kind, damaged or too large.
    """
    ending = file.suffix.lower()
    if ending not in ENDINGS:
        raise ApiError(
            415,
            f"Files ending in {ending!r} are not supported.",
            f"Use one of {', '.join(ENDINGS)}.",
        )
    try:
        if ending == ".npz":
            _check_archive(file)
        X, y = read_data(file)
        cases = as_cases(X)
    except ApiError:
        raise
    except Exception as error:  # a damaged file may raise anything
        raise file_error(error, file) from error
    n_values = sum(case.size for case in cases)
    if n_values > MAX_VALUES or len(cases[0]) > MAX_CHANNELS:
        raise ApiError(
            413,
            f"The file has {n_values:,} values in {len(cases[0])} channels.",
            f"Use at most {MAX_VALUES:,} in {MAX_CHANNELS} channels, or egem fit for more.",
        )
    return Data(cases, None if y is None else _checked_labels(y))


def summarise(data: Data, name: str, dataset_id: str) -> Dataset:
    """Describe the content of a data file, with some cases for display."""
    lengths = [case.shape[1] for case in data.cases]
    return Dataset(
        dataset_id=dataset_id,
        name=name,
        n_cases=len(data.cases),
        n_channels=len(data.cases[0]),
        lengths=(min(lengths), max(lengths)),
        classes=None if data.labels is None else np.unique(data.labels).tolist(),
        preview=[
            Preview(
                label=None if data.labels is None else str(data.labels[i]),
                channels=series(data.cases[i], PREVIEW_POINTS).channels,
            )
            for i in _preview_cases(data)
        ],
    )


def file_error(error: Exception, file: Path) -> ApiError:
    """Convert an error of the library, without the server's path of the file."""
    message = str(error).replace(f"{file}: ", "").replace(str(file), "the file")
    problem, _, remedy = (message or type(error).__name__).partition("; ")
    return ApiError(422, sentence(problem), sentence(remedy or "use another file"))


def read_model(file: Path, name: str) -> Snapshot:
    """Read an uploaded classifier; no code in it is run, and its sizes are limited.

    Raises
    ------
    ApiError
        If it is not a complete model of egem, has no recurrent experts, or is too large.
    """
    try:
        clf = EGEMClassifier.load(file)
    except ModelFileError as error:
        problem = str(error).replace(f"{file}: ", "").partition(";")[0]
        raise ApiError(422, sentence(problem), "Use a file that egem has saved.") from error
    model, grid = clf.model_, clf.preparation_
    if model.metric is None:
        raise ApiError(
            422,
            "The model has no recurrent experts, so the page cannot show what it decodes.",
            "Fit it with 'recurrent' among its views.",
        )
    config, n_cells = model.settings.recipe.config, getattr(model.decoder, "n_cells", 1)
    sizes = {
        "classes": (len(clf.classes_), MAX_CLASSES),
        "steps": (grid.n_steps, MAX_STEPS),
        "time points": (grid.n_timepoints, MAX_TIMEPOINTS),
        "channels": (grid.n_channels, MAX_CHANNELS),
        "parameters of an expert": (
            max((e.n_parameters for e in model.experts), default=n_cells**2),
            MAX_PARAMETERS,
        ),
        "updates of an expert": (config.n_updates, MAX_UPDATES),
        "training pairs in an update": (config.batch_size, MAX_BATCH),
        "search steps": (model.search.max_steps, MAX_SEARCH_STEPS),
    }
    for quantity, (n, limit) in sizes.items():
        if not 0 < n <= limit:
            raise ApiError(
                422,
                f"The model has {n:,} {quantity}; the limit of this server is {limit:,}.",
                "Use it with egem predict.",
            )
    for label in clf.classes_:
        check_label(str(label))
    clf.set_params(n_jobs=None, verbose=False)
    if not model.experts:  # recognition does without them, the page's pictures do not
        clf.train_experts()
    return Snapshot(clf, {}, f"loading {name}", name)


def model_bytes(snapshot: Snapshot) -> bytes:
    """Return the classifier as the content of a file.

    Raises
    ------
    ApiError
        If there is none.
    """
    if snapshot.classifier is None:
        raise ApiError(404, "There is no model yet.", "Train a class first.")
    with temporary_path(".safetensors") as path:
        snapshot.classifier.save(path)
        return path.read_bytes()


def fingerprint(file: Path) -> str:
    """Return a short hash of a file's content."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def _checked_labels(y: np.ndarray) -> np.ndarray:
    labels = np.array([str(label) for label in y.tolist()])
    for label in np.unique(labels):
        check_label(str(label))
    n = len(np.unique(labels))
    if n > MAX_CLASSES:
        raise ApiError(
            422, f"There are {n:,} classes.", f"Use at most {MAX_CLASSES}, or egem fit for more."
        )
    return labels


def _preview_cases(data: Data) -> list[int]:
    """Choose the first case of each class, then the second of each, and so on."""
    if data.labels is None:
        return list(range(min(len(data.cases), MAX_PREVIEWS)))
    rank = np.zeros(len(data.labels), int)
    for label in np.unique(data.labels):
        of_class = np.flatnonzero(data.labels == label)
        rank[of_class] = np.arange(len(of_class))
    chosen = np.lexsort((data.labels, rank))[:MAX_PREVIEWS]
    return chosen[np.argsort(data.labels[chosen], kind="stable")].tolist()


def _check_archive(file: Path) -> None:
    """Refuse an archive that would unpack to too much, before it is unpacked.

    Raises
    ------
    ValueError
        If it is not an archive, or its arrays are smaller than their headers say.
    ApiError
        If it is too large.
    """
    if not zipfile.is_zipfile(file):
        raise ValueError("it is not an .npz file; write it with numpy.savez(path, X=..., y=...)")
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > MAX_UNPACKED:
            raise ApiError(
                413,
                f"The archive unpacks to more than {MAX_UNPACKED / 2**20:g} MB.",
                "Use fewer cases, or egem fit for more.",
            )
        for member in members:
            with archive.open(member) as stream:
                version = np.lib.format.read_magic(stream)
                reader = {
                    (1, 0): np.lib.format.read_array_header_1_0,
                    (2, 0): np.lib.format.read_array_header_2_0,
                }.get(version)
                if reader is None:
                    raise ValueError(f"{member.filename} is not an array; use numpy.savez")
                shape, _, dtype = reader(stream)
                size = int(np.prod([int(n) for n in shape], dtype=object)) * dtype.itemsize
                if size > member.file_size:
                    raise ValueError(f"{member.filename} is truncated; write it again")
