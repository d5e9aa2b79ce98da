"""The dialect of a text table: comments, separator, decimal mark, header."""

import csv
import io
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from egem.readers.hints import Hints
from egem.readers.names import ROLES, plain

if TYPE_CHECKING:
    import pandas as pd

MISSING = ["", "NA", "N/A", "n/a", "NaN", "nan", "NAN", "NULL", "null", "None", "-", "?", "#N/A"]
SAMPLE = 200  # lines that are looked at
_SEPARATORS = ("\t", ";", "|", ",", " ")  # the first of those that fit equally well
_COMMENT = re.compile(r"\s*(#(?![,;\t|])|%|//)")
_NUMBER = {
    mark: re.compile(
        rf"[+-]?(\d+({mark}\d*)?|{mark}\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.I
    )
    for mark in (r"\.", ",")
}


class Text(NamedTuple):
    """A text table before it is parsed.

    Attributes
    ----------
    names : list of str
        From the header; ``1``, ``2``, ... without one.
    first_row : int
        Line of the first row of ``body``, from 1.
    sample : list of list of str
        Cells of the first rows below the header.
    spaced : bool
        Whether blanks beside separators mean nothing.
    short : (int, int) or None
        Line and number of cells of the first row with fewer cells than others.
    """

    path: Path
    body: str
    names: list[str]
    header: bool
    sep: str
    decimal: str
    first_row: int
    sample: list[list[str]]
    spaced: bool
    short: tuple[int, int] | None
    remarks: tuple[str, ...]

    def check_rows(self) -> None:
        """Raise ValueError where a row has fewer cells than others; the message names its line."""
        if self.short is not None:
            line, width = self.short
            raise ValueError(
                f"{self.path}: line {line} has {width} cells, others have {len(self.names)}; "
                "complete it, with empty cells where values are missing."
            )


def sniff(text: str, path: Path, hints: Hints, remarks: tuple[str, ...] = ()) -> Text:
    """Recognise the dialect of a text.

    Raises
    ------
    ValueError
        If it holds no rows, or rows longer than the header; the message names the line.
    """
    skipped, comment, at = 0, "", 0
    sep = hints.sep
    for line in _first_lines(text, len(text)):
        marked = re.fullmatch(r"sep=(.)", line.strip())  # as Excel writes it
        if marked and not skipped:
            sep = sep or marked[1]
        elif line.strip() and not _COMMENT.match(line):
            break
        if line.strip():
            comment = "" if marked else _COMMENT.sub("", line).strip().strip("#%/ ")
        skipped, at = skipped + 1, at + len(line) + 1
    lines = _first_lines(text[at:], SAMPLE)
    if not lines:
        raise ValueError(
            f"{path}: cannot be read as {path.suffix or 'text'} (it is empty); give a file with "
            "rows of numbers."
        )
    if sep is None:
        sep = max(_SEPARATORS, key=lambda each: _fit(lines, each))
        if _fit(lines, sep) == 0:
            sep = ","
    n_above = _lines_above(lines, sep)
    if n_above:
        remarks = (*remarks, f"{n_above} lines above the table left out")
        at += sum(len(line) + 1 for line in lines[:n_above])
        skipped, lines = skipped + n_above, lines[n_above:]
    decimal = hints.decimal or _decimal_mark(text, sep)
    rows = _cells(lines, sep)
    header = has_header(rows, decimal)
    names = [name.strip() for name in rows[0]] if header else []
    if not header and comment:
        above = _cells([comment], sep)[0]
        if len(above) == len(rows[0]) > 1 and not any(is_number(c, decimal) for c in above):
            names = [name.strip() for name in above]
    spaced = sep != " " and bool(re.search(rf" {re.escape(sep)}|{re.escape(sep)} ", lines[0]))
    body, first_row = text[at:], skipped + 1
    if header:
        body, first_row = body.partition("\n")[2], first_row + 1
        rows = rows[1:]
    names, short = _checked_widths(path, body, names, sep, first_row)
    header = bool(names) and not all(name == str(i + 1) for i, name in enumerate(names))
    sample = [row + [""] * (len(names) - len(row)) for row in rows]
    return Text(path, body, names, header, sep, decimal, first_row, sample, spaced, short, remarks)


def parse(text: Text, as_text: set[str]) -> "pd.DataFrame":
    """Parse the body; the columns ``as_text`` stay text, in the others words may mean missing."""
    import pandas as pd

    numbers = range(len(text.names))
    kept = {i for i in numbers if text.names[i] in as_text}
    try:
        frame = pd.read_csv(
            io.BytesIO(text.body.encode()),
            header=None,
            names=list(numbers),
            sep=r"\s+" if text.sep == " " else text.sep,
            decimal=text.decimal,
            dtype=dict.fromkeys(kept, str),
            keep_default_na=False,  # a case or a label may well be called NA
            na_values={i: [""] if i in kept else MISSING for i in numbers},
            float_precision="round_trip",
            skipinitialspace=text.spaced,
            low_memory=False,
            index_col=False,
        )
    except (ValueError, pd.errors.ParserWarning) as error:  # ParserError is one
        raise ValueError(
            f"{text.path}: cannot be read as {text.path.suffix or 'text'} ({str(error).strip()}); "
            "give text with a header row, no row longer than the header, or name sep (--sep)."
        ) from error
    if text.spaced:
        for i in kept:
            frame[i] = frame[i].str.strip()
    frame.columns = pd.Index(text.names)
    empty = [name == "" and bool(frame.iloc[:, i].isna().all()) for i, name in enumerate(frame)]
    return frame.loc[:, ~np.array(empty, bool)]


