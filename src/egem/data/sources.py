"""Where data sets come from: the folder ``EGEM_DATA_DIR``, or a download that may fail."""

import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from egem.errors import DatasetUnavailable

_PATIENCE = 30.0  # seconds of silence after which a download is given up


def data_dir() -> Path | None:
    """Find the folder that ``EGEM_DATA_DIR`` names."""
    folder = os.environ.get("EGEM_DATA_DIR")
    return Path(folder).expanduser() if folder else None


def own_file(file: str) -> Path | None:
    """Find a file in that folder."""
    folder = data_dir()
    return folder / file if folder and (folder / file).is_file() else None


def searched(file: str) -> str:
    """Say why a file was not found there."""
    folder = data_dir()
    return f"EGEM_DATA_DIR ({folder}) holds no {file}" if folder else "EGEM_DATA_DIR is not set"


@contextmanager
def download(name: str, source: str, file: str) -> Iterator[None]:
    """Give up a download that stays silent, and turn any failure into one clear error."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of retries; what counts is how it ends
            yield
    except Exception as error:  # what a download can meet has no common type
        raise DatasetUnavailable(
            f"The data set {name!r} is not at hand: {searched(file)}, and downloading it from "
            f"{source} failed ({type(error).__name__}: {error}). Check the network, or set "
            f"EGEM_DATA_DIR to a folder that holds {file} (help(egem.data.datasets) gives the "
            "contents)."
        ) from error
    finally:
        socket.setdefaulttimeout(before)
