"""The layout of a table: long, wide, segments of a recording, or one recording."""

from typing import Any, NamedTuple

import numpy as np

from egem.data.sequences import Named
from egem.readers.headless import headless_layout
from egem.readers.hints import Hints
from egem.readers.long_format import Cases, Columns, cases_of, numbers_rows
from egem.readers.names import seconds_in
from egem.readers.roles import Head, Roles
from egem.readers.tables import Table
from egem.readers.unknown import unknown
from egem.readers.wide import MIN_POINTS, point_groups, wide_cases


class Arranged(NamedTuple):
    """Cases of a table, and how it was understood.

    Attributes
    ----------
    cases : Cases or Named
        Rows of cases; of a wide table the sequences themselves.
    layout : str
        One of ``hints.LAYOUTS``.
    source : str or None
        Where the labels are from.
    unit : float or None
        Seconds in the unit of its times, where it is known.
    remarks : tuple of str
        What else a user should know.
    """

    cases: Cases | Named
    layout: str
    source: str | None = None
    unit: float | None = None
    remarks: tuple[str, ...] = ()


def arrange(
    table: Table, head: Head, roles: Roles, hints: Hints, start: Any, one_of_many: bool
) -> Arranged:
    """Convert a table of any layout to cases.

    Raises
    ------
    ValueError
        If the layout is unknown or ambiguous, or cells cannot be used.
    """
    if not roles.canonical and not head.header and hints.layout is None:
        layout, roles = headless_layout(table, head, roles, one_of_many)
        roles, remarks = _without_idle_columns(table, roles, hints)
    else:
        roles, remarks = _without_idle_columns(table, roles, hints)
        layout = hints.layout or _layout(head, roles, one_of_many)
    if layout == "wide":
        named = wide_cases(table, roles, head.header)
        return Arranged(named, layout, _source(roles, named.y is not None), None, remarks)
    if layout == "long" and roles.case is None:
        raise unknown(
            head,
            "no column names the cases",
            ("--case COLUMN", "--layout segments", "--layout wide"),
        )
    if layout == "segments":
        table, roles, more = _segments(table, head, roles)
        remarks += more
    elif layout == "recording":
        roles = roles._replace(case=None)
        if roles.label is not None:
            remarks += (f"column {roles.label!r} left out",)
            roles = roles._replace(label=None)
    elif roles.who is not None:
        table, roles = _of_each_person(table, roles)
    if not roles.channels and not roles.canonical:
        raise unknown(
            head, "no column is a channel", ("--channels A,B", "--layout wide", "--sep ';'")
        )
    columns = Columns(roles.channels, roles.case, roles.time, roles.label)
    cases = cases_of(table, columns, start)
    if not head.header:
        cases = cases._replace(channels=[f"channel_{c}" for c in range(len(cases.channels))])
    if roles.time is None:
        return Arranged(cases, layout, _source(roles), None, (*remarks, "rows taken as even steps"))
    first = table.column(roles.time).iloc[0]
    number = float(first) if isinstance(first, int | float | np.number) else None
    unit, remark = (1.0, None) if number is None else seconds_in(roles.time, number)
    return Arranged(cases, layout, _source(roles), unit, remarks + ((remark,) if remark else ()))


def _source(roles: Roles, labelled: bool = True) -> str | None:
    if roles.label is None or not labelled:
        return None
    return f"column {roles.label!r}"


def _without_idle_columns(
    table: Table, roles: Roles, hints: Hints
) -> tuple[Roles, tuple[str, ...]]:
    """Leave out indexes, and a column taken for the label that holds a single value."""
    left_out = list(roles.left_out)
    if hints.channels is None:
        index = [n for n in roles.channels if numbers_rows(n, table.column(n).to_numpy())]
        roles = roles._replace(channels=[n for n in roles.channels if n not in index])
    if roles.inferred and table.column(str(roles.label)).nunique() < 2:
        left_out.append(str(roles.label))
        roles = roles._replace(label=None)
    if roles.canonical or not left_out:
        return roles, ()
    names = ", ".join(left_out[:5]) + ", ..." * (len(left_out) > 5)
    return roles, (f"column{'s' * (len(left_out) > 1)} {names} left out",)


def _layout(head: Head, roles: Roles, one_of_many: bool) -> str:
    if roles.canonical or roles.case is not None:
        return "long"
    groups = point_groups(roles.channels)
    if roles.time is None and groups is not None and not one_of_many:
        if len(roles.channels) >= MIN_POINTS:
            return "wide"
        raise unknown(
            head,
            "its numbered columns may be time points of a row each, or channels",
            ("--layout wide", "--layout segments", "--layout recording"),
        )
    return "recording" if roles.label is None else "segments"


def _segments(table: Table, head: Head, roles: Roles) -> tuple[Table, Roles, tuple[str, ...]]:
    """Make each run of one label a case; rows without a label belong to none."""
    if roles.label is None:
        raise unknown(
            head,
            "no column holds labels",
            ("--label COLUMN", "--layout recording", "--layout wide"),
        )
    label = table.column(roles.label).astype(str).to_numpy(str)
    empty = table.empty(roles.label)
    begins = np.append(True, (label[1:] != label[:-1]) | (empty[1:] != empty[:-1]))
    if roles.who is not None:
        who = table.column(roles.who).astype(str).to_numpy(str)
        begins[1:] |= who[1:] != who[:-1]
    if roles.time is not None:
        time = table.times(roles.time).time
        begins[1:] |= time[1:] < time[:-1]
    if empty.all():
        raise ValueError(f"{table.path}: column {roles.label!r} is empty; name another label.")
    case = np.cumsum(begins & ~empty) - 1
    name = next(n for n in ("segment", "egem segment") if n not in table.frame)
    frame = table.frame.assign(**{name: case})[~empty]
    n_left = int(empty.sum())
    remarks = (f"{n_left:,} rows without a label left out",) if n_left else ()
    return table._replace(frame=frame), roles._replace(case=name), remarks


def _of_each_person(table: Table, roles: Roles) -> tuple[Table, Roles]:
    """Tell cases of one name apart by who was recorded."""
    assert roles.case is not None and roles.who is not None
    who = table.column(roles.who).astype(str)
    if (who.groupby(table.column(roles.case)).nunique() < 2).all():
        return table, roles
    name = f"{roles.who}/{roles.case}"
    case = who + "/" + table.column(roles.case).astype(str)
    return table._replace(frame=table.frame.assign(**{name: case})), roles._replace(case=name)
