"""The roles of a table's columns: case, time, label, channels."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from egem.readers.dialect import MISSING, is_number
from egem.readers.hints import Hints
from egem.readers.names import CASE, INDEX, LABEL, TIME, WEAK_TIME, WHO, plain


class Head(NamedTuple):
    """What is looked at of a table: names of columns, and cells of the first rows.

    Attributes
    ----------
    columns : dict
        Cells of each column.
    header : bool
        Whether the file has the names; if not they are ``1``, ``2``, ...
    """

    path: Path
    columns: dict[str, list[str]]
    header: bool
    decimal: str = "."

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return list(self.columns)

    def filled(self, name: str) -> list[str]:
        """Return the cells of a column that hold something."""
        return [cell for cell in self.columns[name] if cell.strip() not in MISSING]

    def is_text(self, name: str) -> bool:
        """Whether a column holds words only."""
        cells = self.filled(name)
        truths = {cell.strip().casefold() for cell in cells} <= {"true", "false"}
        return not truths and not any(is_number(cell, self.decimal) for cell in cells)

    def is_fractional(self, name: str) -> bool:
        """Whether a column holds numbers that are not whole."""
        cells = [c.replace(",", ".") for c in self.filled(name) if is_number(c, self.decimal)]
        return any(not float(cell).is_integer() for cell in cells)


class Roles(NamedTuple):
    """Columns and what they are; None is one there is not.

    Attributes
    ----------
    who : str or None
        Who was recorded: another person is another case.
    row_id : str or None
        Names rows, if these are cases.
    inferred : bool
        Whether the label is known by its words only, not by its name.
    canonical : bool
        Whether the columns are named as egem writes them.
    """

    channels: list[str]
    case: str | None = None
    time: str | None = None
    label: str | None = None
    who: str | None = None
    row_id: str | None = None
    inferred: bool = False
    canonical: bool = False
    left_out: tuple[str, ...] = ()

    @property
    def as_text(self) -> set[str]:
        """Columns whose cells are names, not numbers."""
        return {name for name in (self.case, self.label, self.who, self.row_id) if name is not None}


def find_roles(head: Head, hints: Hints) -> Roles:
    """Find the roles of columns by the user's hints, by their names and by their content.

    Raises
    ------
    ValueError
        If a hint names no column, or two columns may be the label.
    """
    case, time, label = (_resolve(head, hint) for hint in (hints.case, hints.time, hints.label))
    free = [name for name in head.names if name not in (case, time, label)]
    if {"case", "time"} <= set(head.names) and case is None and time is None:
        label = "label" if label is None and "label" in free else label
        roles = Roles([], "case", "time", label, canonical=True)
    elif head.header:
        roles = _by_name(head, hints, Roles([], case, time, label), free)
    else:
        roles = Roles([], case, time, label)
    if hints.label_from == "none":
        roles = roles._replace(label=None, left_out=(*roles.left_out, *filter(None, [label])))
    used = {roles.case, roles.time, roles.label, roles.who, roles.row_id, *roles.left_out}
    if hints.channels is not None:
        channels = _matching(head, hints.channels)
    else:
        channels = [name for name in head.names if name not in used]
    return roles._replace(channels=channels)


def _by_name(head: Head, hints: Hints, roles: Roles, free: list[str]) -> Roles:
    left_out: list[str] = []
    if roles.time is None:
        times = [n for n in _ranked(free, TIME) if not head.is_text(n) or _has_digits(head, n)]
        strong = [name for name in times if plain(name) not in WEAK_TIME]
        times = strong or times[:1]
        roles = roles._replace(time=times[0] if times else None)
        left_out += times[1:]
    if roles.case is None:
        for name in _ranked(free, CASE):
            cells = head.columns[name]
            if name == roles.time or head.is_fractional(name):
                continue
            sure = plain(name) in CASE[:2] and roles.time is not None
            if sure or len(set(cells)) < len(cells):
                roles = roles._replace(case=name)
                break
            if roles.row_id is None:
                roles = roles._replace(row_id=name)
    who = [name for name in _ranked(free, WHO) if name != roles.label]
    if who and len(free) > len(who):
        roles = roles._replace(who=who[0])
        left_out += who[1:]
    taken = {roles.case, roles.time, roles.row_id, roles.who, *left_out}
    rest = [name for name in free if name not in taken]
    if roles.label is not None:
        left_out += [name for name in _ranked(rest, LABEL) if head.is_text(name)]
    elif hints.label_from in (None, "column", "segments"):
        roles = _with_label(head, roles, rest)
    return roles._replace(left_out=tuple(left_out))


def _with_label(head: Head, roles: Roles, rest: list[str]) -> Roles:
    names = {plain(name) for name in rest}
    found = [name for name in _ranked(rest, LABEL) if not head.is_fractional(name)]
    if len(found) > 1 or names & {"x", "z"}:
        found = [name for name in found if plain(name) != "y"]
    if len(found) > 1:
        raise ValueError(
            f"{head.path}: the label may be column {' or '.join(map(repr, found))}; name it: "
            + " or ".join(f"--label {name!r}" for name in found)
            + " (label=... in Python)."
        )
    words = [name for name in rest if head.is_text(name) and plain(name) not in INDEX]
    if not found and len(words) == 1 and len(rest) > 1:
        return roles._replace(label=words[0], inferred=True)
    return roles._replace(label=found[0] if found else None)


def _ranked(names: list[str], known: tuple[str, ...]) -> list[str]:
    """Return the names that are known, in the order in which they are."""
    return sorted(
        (name for name in names if plain(name) in known), key=lambda name: known.index(plain(name))
    )


def _has_digits(head: Head, name: str) -> bool:
    return all(any(map(str.isdigit, cell)) for cell in head.filled(name))


def _resolve(head: Head, hint: str | None) -> str | None:
    """Return the column that a hint names."""
    if hint is None or hint in head.names:
        return hint
    if not head.header and hint in ("first", "last"):
        return head.names[0 if hint == "first" else -1]
    alike = [name for name in head.names if plain(name) == plain(hint)]
    if len(alike) != 1:
        raise ValueError(
            f"{head.path}: there is no column {hint!r}; its columns are "
            f"{', '.join(head.names[:20])}{', ...' * (len(head.names) > 20)}."
        )
    return alike[0]


def _matching(head: Head, patterns) -> list[str]:
    """Return the columns that patterns name, in their order."""
    channels: list[str] = []
    for pattern in patterns:
        found = [n for n in head.names if n == pattern or fnmatchcase(n, pattern)]
        found = found or [n for n in head.names if plain(n) == plain(pattern)]
        if not found:
            raise ValueError(
                f"{head.path}: there is no channel {pattern!r}; its columns are "
                f"{', '.join(head.names[:20])}{', ...' * (len(head.names) > 20)}."
            )
        channels += [name for name in found if name not in channels]
    return channels
