"""The encoding of text files."""

import re
from pathlib import Path


def decode(content: bytes, path: Path) -> tuple[str, tuple[str, ...]]:
    """Decode UTF-8, UTF-16 or, with a remark, Windows-1252; make all line ends alike."""
    remarks: tuple[str, ...] = ()
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif content[1:2000:2].count(0) > 0.4 * len(content[1:2000:2]) > 0 == content[:2000:2].count(0):
        encoding = "utf-16-le"
    elif 0 in content:
        line = content.count(b"\n", 0, content.index(0)) + 1
        raise ValueError(
            f"{path}: cannot be read as {path.suffix or 'text'} (line {line} holds a NUL byte); "
            "it is damaged or no text: export it anew."
        )
    else:
        encoding = "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        try:
            text = content.decode("cp1252")
        except UnicodeDecodeError:
            text = "\x01"
        if encoding != "utf-8-sig" or re.search("[\x01-\x08\x0e-\x1f]", text):
            raise ValueError(
                f"{path}: cannot be read as {path.suffix or 'text'} (line {line} is not "
                f"{encoding.removesuffix('-sig').upper()} text); save it as UTF-8."
            ) from error
        remarks = ("taken as Latin-1 (Windows-1252) text, not UTF-8",)
    return text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff"), remarks
