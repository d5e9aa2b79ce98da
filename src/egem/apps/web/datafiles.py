"""Files of series that are uploaded: read within bounds, looked at, fitted to."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from egem.apps.web.looking import series
from egem.apps.web.models import MOST_CLASSES, Model, check_label
from egem.apps.web.schema import FitResult, Mistake, Preview, Uploaded
from egem.apps.web.trouble import Trouble, sentence
from egem.classifier import EGEMClassifier
from egem.data.readers import read_data
from egem.data.splits import few_shot_split
from egem.data.validation import Case, as_cases

ENDINGS = (".csv", ".npz", ".ts")
MOST_UNPACKED = 64 * 2**20
MOST_VALUES = 4_000_000
MOST_CHANNELS = 100
MOST_TRAINED = 2000  # cases fitted to
MOST_TESTED = 1000
MOST_SHOWN, POINTS_SHOWN = 24, 200
MOST_MISTAKES = 12


@dataclass(frozen=True, eq=False)
class Data:
    """What a file holds: cases, and labels as text where there are any."""

    cases: list[Case]
    labels: np.ndarray | None


def read(file: Path) -> Data:
    """Read a file of series.

    Raises
    ------
    Trouble
        Where it is of no known kind, damaged, or too large.
    """
    ending = file.suffix.lower()
    if ending not in ENDINGS:
        raise Trouble(
            415,
            f"Files ending in {ending!r} are not read here.",
            f"Give one ending in {', '.join(ENDINGS)}.",
        )
    try:
        if ending == ".npz":
            _check_archive(file)
        X, y = read_data(file)
        cases = as_cases(X)
    except Trouble:
        raise
    except Exception as error:  # whatever a damaged file brings about is one trouble to the user
        raise _told(error, file) from error
    n_values = sum(case.size for case in cases)
    if n_values > MOST_VALUES or len(cases[0]) > MOST_CHANNELS:
        raise Trouble(
            413,
            f"The file holds {n_values:,} values in {len(cases[0])} channels.",
            f"Give at most {MOST_VALUES:,} in {MOST_CHANNELS} channels; use egem fit for more.",
        )
    return Data(cases, None if y is None else _labels(y))


def described(data: Data, name: str, dataset_id: str) -> Uploaded:
    """Tell what there is, with some of the cases to look at."""
    lengths = [case.shape[1] for case in data.cases]
    some = _of_all_classes(data, MOST_SHOWN)
    return Uploaded(
        dataset_id=dataset_id,
        name=name,
        n_cases=len(data.cases),
        n_channels=len(data.cases[0]),
        lengths=(min(lengths), max(lengths)),
        classes=None if data.labels is None else np.unique(data.labels).tolist(),
        preview=[
            Preview(
                label=None if data.labels is None else str(data.labels[i]),
                channels=series(data.cases[i], POINTS_SHOWN).channels,
            )
            for i in some
        ],
    )


def fitted_to(
    before: Model, file: Path, name: str, dataset_id: str, k: int | None, seed: int
) -> Model:
    """Fit a model to a file's cases, and judge it by those held out.

    Raises
    ------
    Trouble
        Where there are no labels, or too few or too many cases.
    """
    data = read(file)
    if data.labels is None:
        raise Trouble(
            422, "The file holds no labels to learn.", "Add a column or an array of them."
        )
    try:
        train, test = few_shot_split(data.labels, k, seed)
    except ValueError as error:
        raise _told(error, file) from error
    if len(train) > MOST_TRAINED:
        raise Trouble(
            422,
            f"That would be {len(train):,} training cases, over {MOST_TRAINED:,}.",
            "Choose fewer a class, or use egem fit.",
        )
    test = test[:: -(-len(test) // MOST_TESTED)]
    clf = EGEMClassifier(random_state=seed)
    try:
        clf.fit([data.cases[i] for i in train], data.labels[train])
        result = _judged(clf, data, train, test)
    except (ValueError, ArithmeticError) as error:
        raise _told(error, file) from error
    fit = FitResult(dataset_id=dataset_id, k=k, **result)
    return Model(clf, {}, f"fitting to {name}", name, fit.model_dump())


def _judged(clf: EGEMClassifier, data: Data, train: np.ndarray, test: np.ndarray) -> dict:
    assert data.labels is not None
    truth, cases = data.labels[test], [data.cases[i] for i in test]
    inversion = clf.invert(cases)
    best = inversion.scores.argmin(axis=1)
    predicted = clf.classes_[best]
    wrong = np.flatnonzero(predicted != truth)
    own = np.searchsorted(clf.classes_, truth)

    def imagined(i: int, e: int) -> np.ndarray:
        return clf.ensemble_.imagine(e, inversion.codes[i, e][None])[0]

    mistakes = [
        Mistake(
            case=int(test[i]),
            true=str(truth[i]),
            predicted=str(predicted[i]),
            series=series(cases[i]),
            imagined=series(imagined(i, int(best[i]))),
            imagined_true=series(imagined(i, int(own[i]))),
        )
        for i in wrong[:MOST_MISTAKES]
    ]
    return {
        "accuracy": float(np.mean(predicted == truth)),
        "baseline": _nearest(clf, data, train, test),
        "n_test": len(test),
        "n_train": len(train),
        "classes": clf.classes_.tolist(),
        "n_mistakes": len(wrong),
        "mistakes": mistakes,
    }


def _nearest(clf: EGEMClassifier, data: Data, train: np.ndarray, test: np.ndarray) -> float:
    """Accuracy of the nearest neighbour, on the experts' grid."""
    from sklearn.neighbors import KNeighborsClassifier

    assert data.labels is not None
    grid = clf.preparation_

    def flat(some: np.ndarray) -> np.ndarray:
        return grid.apply(grid.align([data.cases[i] for i in some])).values.reshape(len(some), -1)

    nearest = KNeighborsClassifier(1).fit(flat(train), data.labels[train])
    return float(nearest.score(flat(test), data.labels[test]))


