"""Uploaded models, read within limits."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from egem.apps.web.errors import ApiError, sentence
from egem.apps.web.models.recordings import MAX_CHANNELS
from egem.apps.web.models.snapshot import MAX_CLASSES, Snapshot
from egem.apps.web.requests import check_label
from egem.classifier import EGEMClassifier
from egem.errors import ModelFileError

MAX_STEPS, MAX_TIMEPOINTS = 512, 100_000  # of an uploaded model
MAX_PARAMETERS, MAX_SEARCH_STEPS = 500_000, 100
MAX_UPDATES, MAX_BATCH = 40_000, 256


@contextmanager
def temporary_path(suffix: str) -> Iterator[Path]:
    """Yield the path of a file that is removed at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="egem-") as folder:
        yield Path(folder) / f"file{suffix}"


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
