"""Files that a command reads and writes."""

from pathlib import Path
from typing import TYPE_CHECKING

from egem.apps.cli.terminal import interactive, note
from egem.runtime.files import atomic_write_text

if TYPE_CHECKING:
    from egem.data.sequences import Named
    from egem.readers.hints import Hints

MAX_RESAMPLING = 8.0  # factor between two sampling rates beyond which units differ


def read_named(data: str, hints: "Hints", quiet: bool, step: float | None = None) -> "Named":
    """Read a file or folder, or load the data set of that name; say what was understood.

    ``step`` applies where there are times.
    """
    from egem.data.sequences import Named
    from egem.readers.datasets import load_dataset
    from egem.readers.files import read_named
    from egem.readers.folders import is_pattern

    path = Path(data)
    if path.suffix or path.exists() or is_pattern(path):
        named = read_named(path, step, hints=hints, times_needed=False)
        if not quiet:
            note(f"read {data}: {named.summary}")
        return named
    try:
        return Named(*load_dataset(data))
    except ValueError as error:
        raise ValueError(f"{data}: there is no such file or folder, and {error}") from error


def read_for_model(clf, data: str, hints: "Hints", quiet: bool, step: float | None = None):
    """Read data for a model: with its channels in their order, and its time step."""
    named = read_named(data, hints, quiet, step or clf.time_step_)
    return match_model(clf, data, step, named)


def match_model(clf, data: str, step: float | None, named: "Named"):
    """Bring what was read to a model's channels; ``step`` is the user's.

    Raises
    ------
    ValueError
        If the channels are others, or the times are in another unit.
    """
    if not step and clf.time_step_ and named.step:
        ratio = named.step / clf.time_step_
        if not 1 / MAX_RESAMPLING <= ratio <= MAX_RESAMPLING:
            raise ValueError(
                f"{data}: its times are {named.step:g} apart, those of the model's training cases "
                f"{clf.time_step_:g}; bring them to the same unit, or give --step."
            )
    try:
        return named.with_channels(clf.channel_names_)
    except ValueError as error:
        raise ValueError(f"{data}: {error}") from error


def open_model(model: Path, jobs: int | None, quiet: bool):
    """Load a model; progress is shown on a terminal only."""
    from egem.classifier import EGEMClassifier
    from egem.runtime.compile_cache import enable_compile_cache

    enable_compile_cache()
    return EGEMClassifier.load(model).set_params(n_jobs=jobs, verbose=interactive(quiet))


def take(X, index):
    """Select cases of an array or of a list."""
    return [X[i] for i in index] if isinstance(X, list) else X[index]


def check_writable(path: Path) -> None:
    """Refuse an output path before the work begins rather than after it."""
    folder = path.parent
    if path.is_dir() or not folder.is_dir():
        reason = "it is a folder" if path.is_dir() else f"there is no folder {folder}"
        raise OSError(f"{path} cannot be written: {reason}; give a file in an existing folder.")


def write(text: str, out: Path | None) -> None:
    """Write to a file, or to stdout without one."""
    if out is None:
        print(text)
    else:
        atomic_write_text(out, text + "\n")
