"""Uploaded files of recordings, read within limits."""

import shutil
import tempfile
import threading
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from egem.apps.web.errors import ApiError, sentence
from egem.apps.web.models.recordings import Recording, Recordings, check_sizes
from egem.apps.web.models.snapshot import MAX_CLASSES
from egem.apps.web.requests import check_label
from egem.data.cases import as_cases
from egem.data.sequences import Named
from egem.readers.files import read_named

MAX_UNPACKED = 64 * 2**20  # bytes of an archive
MAX_FILES = 2000
SAME_STEP = 1.01  # ratio of steps that count as one
MAX_DEPTH, MAX_NAME = 8, 120  # of a file's path
IGNORED = ("__MACOSX", "Thumbs.db", "desktop.ini")  # and hidden files
_collecting = threading.Lock()  # warnings are collected for the whole process


class Upload(NamedTuple):
    """Files in a temporary folder, with the paths they had on the user's machine."""

    folder: Path
    title: str
    files: list[Path]


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a folder that is removed at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="egem-") as folder:
        yield Path(folder)


def receive(sent: Sequence, folder: Path) -> Upload:
    """Copy uploaded files into a folder under their own paths, and unpack zip files.

    Raises
    ------
    ApiError
        If there is no file, a path leads out of the folder, or an archive is too large.
    """
    for file in sent:
        to = _place(folder, file.filename or "file")
        if to is not None:
            with to.open("wb") as out:
                shutil.copyfileobj(file.file, out)
    names = [path.relative_to(folder).parts for path in _files(folder)]
    for path in _files(folder):
        if path.suffix.lower() == ".zip":
            _unpack(path)
    files = _files(folder)
    if not files:
        raise ApiError(422, "There is no file to read.", "Send recordings, not an empty folder.")
    tops = {parts[0] for parts in names}
    title = names[0][-1] if len(names) == 1 else min(tops)
    title = title if len(tops) == 1 else f"{len(names)} files"
    return Upload(folder, title[-80:], files)


def read_recordings(
    upload: Upload, dataset_id: str, new: bool = False, step: float | None = None
) -> Recordings:
    """Read uploaded recordings; new ones are to be recognised, so that their labels do not count.

    Raises
    ------
    ApiError
        If a file is of an unknown kind, damaged or too large.
    """
    for file in upload.files:
        if file.suffix.lower() == ".npz":
            with _errors_without(upload.folder):
                check_archive(file)
    with _errors_without(upload.folder), _collecting, warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", UserWarning)
        named = read_all(upload, step)
        cases = as_cases(named.X)
    check_sizes(cases)
    labels = [None] * len(cases) if named.y is None else _checked(named.y)
    names = named.cases or [f"recording {i + 1}" for i in range(len(cases))]
    notes = [_relative(str(each.message), upload.folder) for each in seen]
    rows = [
        Recording(
            str(name)[-80:],
            case,
            0,
            case.shape[1],
            label=None if new else label,
            told=label if new else None,
            new=new,
        )
        for name, case, label in zip(names, cases, labels, strict=True)
    ]
    return Recordings(
        dataset_id, upload.title, named.channels, named.step, tuple(notes), tuple(rows)
    )


def read_all(upload: Upload, step: float | None) -> Named:
    """Read all files as one set of sequences, and warn of what was left out or changed."""
    path = upload.files[0] if len(upload.files) == 1 else upload.folder
    named = read_named(path, max_bytes=MAX_UNPACKED)
    notes = [(named.summary or "").partition("; ")[2]]
    if step and named.step and not 1 / SAME_STEP <= named.step / step <= SAME_STEP:
        notes.append(f"times are {named.step:g} apart, and were laid on a grid of {step:g}")
        named = read_named(path, step, max_bytes=MAX_UNPACKED)
    for note in filter(None, notes):
        warnings.warn(f"{note[0].upper()}{note[1:]}.", UserWarning, stacklevel=2)
    if len(named.X) == 1:  # users know it by its file
        named = named._replace(cases=[upload.files[0].stem])
    return named


def _checked(y: np.ndarray) -> list[str | None]:
    labels = [str(label) for label in y.tolist()]
    for label in sorted(set(labels) - {""}):
        check_label(label)
    n = len(set(labels))
    if n > MAX_CLASSES:
        raise ApiError(
            422, f"There are {n:,} classes.", f"Use at most {MAX_CLASSES}, or egem fit for more."
        )
    return [label or None for label in labels]


def _place(folder: Path, name: str) -> Path | None:
    """Return where a file goes, with its folders made; None for hidden files."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if ".." in parts or not parts or len(parts) > MAX_DEPTH or max(map(len, parts)) > MAX_NAME:
        raise ApiError(
            422,
            f"The path {name[-80:]!r} is not allowed.",
            f"Use up to {MAX_DEPTH - 1} folders, names up to {MAX_NAME} letters, and no '..'.",
        )
    if any(part.startswith(".") or part in IGNORED for part in parts):
        return None
    if not all(part.isprintable() for part in parts):
        raise ApiError(422, f"The path {name[-80:]!r} is not allowed.", "Rename the file.")
    path = folder.joinpath(*(part.rstrip(":") for part in parts))
    if path.exists() or any(parent.is_file() for parent in path.parents):
        raise ApiError(422, f"Two files have the path {name[-80:]!r}.", "Send each file once.")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _unpack(file: Path) -> None:
    """Replace a zip file by a folder of its content."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = [each for each in archive.infolist() if not each.is_dir()]
            _check_unpacked(members)
            if len(members) > MAX_FILES:
                raise ApiError(
                    413, f"The archive holds {len(members):,} files.", f"Use {MAX_FILES:,} at most."
                )
            to = file.with_name(f"{file.name} content")
            for member in members:
                path = _place(to, member.filename)
                if path is not None:
                    with archive.open(member) as source, path.open("wb") as out:
                        shutil.copyfileobj(source, out)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError) as error:
        raise ApiError(
            422, f"{file.name} cannot be unpacked: {error}.", "Zip the folder again, unencrypted."
        ) from error
    file.unlink()


def _check_unpacked(members: Sequence[zipfile.ZipInfo]) -> None:
    if sum(member.file_size for member in members) > MAX_UNPACKED:
        raise ApiError(
            413,
            f"The archive unpacks to more than {MAX_UNPACKED / 2**20:g} MB.",
            "Use fewer cases, or egem fit for more.",
        )


def check_archive(file: Path) -> None:
    """Refuse an `.npz` that would unpack to too much, before it is unpacked.

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
        _check_unpacked(members)
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


@contextmanager
def _errors_without(folder: Path) -> Iterator[None]:
    """Convert errors of reading to API errors, without the server's folder."""
    try:
        yield
    except ApiError:
        raise
    except Exception as error:  # a damaged file may raise anything
        message = _relative(str(error), folder) or type(error).__name__
        if str(error).startswith(f"{folder}/"):  # whose first letter is that of a file
            message = f"In {message}"
        problem, _, remedy = message.partition("; ")
        raise ApiError(422, sentence(problem), sentence(remedy or "use another file")) from error


def _relative(message: str, folder: Path) -> str:
    return message.replace(f"{folder}/", "").replace(str(folder), "the folder")
