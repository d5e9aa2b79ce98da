"""Sets of the time-series archive, on this machine or downloaded through aeon."""

import importlib.util
import os
from pathlib import Path

import numpy as np

from egem.data.readers import read_ts
from egem.data.sequences import Labels, Sequences, stack
from egem.data.sources import data_dir, download


def archive_folders() -> dict[str, Path]:
    """Find the archive sets on this machine; a user's own folder comes first."""
    aeon, own = find_aeon(), data_dir()
    roots = [
        _aeon_cache(),
        *([aeon / "datasets" / "data"] if aeon else []),
        *([own] if own else []),
    ]
    trains = [file for root in roots for file in sorted(root.glob("*/*_TRAIN.ts"))]
    regression = ("CardanoSentiment", "Covid3Month")  # in aeon's wheel too
    return {
        train.parent.name: train.parent
        for train in trains
        if train.name == f"{train.parent.name}_TRAIN.ts"
        and train.with_name(f"{train.parent.name}_TEST.ts").is_file()
        and train.parent.name not in regression
    }


def download_archive(name: str, asked: str, file: str) -> Path:
    """Download a set into aeon's folder; ``asked`` and ``file`` are for the error's words."""
    from aeon.datasets import load_classification

    with download(asked, "the time-series archive through aeon", file):
        load_classification(name, extract_path=str(_aeon_cache()))
        return archive_folders()[name]


def read_archive(folder: Path, parts: tuple[str, ...]) -> tuple[Sequences, Labels]:
    """Read the parts of a set, ``"train"`` and ``"test"``, as one."""
    name = folder.name
    cases, labels = [], []
    for part in parts:
        X, y = read_ts(folder / f"{name}_{part.upper()}.ts")
        if y is None:
            raise ValueError(f"{name!r} has no class labels, so it is not a classification set.")
        cases += list(X)
        labels.append(y)
    return stack(cases), np.concatenate(labels)


def archive_names() -> set[str]:
    """List what aeon could download; nothing without aeon."""
    if not find_aeon():
        return set()
    from aeon.datasets import tsc_datasets as known

    return {*known.univariate, *known.multivariate, *getattr(known, "tsc_zenodo", ())}


def find_aeon() -> Path | None:
    """Find aeon's folder without the cost of importing it."""
    spec = importlib.util.find_spec("aeon")
    return Path(spec.origin).parent if spec and spec.origin else None


def _aeon_cache() -> Path:
    return Path(os.environ.get("AEON_DATA", "~/aeon_data")).expanduser()