def _labels(y: np.ndarray) -> np.ndarray:
    labels = np.array([str(label) for label in y.tolist()])
    for label in np.unique(labels):
        check_label(str(label))
    n = len(np.unique(labels))
    if n > MOST_CLASSES:
        raise Trouble(
            422, f"There are {n:,} classes.", f"Give at most {MOST_CLASSES}; use egem fit for more."
        )
    return labels


def _of_all_classes(data: Data, most: int) -> list[int]:
    """Choose cases to show: the first of each class, then the second of each, and so on."""
    if data.labels is None:
        return list(range(min(len(data.cases), most)))
    rank = np.zeros(len(data.labels), int)
    for label in np.unique(data.labels):
        of = np.flatnonzero(data.labels == label)
        rank[of] = np.arange(len(of))
    some = np.lexsort((data.labels, rank))[:most]
    return some[np.argsort(data.labels[some], kind="stable")].tolist()


def _check_archive(file: Path) -> None:
    """Refuse an archive that unpacks to more than it should, before it is unpacked.

    Raises
    ------
    ValueError
        Where it is none, or its arrays are not as large as they say.
    Trouble
        Where it is too large.
    """
    if not zipfile.is_zipfile(file):
        raise ValueError("it is no .npz; write it with numpy.savez(path, X=..., y=...)")
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > MOST_UNPACKED:
            raise Trouble(
                413,
                f"The archive unpacks to more than {MOST_UNPACKED / 2**20:g} MB.",
                "Give fewer cases; use egem fit for more.",
            )
        for member in members:
            with archive.open(member) as stream:
                version = np.lib.format.read_magic(stream)
                reader = {
                    (1, 0): np.lib.format.read_array_header_1_0,
                    (2, 0): np.lib.format.read_array_header_2_0,
                }.get(version)
                if reader is None:
                    raise ValueError(f"{member.filename} is no array; write it with numpy.savez")
                shape, _, dtype = reader(stream)
                size = int(np.prod([int(n) for n in shape], dtype=object)) * dtype.itemsize
                if size > member.file_size:
                    raise ValueError(f"{member.filename} is cut off; write it anew")


def _told(error: Exception, file: Path) -> Trouble:
    """Tell what the library says of a file, without the place it was kept at."""
    words = str(error).replace(f"{file}: ", "").replace(str(file), "the file")
    what, _, remedy = (words or type(error).__name__).partition("; ")
    return Trouble(422, sentence(what), sentence(remedy or "give another file"))