def is_number(cell: str, decimal: str = ".") -> bool:
    """Whether a cell is a number.

    >>> is_number("1e-3"), is_number("1,5"), is_number("1,5", ",")
    (True, False, True)
    """
    return bool(_NUMBER["," if decimal == "," else r"\."].fullmatch(cell.strip()))


def has_header(rows: list[list[str]], decimal: str = ".") -> bool:
    """Whether the first row names the columns.

    It does if none of its cells is a number, or if the numbers among them count the points.

    >>> has_header([["t", "x"], ["0", "1"]]), has_header([["walk", "0.5"]])
    (True, False)
    """
    first = [cell.strip() for cell in rows[0] if cell.strip()]
    numbers = [float(cell.replace(",", ".")) for cell in first if is_number(cell, decimal)]
    if not numbers:
        return bool(first) and not all(cell in MISSING for cell in first)
    named = [cell for cell in first if not is_number(cell, decimal)]
    if named:
        known = all(plain(cell) in ROLES for cell in named)
        return known and all(map(float.__lt__, numbers, numbers[1:]))
    return len(numbers) > 2 and len(rows) > 1 and _counts(numbers) and not _counts(_floats(rows[1]))


def _floats(cells: list[str]) -> list[float]:
    return [float(cell) for cell in cells if is_number(cell)]


def _counts(numbers: list[float]) -> bool:
    """Whether numbers count from 0 or 1."""
    return any(numbers == list(range(first, first + len(numbers))) for first in (0, 1))


def _first_lines(text: str, n: int) -> list[str]:
    """Return the first lines: at most ``n``, and no more than ``SAMPLE``, blank ones too."""
    lines, at = [], 0
    while len(lines) < min(n, SAMPLE) and at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        lines.append(text[at:end])
        at = end + 1
    return lines if any(line.strip() for line in lines) else []


def _cells(lines: list[str], sep: str) -> list[list[str]]:
    if sep == " ":
        return [line.split() for line in lines if line.strip()]
    rows = csv.reader(
        (line for line in lines if line.strip()), delimiter=sep, skipinitialspace=True
    )
    return [row for row in rows if row]


def _lines_above(lines: list[str], sep: str) -> int:
    """Count the lines above a table that are no row of it: those of one cell, where rows have more.

    >>> _lines_above(["Device: phone", "", "t,x", "0,1", "1,2"], ",")
    2
    """
    widths = [len(_cells([line], sep)[0]) if line.strip() else 0 for line in lines]
    usual = Counter(width for width in widths if width).most_common(1)[0][0]
    if sep == " " or widths[0] > 1 or usual == 1:
        return 0
    return next(i for i, width in enumerate(widths) if width == usual)


def _fit(lines: list[str], sep: str) -> float:
    """Score a separator: how many lines it cuts, and how many cells are numbers then."""
    try:
        rows = _cells(lines, sep)
    except csv.Error:
        return 0.0
    below = rows[1:] or rows
    several = np.mean([len(row) > 1 for row in below])
    cells = [cell.strip() for row in below for cell in row]
    marks = (".",) if sep == "," else (".", ",")
    numeric = max(np.mean([c in MISSING or is_number(c, mark) for c in cells]) for mark in marks)
    alike = Counter(map(len, rows)).most_common(1)[0][1] / len(rows)
    return round(float(several * (numeric + 0.1 * alike)), 6)


def _decimal_mark(text: str, sep: str) -> str:
    if sep == "," or "," not in text:
        return "."
    edge = r"\s" if sep == " " else rf"{re.escape(sep)}\n"
    found = [
        bool(
            re.search(
                rf'(?:^|[{edge}"])\s*[+-]?\d*{mark}\d+(?:[eE][+-]?\d+)?\s*(?:[{edge}"]|$)', text
            )
        )
        for mark in (",", r"\.")
    ]
    return "," if found == [True, False] else "."


def _checked_widths(
    path: Path, body: str, names: list[str], sep: str, first_row: int
) -> tuple[list[str], tuple[int, int] | None]:
    """Return the names, numbers without any, and the first row that is shorter than they are."""
    lines = body.split("\n")
    filled = [i for i, line in enumerate(lines) if line.strip()]
    if sep == " ":
        widths = np.array([len(lines[i].split()) for i in filled])
    elif '"' not in body:
        widths = np.array([lines[i].count(sep) + 1 for i in filled])
    else:
        widths = np.array([len(row) for row in csv.reader(lines, delimiter=sep) if row])
        filled = filled[: len(widths)]
    if not len(widths):
        return names, None
    if not names:
        names = [str(i + 1) for i in range(widths.max())]
    elif (widths == len(names) + 1).all() and all(lines[i].rstrip().endswith(sep) for i in filled):
        names = [*names, ""]
    if widths.max() > len(names):
        i = int((widths > len(names)).argmax())
        raise ValueError(
            f"{path}: cannot be read as {path.suffix or 'text'} (line {filled[i] + first_row} has "
            f"{widths[i]} cells, the header {len(names)}); give no row longer than the header, "
            "quote cells that hold the separator, or name another one (--sep)."
        )
    if widths.min() == len(names):
        return names, None
    i = int((widths < len(names)).argmax())
    return names, (filled[i] + first_row, int(widths[i]))
