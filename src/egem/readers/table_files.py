"""Files that hold one table: their content to cases, whatever the dialect and the layout."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from egem.readers.dialect import SAMPLE, Text, parse, sniff
from egem.readers.encoding import decode
from egem.readers.hints import Hints
from egem.readers.layouts import Arranged, arrange
from egem.readers.roles import Head, Roles, find_roles
from egem.readers.tables import Table

if TYPE_CHECKING:
    import pandas as pd

TEXT = (".csv", ".tsv", ".txt", ".tab", ".dat", ".data", ".asc")


def text_table(content: bytes, path: Path, hints: Hints) -> tuple[Text, Table, Head, Roles]:
    """Recognise and parse the content of a text file.

    Raises
    ------
    ValueError
        If it cannot be read; the message names the file, and the line where there is one.
    """
    text, remarks = decode(content, path)
    return parsed(sniff(text, path, hints, remarks), hints)


def parsed(text: Text, hints: Hints) -> tuple[Text, Table, Head, Roles]:
    """Find the roles of the columns of a text, and parse them accordingly."""
    columns = {name: [row[i] for row in text.sample] for i, name in enumerate(text.names)}
    if len(columns) < len(text.names):
        names = [name for name in text.names if text.names.count(name) > 1]
        raise ValueError(
            f"{text.path}: two columns have the same name {names[0]!r}; rename or drop one."
        )
    head = Head(text.path, columns, text.header, text.decimal)
    roles = find_roles(head, hints)
    words = {name for name in head.names if not text.header and head.is_text(name)}
    frame = parse(text, roles.as_text | words)
    roles = roles._replace(channels=[name for name in roles.channels if name in frame])
    return text, Table(text.path, frame, text.first_row, text.decimal), head, roles


def arranged_text(
    content: bytes, path: Path, hints: Hints, start: Any = None, one_of_many: bool = False
) -> Arranged:
    """Read cases from the content of a text file."""
    return arranged(*text_table(content, path, hints), hints, start, one_of_many)


def arranged(
    text: Text,
    table: Table,
    head: Head,
    roles: Roles,
    hints: Hints,
    start: Any = None,
    one_of_many: bool = False,
) -> Arranged:
    """Read cases from a parsed text; refuse rows that are cut off."""
    found = arrange(table, head, roles, hints, start, one_of_many)
    whole = found.layout == "wide" and roles.label != text.names[-1]
    if not whole:
        text.check_rows()
    return found._replace(remarks=text.remarks + found.remarks)


def arranged_frame(
    table: Table, hints: Hints, start: Any = None, one_of_many: bool = False
) -> Arranged:
    """Read cases from a data frame."""
    frame: pd.DataFrame = table.frame
    frame.columns = [str(name) for name in frame.columns]
    head = Head(table.path, {name: _shown(table.column(name)) for name in frame.columns}, True)
    return arrange(table, head, find_roles(head, hints), hints, start, one_of_many)


def _shown(column: "pd.Series") -> list[str]:
    """Return the first cells as text."""
    first = column.iloc[:SAMPLE]
    return first.astype(str).where(first.notna(), "").tolist()
