"""Wide tables: a row for each sequence, a column for each time point."""

import re

import numpy as np

from egem.data.grid import UNEVEN
from egem.data.sequences import Named, stack
from egem.readers.dialect import is_number
from egem.readers.roles import Roles
from egem.readers.tables import Table

MIN_POINTS = 10  # columns from which numbered ones are time points rather than channels


def point_groups(names: list[str]) -> dict[str, list[str]] | None:
    """Group columns numbered from 0 or 1 by what stands before the number.

    Each group is a channel. None if they are not numbered so, or not all up to the same number.

    >>> point_groups(["x_0", "x_1", "y_0", "y_1"])
    {'x': ['x_0', 'x_1'], 'y': ['y_0', 'y_1']}
    """
    times = [float(name) for name in names if is_number(name)]
    if 1 < len(times) == len(names) and all(map(float.__lt__, times, times[1:])):
        return {"": names}  # times
    groups: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        match = re.fullmatch(r"(.*?)(\d+)", name.strip())
        if match is None:
            return None
        groups.setdefault(match[1].rstrip("_- .["), []).append((int(match[2]), name))
    numbered = [sorted(group) for group in groups.values()]
    counts = {tuple(number for number, _ in group) for group in numbered}
    if len(counts) != 1:
        return None
    (numbers,) = counts
    if len(numbers) < 2 or numbers[0] > 1 or numbers[-1] - numbers[0] != len(numbers) - 1:
        return None
    return {key: [name for _, name in group] for key, group in zip(groups, numbered, strict=True)}


def wide_cases(table: Table, roles: Roles, header: bool) -> Named:
    """Read a sequence from each row; empty cells at the end of a row are beyond its end.

    Raises
    ------
    ValueError
        If a row holds no values or no label; the message names it.
    """
    groups = point_groups(roles.channels) if header else None
    groups = groups or {"": roles.channels}
    if not roles.channels or not len(table.frame):
        raise ValueError(f"{table.path}: it holds no values; give rows of numbers.")
    X = np.stack([[table.numbers(name) for name in group] for group in groups.values()])
    X = X.transpose(2, 0, 1)  # (n_cases, n_channels, n_timepoints)
    observed = np.asarray(~np.isnan(X).all(axis=1))
    empty = np.asarray(~observed.any(axis=1))
    if empty.any():
        raise ValueError(f"{table.path}: row {table.row(empty)} holds no values; leave it out.")
    lengths = X.shape[2] - observed[:, ::-1].argmax(axis=1)
    labels = None
    if roles.label is not None:
        blank = table.empty(roles.label)
        if blank.any():
            raise ValueError(
                f"{table.path}: row {table.row(blank)} has no label in column {roles.label!r}; "
                "fill it, or leave the row out."
            )
        labels = whole_labels(table.column(roles.label).tolist())
    names = None if roles.row_id is None else table.column(roles.row_id).astype(str).tolist()
    channels = list(groups) if len(groups) > 1 else None
    cases = [x[:, :n] for x, n in zip(X, lengths, strict=True)]
    return Named(stack(cases), labels, names, channels, _step(roles.channels) if header else None)


def _step(names: list[str]) -> float | None:
    """Return the step of names that are times, not numbers of points."""
    if not all(map(is_number, names)) or len(names) < 2:
        return None
    times = np.array(names, np.float64)
    if not np.isfinite(times).all():
        return None
    gaps = np.diff(times)
    step = float(f"{gaps.mean():.6g}")
    return step if step != 1 and (np.abs(gaps - step) < UNEVEN * step).all() else None


def whole_labels(labels: list) -> np.ndarray:
    """Write labels as text, whole numbers without decimals."""
    try:
        numbers = np.array([float(label) for label in labels])
    except ValueError:
        return np.array([str(label).strip() for label in labels])
    if np.isfinite(numbers).all() and (numbers == np.round(numbers)).all():
        return np.array([f"{number:.0f}" for number in numbers])
    return np.array([str(label) for label in labels])
