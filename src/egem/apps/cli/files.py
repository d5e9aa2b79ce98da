"""Files that a command reads and writes."""

from pathlib import Path
from typing import TYPE_CHECKING

from egem.apps.cli.terminal import interactive
from egem.runtime.files import atomic_write_text

if TYPE_CHECKING:
    from egem.data.sequences import Named

MAX_RESAMPLING = 8.0  # factor between two sampling rates beyond which units differ


def read(data: str, step: float | None = None):
    """Read a file, or load the data set of that name; ``step`` applies to long files only."""
    return read_named(data, step)[:2]


def read_named(data: str, step: float | None = None):
    """Read the same with the names of cases and channels."""
    from egem.data.sequences import Named
    from egem.readers.datasets import load_dataset
    from egem.readers.files import read_named
    from egem.readers.tables import ENDINGS

    path = Path(data)
    if path.suffix or path.exists():
        return read_named(path, step=step if path.suffix.lower() in ENDINGS else None)
    try:
        return Named(*load_dataset(data))
    except ValueError as error:
        raise ValueError(f"{data}: there is no such file, and {error}") from error


def read_for_model(clf, data: str, step: float | None = None):
    """Read data for a model: with its channels in their order, and its time step."""
    return match_model(clf, data, step, read_named(data, step or clf.time_step_))


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
