"""Many files that belong together: a folder, a zip, or the files that a pattern names."""

import glob
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from egem.readers.table_files import TEXT
from egem.runtime.files import check_size

READ = (*TEXT, ".parquet", ".npy")  # endings, also with .gz, of the files that are read
_DEPTH = 2  # zips in zips
_IGNORED = ("readme", "license", "licence", "metadata", "changelog", "notes")


class Member(NamedTuple):
    """A file of many.

    Attributes
    ----------
    parts : tuple of str
        Its folders and its name, without what all members share.
    path : Path
        Names it in messages.
    read : callable
        Returns its content.
    """

    parts: tuple[str, ...]
    path: Path
    read: Callable[[], bytes]

    @property
    def ending(self) -> str:
        """Ending of its name, without ``.gz``."""
        return Path(self.path.name.lower().removesuffix(".gz")).suffix

    @property
    def stem(self) -> str:
        """Name without the ending."""
        return re.sub(r"(?i)\.gz$", "", self.parts[-1]).rpartition(".")[0] or self.parts[-1]


class Budget:
    """The bytes that may still be read."""

    def __init__(self, limit: int) -> None:
        self.limit, self.used = limit, 0

    def take(self, path: Path, n_bytes: int) -> None:
        """Count bytes; refuse what exceeds the limit."""
        self.used += n_bytes
        check_size(f"{path}: unpacked it holds", self.used, self.limit)

    def unpacked(self, content: bytes, path: Path) -> bytes:
        """Unpack gzip, no more than the rest of the limit."""
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
                content = file.read(self.limit - self.used + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(
                f"{path}: cannot be unpacked ({error}); pack it anew with gzip."
            ) from error
        self.take(path, len(content))
        return content


def is_pattern(path: Path) -> bool:
    """Whether a path is a pattern of names, like ``walk_*.csv``."""
    return glob.has_magic(str(path))


def members_of(path: Path, limit: int) -> tuple[list[Member], int]:
    """List the files that can be read, in natural order, and count the others.

    Raises
    ------
    FileNotFoundError
        If no file has a name of the pattern.
    ValueError
        If there are none, a zip cannot be read, or they are too large together.
    """
    budget = Budget(limit)
    if path.is_dir():
        found = [file for file in path.rglob("*") if file.is_file()]
        listed = list(_files(found, path, budget))
    elif path.is_file():
        check_size(f"{path}: it holds", path.stat().st_size, limit)
        listed = list(_zipped(path.read_bytes(), path, (), budget, _DEPTH))
    else:
        found = [Path(name) for name in glob.glob(str(path), recursive=True)]
        if not found:
            raise FileNotFoundError(f"{path}: no file has such a name; check name and folder.")
        inside = [f for each in found if each.is_dir() for f in each.rglob("*") if f.is_file()]
        found = [file for file in found if file.is_file()] + inside
        listed = list(_files(found, None, budget))
    members = [member for member in listed if _is_read(member)]
    if not members:
        names = ", ".join(sorted({member.ending or "none" for member in listed})) or "no files"
        raise ValueError(
            f"{path}: it holds no file that can be read (endings: {names}); files ending in "
            f"{', '.join(READ)}, also with .gz, or zips of them are read."
        )
    members.sort(key=lambda member: [_natural(part) for part in member.parts])
    shared = 0
    while len({m.parts[: shared + 1] for m in members}) == 1 and len(members[0].parts) > shared + 1:
        shared += 1
    members = [member._replace(parts=member.parts[shared:]) for member in members]
    return members, len(listed) - len(members)


def _files(found: list[Path], folder: Path | None, budget: Budget) -> Iterator[Member]:
    for file in sorted(set(found)):
        parts = (file if folder is None else file.relative_to(folder)).parts
        if _is_hidden(parts):
            continue
        if file.suffix.lower() == ".zip":
            check_size(f"{file}: it holds", file.stat().st_size, budget.limit)
            yield from _zipped(file.read_bytes(), file, (*parts[:-1], file.stem), budget, _DEPTH)
            continue
        member = Member(parts, file, file.read_bytes)
        if _is_read(member):
            budget.take(file, file.stat().st_size)
        yield _gunzipped(member, budget)


def _zipped(
    content: bytes, path: Path, above: tuple[str, ...], budget: Budget, depth: int
) -> Iterator[Member]:
    """List the members of a zip; nothing is written to disk."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise ValueError(f"{path}: cannot be read as .zip ({error}); pack it anew.") from error
    for entry in entries:
        parts = PurePosixPath(entry.filename.replace("\\", "/")).parts
        if ".." in parts or not parts or parts[0] == "/" or ":" in parts[0]:
            raise ValueError(
                f"{path}: its member {entry.filename!r} lies outside of the zip; pack it anew."
            )
        if entry.flag_bits & 1:
            raise ValueError(f"{path}: it is encrypted; pack it without a password.")
        if _is_hidden(parts):
            continue
        shown = path.joinpath(*parts)
        member = Member((*above, *parts), shown, lambda e=entry, s=shown: _content(archive, e, s))
        if shown.suffix.lower() == ".zip":
            if not depth:
                raise ValueError(f"{shown}: zips in zips in zips are not read; unpack it.")
            budget.take(shown, entry.file_size)
            inner = (*above, *parts[:-1], shown.stem)
            yield from _zipped(member.read(), shown, inner, budget, depth - 1)
            continue
        if _is_read(member):
            budget.take(shown, entry.file_size)
        yield _gunzipped(member, budget)


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, shown: Path) -> bytes:
    try:
        return archive.read(entry)
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error, NotImplementedError) as error:
        raise ValueError(f"{shown}: cannot be unpacked ({error}); pack it anew.") from error


def _gunzipped(member: Member, budget: Budget) -> Member:
    if member.path.suffix.lower() != ".gz":
        return member
    return member._replace(read=lambda: budget.unpacked(member.read(), member.path))


def _is_hidden(parts: tuple[str, ...]) -> bool:
    return any(part.startswith((".", "__")) for part in parts if part not in (".", ".."))


def _is_read(member: Member) -> bool:
    return member.ending in READ and member.stem.casefold() not in _IGNORED


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key by which 2 comes before 10."""
    pieces = re.split(r"(\d+)", name.casefold())
    return [(1, int(p), "") if p.isdigit() else (0, 0, p) for p in pieces]
