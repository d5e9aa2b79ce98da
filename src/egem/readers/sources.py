"""Places where data sets lie: the folder ``EGEM_DATA_DIR``, aeon's folders, downloads."""

import importlib.util
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from egem.errors import DatasetUnavailable

_TIMEOUT = 30.0  # seconds of silence after which a download is given up
_REGRESSION = ("CardanoSentiment", "Covid3Month")  # in aeon's wheel, without classes


def data_dir() -> Path | None:
    """Return the folder that ``EGEM_DATA_DIR`` names."""
    folder = os.environ.get("EGEM_DATA_DIR")
    return Path(folder).expanduser() if folder else None


def own_file(file: str) -> Path | None:
    """Return the path of a file in that folder, None if there is none."""
    folder = data_dir()
    return folder / file if folder and (folder / file).is_file() else None


def absence(name: str, file: str) -> str:
    """State that a data set is not available, and where its file was looked for."""
    folder = data_dir()
    searched = f"EGEM_DATA_DIR ({folder}) holds no {file}" if folder else "EGEM_DATA_DIR is not set"
    return f"The data set {name!r} is not available: {searched}"


def archive_folders() -> dict[str, Path]:
    """Find the sets of the time-series archive on this machine; ``EGEM_DATA_DIR`` comes first."""
    aeon, own = find_aeon(), data_dir()
    roots = [_aeon_cache(), aeon / "datasets" / "data" if aeon else None, own]
    folders = [train.parent for root in roots if root for train in root.glob("*/*_TRAIN.ts")]
    return {
        folder.name: folder
        for folder in folders
        if all((folder / f"{folder.name}_{part}.ts").is_file() for part in ("TRAIN", "TEST"))
        and folder.name not in _REGRESSION
    }


def archive_names() -> set[str]:
    """Return the names of the sets that aeon can download; none without aeon."""
    if not find_aeon():
        return set()
    from aeon.datasets import tsc_datasets as known

    return {*known.univariate, *known.multivariate, *getattr(known, "tsc_zenodo", ())}


def download_archive(archive_name: str, name: str, file: str) -> Path:
    """Download a set of the archive to aeon's folder; errors refer to it as ``name``."""
    from aeon.datasets import load_classification

    with download(name, "the time-series archive through aeon", file):
        load_classification(archive_name, extract_path=str(_aeon_cache()))
        return archive_folders()[archive_name]


@contextmanager
def download(name: str, source: str, file: str) -> Iterator[None]:
    """Limit the silence of a download, and turn any failure into :class:`DatasetUnavailable`."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of retries; an error reports the failure
            yield
    except Exception as error:  # the errors of downloads have no common type
        raise DatasetUnavailable(
            f"{absence(name, file)}, and downloading it from {source} failed "
            f"({type(error).__name__}: {error}). Check the network, or set EGEM_DATA_DIR to a "
            f"folder that holds {file} (help(egem.readers.datasets) gives the contents)."
        ) from error
    finally:
        socket.setdefaulttimeout(before)


def find_aeon() -> Path | None:
    """Return the folder of the package aeon, without importing it."""
    spec = importlib.util.find_spec("aeon")
    return Path(spec.origin).parent if spec and spec.origin else None


def _aeon_cache() -> Path:
    return Path(os.environ.get("AEON_DATA", "~/aeon_data")).expanduser()
