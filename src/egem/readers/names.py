"""Names of columns by which their roles are known, whatever their capitals, blanks and units."""

import re

CASE = (
    *("case", "case_id", "caseid", "recording", "recording_id", "rec", "rec_id", "trial"),
    *("trial_id", "series", "series_id", "sequence", "sequence_id", "seq", "seq_id", "sample_id"),
    *("instance", "instance_id", "episode", "episode_id", "file", "filename", "file_name"),
    *("unique_id", "uid", "uuid", "window_id", "id", "sample", "aufnahme"),
)
# The first of them that a table has is the time.
TIME = (
    *("seconds_elapsed", "elapsed", "elapsed_s", "time", "time_s", "time_sec", "time_seconds"),
    *("seconds", "timestamp", "time_stamp", "timestamps", "datetime", "date_time", "time_ms"),
    *("timestamp_ms", "timestamp_ns", "time_ns", "time_us", "timestamp_us", "unix_time", "epoch"),
    *("millis", "milliseconds", "loggingtime", "zeit", "ms", "sec", "ts", "t", "date"),
)
WEAK_TIME = ("t", "ts", "ms", "sec", "date", "epoch")  # channels beside another time
LABEL = (
    *("label", "labels", "class", "classes", "class_label", "classlabel", "class_name", "target"),
    *("label_name", "activity", "activity_label", "activity_name", "gesture", "gesture_name"),
    *("category", "movement", "motion", "behavior", "behaviour", "annotation", "klasse", "y"),
)
WHO = ("subject", "subject_id", "participant", "participant_id", "person", "user", "user_id")
INDEX = ("", "index", "unnamed:_0", "#", "row", "row_id", "row_number", "nr", "no")
ROLES = {*CASE, *TIME, *LABEL, *WHO, *INDEX}

_UNIT = re.compile(r"[\(\[](.*?)[\)\]]\s*$")
_SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds", "elapsed", "seconds_elapsed"), 1.0),
    **dict.fromkeys(("ms", "msec", "millis", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "µs", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nanoseconds"), 1e-9),
    **dict.fromkeys(("min", "minutes"), 60.0),
}
_EPOCHS = {"seconds": 1.0, "milliseconds": 1e-3, "microseconds": 1e-6, "nanoseconds": 1e-9}


def plain(name: str) -> str:
    """Return a name without capitals, blanks and unit.

    >>> plain(" Time (s)"), plain("Activity-Label")
    ('time', 'activity_label')
    """
    return re.sub(r"[\s.\-]+", "_", _UNIT.sub("", name).strip().strip("'\"").casefold())


def seconds_in(name: str, first: float) -> tuple[float | None, str | None]:
    """Return the seconds in a unit of a column of times, by its name or its size, and a remark.

    >>> seconds_in("Time (ms)", 0.0), seconds_in("t", 1.7e12)[0]
    ((0.001, None), 0.001)
    """
    unit = _UNIT.search(name)
    last = plain(name).rpartition("_")[2]
    known = _SECONDS.get(unit[1].strip().casefold() if unit else "") or _SECONDS.get(plain(name))
    for count, seconds in _EPOCHS.items():
        if 6e8 < first * seconds < 5e9:  # 1989 to 2128
            return seconds, f"times taken as {count} since 1970"
    return known or _SECONDS.get(last), None
