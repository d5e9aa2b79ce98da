"""What a command reads and writes."""

from pathlib import Path

from egem.apps.cli.terminal import interactive
from egem.runtime.files import write_whole


def read(data: str, step: float | None = None):
    """Read a file, or load a data set of that name; ``step`` counts for long files only."""
    return read_named(data, step)[:2]


def read_named(data: str, step: float | None = None):
    """Do so, and keep what the file calls cases and channels."""
    from egem.data.datasets import load_dataset
    from egem.data.readers import read_named
    from egem.data.sequences import Named
    from egem.data.tables import ENDINGS

    path = Path(data)
    if path.suffix or path.exists():
        return read_named(path, step=step if path.suffix.lower() in ENDINGS else None)
    try:
        return Named(*load_dataset(data))
    except ValueError as error:
        raise ValueError(f"{data}: there is no such file, and {error}") from error


def open_model(model: Path, jobs: int | None, quiet: bool):
    """Load a model to work with; progress is shown where somebody looks."""
    from egem.classifier import EGEMClassifier

    return EGEMClassifier.load(model).set_params(n_jobs=jobs, verbose=interactive(quiet))


def take(X, index):
    """Pick cases of an array or of a list."""
    return [X[i] for i in index] if isinstance(X, list) else X[index]


def check_writable(path: Path) -> None:
    """Refuse before the work rather than after it."""
    folder = path.parent
    if path.is_dir() or not folder.is_dir():
        trouble = "it is a folder" if path.is_dir() else f"there is no folder {folder}"
        raise OSError(f"{path} cannot be written: {trouble}; give a file in an existing folder.")


def write(text: str, out: Path | None) -> None:
    """Write to a file, or to the screen where there is none."""
    if out is None:
        print(text)
    else:
        write_whole(out, text + "\n")
