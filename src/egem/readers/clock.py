"""Times written as text: instants, days of several countries, and times of day."""

import re
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    import pandas as pd

DAY = 86_400.0  # seconds
_CLOCK = r"(\d{1,2}):([0-5]\d)(?::([0-5]\d(?:[.,]\d+)?))?"
_DAY_FIRST = re.compile(rf"(\d{{1,2}})([./])(\d{{1,2}})\2(\d{{4}})(?:[ T,]+{_CLOCK})?", re.ASCII)


def clock_seconds(column: "pd.Series") -> Float[np.ndarray, " n_rows"] | None:
    """Convert times of day like ``23:59:59.5`` to seconds; None if a cell is none.

    Rows that go on after midnight count on.

    >>> import pandas as pd
    >>> clock_seconds(pd.Series(["23:59:59.5", "00:00:00"])).tolist()
    [86399.5, 86400.0]
    """
    parts = column.astype(str).str.strip().str.extract(rf"^{_CLOCK}$")
    if parts[0].isna().any():
        return None
    parts[2] = parts[2].fillna("0").str.replace(",", ".")
    seconds = (parts.astype(np.float64) * [3600.0, 60.0, 1.0]).sum(axis=1).to_numpy()
    midnights = np.cumsum(np.diff(seconds, prepend=seconds[:1]) < -DAY / 2)
    return seconds + DAY * midnights


def instants(column: "pd.Series") -> "pd.Series":
    """Convert time stamps to instants, UTC where they name no zone; NaT where they are none.

    Days are read as ``2024-01-31``, ``2024/01/31``, ``31.01.2024``, and ``31/01/2024`` where a
    number above 12 shows which is the day.
    """
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return pd.to_datetime(column, utc=True, errors="coerce", format="ISO8601")
    texts = column.astype(str).str.strip()
    ours = texts.str.fullmatch(_DAY_FIRST.pattern)
    if ours.any():
        texts = texts.where(~ours, _with_year_first(texts[ours]))
    texts = texts.str.replace(r"^(\d{4})/(\d\d?)/(\d\d?)", r"\1-\2-\3", regex=True)
    texts = texts.str.replace(r"(:\d\d),(\d+)$", r"\1.\2", regex=True)
    stamps = pd.to_datetime(texts, utc=True, errors="coerce", format="ISO8601")
    return stamps.where(texts.str.match(r"\d{4}-?\d\d"))  # pandas takes "now" for one


def _with_year_first(texts: "pd.Series") -> "pd.Series":
    parts = texts.str.extract(f"^{_DAY_FIRST.pattern}$")
    one, other = (_numbers(parts[i]) for i in (0, 2))
    day_first = bool((parts[1] == ".").all()) or bool((one > 12).any())
    if not day_first and not (other > 12).any():
        raise ValueError(
            f"the dates like {texts.iloc[0]} may begin with the day or with the month; write them "
            "as 2024-01-31"
        )
    day, month = (parts[0], parts[2]) if day_first else (parts[2], parts[0])
    clock = parts[4].fillna("0").str.zfill(2) + ":" + parts[5].fillna("00")
    clock += ":" + parts[6].fillna("00").str.replace(",", ".")
    return parts[3] + "-" + month.str.zfill(2) + "-" + day.str.zfill(2) + "T" + clock


def _numbers(column: "pd.Series") -> "pd.Series":
    """Convert digits to numbers, NaN where there are none."""
    import pandas as pd

    return pd.Series(pd.to_numeric(column, errors="coerce"), column.index)
