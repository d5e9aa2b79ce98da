"""Exports of phones: several sensors of one recording, a file each, with times of their own."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from egem.readers.folders import Member
from egem.readers.hints import Hints
from egem.readers.layouts import Arranged
from egem.readers.long_format import Columns, cases_of
from egem.readers.names import plain, seconds_in
from egem.readers.roles import Head, Roles, find_roles
from egem.readers.table_files import text_table
from egem.readers.tables import Table

if TYPE_CHECKING:
    import pandas as pd

_SENSORS = (
    *("accelerometer", "accelerometeruncalibrated", "totalacceleration", "linearacceleration"),
    *("linearaccelerometer", "acceleration", "accelerationwithoutg", "accelerationwithg"),
    *("gyroscope", "gyroscopeuncalibrated", "gravity", "orientation", "rotation", "attitude"),
    *("magnetometer", "magnetometeruncalibrated", "compass", "barometer", "pressure", "light"),
    *("rawdata", "location", "pedometer", "heartrate", "microphone", "proximity", "temperature"),
    *("wristmotion", "watchaccelerometer", "watchgyroscope", "headphone"),
)
_NO_SENSORS = ("annotation", "device", "time", "studymetadata", "info")


def is_sensor(member: Member) -> bool:
    """Whether a file is named as phones name a sensor's."""
    return _bare(member.stem) in _SENSORS


def by_recording(members: list[Member], path: Path) -> list[tuple[tuple[str, ...], list[Member]]]:
    """Group files to recordings: sensors in one folder are one, any other file is one of its own.

    A recording has folders and a name, the name last.
    """
    folders = {member.parts[:-1] for member in members if is_sensor(member)}
    groups: dict[tuple[str, ...], list[Member]] = {}
    for member in members:
        above = member.parts[:-1]
        if above in folders:
            if _bare(member.stem) not in _NO_SENSORS:
                groups.setdefault(above or (path.stem,), []).append(member)
        elif not (above[-1:] == ("meta",) and above[:-1] in folders):
            groups.setdefault((*above, member.stem), []).append(member)
    return list(groups.items())


def joined(members: list[Member], path: Path, hints: Hints, start: Any) -> tuple[Arranged, float]:
    """Join the sensors of a recording on their common time; also return the step of the fastest.

    Channels are named by sensor and column, like ``Accelerometer x``.

    Raises
    ------
    ValueError
        If a sensor has no column of times, or another one than the others.
    """
    import pandas as pd

    sensors, clock = [], None
    for member in members:
        sensors.append(_sensor(member, hints, clock))
        clock = sensors[0].clock
    assert clock is not None
    frame = pd.concat([sensor.frame for sensor in sensors], ignore_index=True)
    head = Head(path, {str(name): [] for name in frame.columns}, True)
    roles = find_roles(head, hints._replace(time=clock, case=None, label=None, label_from="none"))
    cases = cases_of(Table(path, frame, 2), Columns(roles.channels, None, clock), start)
    first = next((s.first for s in reversed(sensors) if s.first is not None), None)
    unit, remark = (1.0, None) if first is None else seconds_in(clock, first)
    left_out = list(dict.fromkeys(name for sensor in sensors for name in sensor.left_out))
    remarks = (f"{', '.join(left_out)} left out",) if left_out else ()
    remarks += (remark,) if remark else ()
    step = min((s.step for s in sensors if s.step is not None), default=1.0)
    return Arranged(cases, "recording", None, unit, remarks), float(f"{step:.6g}")


class _Sensor(NamedTuple):
    """The file of one sensor."""

    clock: str  # its column of times
    frame: "pd.DataFrame"  # times, and values by the names of channels
    step: float | None  # the median one; None for a single time
    first: float | None  # time, where times are numbers
    left_out: list[str]


def _sensor(member: Member, hints: Hints, clock: str | None) -> _Sensor:
    """Read a sensor; ``clock`` is the column of times that the others have."""
    import pandas as pd

    text, table, head, roles = text_table(member.read(), member.path, hints._replace(channels=None))
    if roles.time is None or (clock and plain(roles.time) != plain(clock)):
        raise ValueError(
            f"{member.path}: its column of times is {roles.time or 'not known'}, that of other "
            f"sensors {clock or 'time'}; give --time COLUMN, or leave the file out."
        )
    text.check_rows()
    words = [name for name in roles.channels if head.is_text(name)]
    seen = [n for n in _values(roles) if n not in words and not table.empty(n).all()]
    steps = np.diff(np.unique(table.times(roles.time).time))
    times = table.column(roles.time)
    numeric = isinstance(times.iloc[0], int | float | np.number)
    columns = {_named(member, name): table.numbers(name) for name in seen}
    return _Sensor(
        roles.time,
        pd.DataFrame({clock or roles.time: times, **columns}),
        float(np.median(steps)) if len(steps) else None,
        float(times.iloc[0]) if numeric else None,
        [*(f"column {n}" for n in roles.left_out), *(f"{member.stem} {n}" for n in words)],
    )


def _values(roles: Roles) -> list[str]:
    """Return the columns of values: ``y`` is no label here."""
    names = [*roles.channels, roles.label, roles.who, roles.case, roles.row_id]
    return [name for name in names if name is not None]


def _named(member: Member, column: str) -> str:
    """Name a channel by sensor and column, unless the column has the sensor's name."""
    bare = _bare(member.stem)
    return column if bare == "rawdata" or bare in _bare(column) else f"{member.stem} {column}"


def _bare(name: str) -> str:
    return plain(name).replace("_", "")
