"""Spreadsheets: the first sheet is read as a text table."""

from pathlib import Path
from typing import Any

from egem.readers.collection import of_one_file
from egem.readers.hints import Hints
from egem.readers.summary import Found
from egem.readers.table_files import arranged_text
from egem.runtime.files import check_size


def read_spreadsheet(path: Path, hints: Hints, start: Any, limit: int) -> Found:
    """Read the first sheet of an `.xlsx` file.

    Raises
    ------
    ValueError
        If it cannot be read.
    ImportError
        If openpyxl is not installed.
    """
    import pandas as pd

    try:
        sheet = pd.read_excel(path, header=None, dtype=object, engine="openpyxl")
    except ImportError as error:
        raise ImportError(
            f"{path}: .xlsx files need openpyxl; run: pip install openpyxl, or save it as .csv."
        ) from error
    content = sheet.to_csv(index=False, header=False, sep="\t").encode()
    check_size(f"{path}: unpacked it holds", len(content), limit)
    hints = hints._replace(sep="\t", decimal=".")
    return of_one_file(arranged_text(content, path, hints, start), path, hints)
