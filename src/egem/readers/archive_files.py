"""Files of the time-series archive: `.ts`, and `.arff` as Weka writes them."""

import re
import tempfile
from pathlib import Path

import numpy as np

from egem.data.sequences import Labels, Named, Sequences, stack
from egem.readers.dialect import Text, sniff
from egem.readers.encoding import decode
from egem.readers.hints import Hints
from egem.readers.layouts import Arranged
from egem.readers.names import LABEL, plain
from egem.readers.table_files import arranged, parsed
from egem.readers.tables import needs


def read_ts(path: Path) -> tuple[Sequences, Labels | None]:
    """Read a `.ts` file of the time-series archive; labels are text and keep their capitals."""
    try:
        from aeon.datasets import load_from_ts_file
    except ImportError as error:
        raise ImportError(needs(path, "aeon")) from error
    try:
        header, *rows = re.split(r"(?im)^[ \t]*@data[ \t]*$", path.read_text("utf-8"), maxsplit=1)
        tags = dict(re.findall(r"(?m)^[ \t]*@(\w+)[ \t]+(\S+)", header.lower()))
        if tags.get("timestamps") == "true":
            # aeon 1.6 drops the signs of values that come with time stamps
            raise ValueError("it has time stamps, which are not read; give a long .csv instead")
        if tags.get("targetlabel") == "true":
            raise ValueError("it holds a regression target, not class labels")
        lines = [line for line in "".join(rows).splitlines() if line.strip()]
        cases = [line for line in lines if not line.lstrip().startswith(("#", "%"))]
        if len(cases) == len(lines):
            X = list(load_from_ts_file(str(path))[0])
        else:  # aeon knows comments in the header only, and reads nothing but files
            with tempfile.TemporaryDirectory(prefix="egem-") as folder:
                copy = Path(folder, "cases.ts")
                copy.write_text("\n".join([header, "@data", *cases, ""]), "utf-8")
                X = list(load_from_ts_file(str(copy))[0])
        if not X:
            raise ValueError("it holds no cases")
    except (OSError, ValueError, IndexError) as error:
        raise ValueError(
            f"{path}: cannot be read as a .ts file ({error}); see "
            "https://www.aeon-toolkit.org for the format."
        ) from error
    if tags.get("classlabel") == "false":
        return stack(X), None
    # From the text, because aeon turns labels to lower case (and "banana" to "baNaNa").
    labels = [case.rpartition(":")[2].strip() for case in cases]
    return stack(X), np.array(labels)


def read_arff(content: bytes, path: Path, hints: Hints) -> Arranged:
    """Read sequences, a row each, from `.arff`; the label is the nominal attribute.

    Raises
    ------
    ValueError
        If it has no ``@data``, or its content cannot be used.
    ImportError
        If it holds several channels and aeon is not installed.
    """
    text, remarks = decode(content, path)
    header, found, rows = _split_data(text)
    if not found:
        raise ValueError(f"{path}: cannot be read as .arff (it has no @data); export it anew.")
    pattern = r"""(?im)^[ \t]*@attribute[ \t]+('[^']*'|"[^"]*"|\S+)[ \t]+(.*)$"""
    attributes = [(name.strip("'\""), kind.strip()) for name, kind in re.findall(pattern, header)]
    if any(kind.casefold().startswith("relational") for _, kind in attributes):
        return _relational(path)
    lines = [line for line in rows.splitlines() if line.strip() and not line.startswith("%")]
    first_row = text.count("\n", 0, len(text) - len(rows)) + 1
    read = sniff("\n".join(lines).replace("'", '"') + "\n", path, hints._replace(sep=","), remarks)
    names = [name for name, _ in attributes]
    if len(names) != len(read.names) or read.short is not None:
        raise ValueError(
            f"{path}: it has {len(names)} attributes, but rows of {len(read.names)} cells, "
            "or fewer; export it anew."
        )
    nominal = [name for name, kind in attributes if kind.startswith("{")]
    nominal = (
        [n for n in nominal if plain(n) in LABEL]
        or nominal
        or [n for n in names if plain(n) in LABEL]
    )
    label = hints.label or (nominal[-1] if nominal else None)
    if hints.label_from == "none":
        label = None
    body, sample = read.body, read.sample
    if read.header:  # of words and missing values only
        raise ValueError(f"{path}: its rows hold no numbers; export it anew.")
    whole = Text(path, body, names, True, ",", ".", first_row, sample, read.spaced, None, remarks)
    channels = hints.channels or [name for name in names if name != label]
    wide = hints._replace(layout=hints.layout or "wide", label=label, channels=channels)
    return arranged(*parsed(whole, wide), wide)


def _split_data(text: str) -> tuple[str, bool, str]:
    parts = re.split(r"(?im)^[ \t]*@data[ \t]*$\n?", text, maxsplit=1)
    return parts[0], len(parts) > 1, parts[-1]


def _relational(path: Path) -> Arranged:
    """Read sequences of several channels through aeon."""
    try:
        from aeon.datasets import load_from_arff_file
    except ImportError as error:
        raise ImportError(needs(path, "aeon")) from error
    try:
        X, y = load_from_arff_file(str(path))
    except (OSError, ValueError, IndexError) as error:
        raise ValueError(
            f"{path}: cannot be read as .arff ({error}); export it anew, all channels and cases of "
            "one length."
        ) from error
    if X.ndim != 3 or 0 in X.shape:
        raise ValueError(f"{path}: it holds no cases; give rows below @data.")
    labels = np.array([str(label).strip().strip("'\"") for label in y])
    return Arranged(Named(X, labels), "wide", "the class attribute")
