"""The layout of a table without a header, by its numbers."""

import numpy as np
from jaxtyping import Float

from egem.readers.roles import Head, Roles
from egem.readers.tables import Table
from egem.readers.unknown import unknown
from egem.readers.wide import MIN_POINTS

_MAX_CHANNELS = 16  # columns up to which they may be the channels of a recording
_SURELY_POINTS = 32  # columns from which they are time points
_MAX_LABEL = 10_000.0
_LABELS = ("--layout wide --label first", "--layout wide --label last")


def headless_layout(table: Table, head: Head, roles: Roles, one_of_many: bool) -> tuple[str, Roles]:
    """Tell sequences in rows from a recording, and find the label and the time.

    Raises
    ------
    ValueError
        If two readings are equally likely; the message names the options.
    """
    names = roles.channels
    if roles.case is not None:
        return "long", roles
    if roles.label is not None:
        return ("segments" if one_of_many or roles.time is not None else "wide"), roles
    words = [name for name in names if head.is_text(name)]
    if words:
        return _with_words(table, head, roles, words)
    if roles.time is not None or not names:
        return "recording", roles
    first = table.numbers(names[0])
    if _is_time(first) and 1 < len(names) <= _MAX_CHANNELS:
        return "recording", roles._replace(time=names[0], channels=names[1:])
    if one_of_many or len(names) == 1:
        return "recording", roles
    return _numbers(table, head, roles)


def _numbers(table: Table, head: Head, roles: Roles) -> tuple[str, Roles]:
    names = roles.channels
    middle = [table.numbers(name) for name in names[1:-1]]
    whole = all(_is_whole(column) for column in middle)
    edges = {name: _label_rank(table.numbers(name), whole) for name in (names[0], names[-1])}
    label = max(edges, key=lambda name: edges[name])
    n_points = len(names) - 1
    if edges[label] and len(set(edges.values())) == 1:
        raise unknown(
            head, "the label may be the first or the last column", (*_LABELS, "--layout recording")
        )
    if edges[label] and n_points >= MIN_POINTS - 1:
        return "wide", roles._replace(label=label, channels=[n for n in names if n != label])
    if edges[label]:
        where = "first" if label == names[0] else "last"
        options = tuple(f"--layout {each} --label {where}" for each in ("segments", "wide"))
        raise unknown(
            head, "its rows may be sequences or time points", (*options, "--layout recording")
        )
    if len(names) >= _SURELY_POINTS:
        return "wide", roles
    if len(names) < MIN_POINTS and len(table.frame) >= 2 * len(names):
        return "recording", roles
    raise unknown(
        head,
        "its rows may be sequences or time points",
        ("--layout recording", "--layout wide", "--layout wide --label first"),
    )


def _with_words(table: Table, head: Head, roles: Roles, words: list[str]) -> tuple[str, Roles]:
    """Take the only column of words, the first or the last, for the label."""
    label, names = words[0], roles.channels
    others = [name for name in names if name != label]
    if len(words) > 1 or label not in (names[0], names[-1]) or not others:
        raise unknown(
            head,
            f"{len(words)} columns without a name hold words",
            ("--label NUMBER", "--label NUMBER --time NUMBER", "--channels NUMBERS"),
        )
    roles = roles._replace(label=label, channels=others)
    if len(others) >= MIN_POINTS - 1:
        return "wide", roles
    column = table.column(label).astype(str).to_numpy(str)
    n_runs = 1 + int((column[1:] != column[:-1]).sum())
    if _is_time(table.numbers(others[0])) and len(others) > 1:
        return "segments", roles._replace(time=others[0], channels=others[1:])
    if len(column) >= MIN_POINTS * n_runs:
        return "segments", roles
    raise unknown(
        head,
        "its rows may be sequences or time points",
        ("--layout wide", "--layout segments", "--layout recording"),
    )


def _is_time(column: Float[np.ndarray, " n_rows"]) -> bool:
    return len(column) > 2 and bool((column[1:] > column[:-1]).all())


def _is_whole(column: Float[np.ndarray, " n_rows"]) -> bool:
    seen = column[~np.isnan(column)]
    return bool((seen == np.round(seen)).all())


def _label_rank(column: Float[np.ndarray, " n_rows"], others_whole: bool) -> int:
    """Rank a column as the label: 2 if it tells classes apart, 1 if it may be one, 0 if not."""
    if np.isnan(column).any() or not _is_whole(column) or np.abs(column).max() > _MAX_LABEL:
        return 0
    n = len(np.unique(column))
    if n == len(column) > 3:  # numbers of rows
        return 0
    repeated = n <= max(len(column) / 2, 2)
    if n == 1:
        return 0 if others_whole else 1
    return 2 if repeated or not others_whole else 0
