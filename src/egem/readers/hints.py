"""What a user says of a file's layout, where looking at it is not enough."""

import re
from collections.abc import Sequence
from typing import NamedTuple

LAYOUTS = ("long", "wide", "segments", "recording")
SOURCES = ("folder", "name", "column", "segments", "none")
SEPARATORS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "blank": " ", "space": " "}


class Hints(NamedTuple):
    """Options of :func:`egem.read_data`; None is found by looking.

    Attributes
    ----------
    layout : str or None
        One of ``LAYOUTS``.
    case, time, label : str or None
        Names of columns; numbers from 1, ``first`` or ``last`` where there is no header.
    channels : sequence of str or None
        Columns that are channels; ``*`` stands for any characters.
    label_from : str or None
        One of ``SOURCES``; ``folder:1`` is the outermost folder.
    sep, decimal : str or None
        Separator of cells, and decimal mark.
    """

    layout: str | None = None
    case: str | None = None
    time: str | None = None
    label: str | None = None
    channels: Sequence[str] | None = None
    label_from: str | None = None
    sep: str | None = None
    decimal: str | None = None

    def checked(self) -> "Hints":
        """Return the hints with separators spelled out.

        Raises
        ------
        ValueError
            Naming the option whose value is not known.
        """
        if self.layout is not None and self.layout not in LAYOUTS:
            raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, not {self.layout!r}.")
        if self.label_from is not None and not re.fullmatch(
            rf"{'|'.join(SOURCES)}|folder:[1-9]", self.label_from
        ):
            raise ValueError(
                f"label_from must be one of {', '.join(SOURCES)}, or folder:1 for the outermost "
                f"folder, not {self.label_from!r}."
            )
        sep = None if self.sep is None else SEPARATORS.get(self.sep, self.sep)
        if sep is not None and (len(sep) != 1 or sep.isalnum() or sep in '"\n\r.'):
            raise ValueError(f"sep must be one character, tab or blank, not {self.sep!r}.")
        if self.decimal not in (None, ".", ",") or (sep == "," and self.decimal == ","):
            raise ValueError(
                f"decimal must be . or , and differ from sep, but is {self.decimal!r}."
            )
        if isinstance(self.channels, str):
            raise ValueError(f"channels must be a list of names, not {self.channels!r}.")
        layout = "segments" if self.label_from == "segments" and not self.layout else self.layout
        return self._replace(sep=sep, layout=layout)
