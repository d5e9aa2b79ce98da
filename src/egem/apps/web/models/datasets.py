"""Models fitted to a data set: an uploaded file, or handwritten letters."""

from pathlib import Path

import numpy as np

from egem.apps.web.errors import ApiError
from egem.apps.web.models.inspection import series
from egem.apps.web.models.snapshot import Drawing, Snapshot, normalised
from egem.apps.web.models.strokes import fit_to_square
from egem.apps.web.models.training import new_classifier
from egem.apps.web.models.uploads import Data, file_error, read_data_file
from egem.apps.web.responses import FitResult, Mistake
from egem.classifier import EGEMClassifier
from egem.data.cases import Case
from egem.data.splits import few_shot_split
from egem.readers.datasets import load_dataset
from egem.readers.sources import own_file

MAX_TRAIN_CASES = 2000
MAX_TEST_CASES = 1000
MAX_MISTAKES = 12  # reported
CASES_PER_LETTER = 6
SEED = 0  # of the choice of letters


def fit_to_file(
    snapshot: Snapshot, file: Path, name: str, dataset_id: str, k: int | None, seed: int
) -> Snapshot:
    """Fit a model to the cases of a file, and test it on held-out ones.

    Raises
    ------
    ApiError
        If there are no labels, or too few or too many cases.
    """
    data = read_data_file(file)
    if data.labels is None:
        raise ApiError(422, "The file has no labels.", "Add a column or an array of them.")
    try:
        train, test = few_shot_split(data.labels, k, seed)
    except ValueError as error:
        raise file_error(error, file) from error
    if len(train) > MAX_TRAIN_CASES:
        raise ApiError(
            422,
            f"That is {len(train):,} training cases, over {MAX_TRAIN_CASES:,}.",
            "Choose fewer per class, or use egem fit.",
        )
    test = test[:: -(-len(test) // MAX_TEST_CASES)]
    clf = EGEMClassifier(random_state=seed)
    try:
        clf.fit([data.cases[i] for i in train], data.labels[train]).train_experts()
        result = _tested(clf, data, train, test)
    except (ValueError, ArithmeticError) as error:
        raise file_error(error, file) from error
    fit = FitResult(dataset_id=dataset_id, k=k, **result)
    return Snapshot(clf, {}, f"fitting to {name}", name, fit.model_dump())


def _tested(clf: EGEMClassifier, data: Data, train: np.ndarray, test: np.ndarray) -> dict:
    """Test a model on held-out cases; returns the fields of a :class:`FitResult`."""
    assert data.labels is not None
    truth, cases = data.labels[test], [data.cases[i] for i in test]
    inversion = clf.invert(cases)
    best, predicted = inversion.winners, inversion.labels()
    wrong = np.flatnonzero(predicted != truth)
    own = np.searchsorted(clf.classes_, truth)

    def imagined(i: int, e: int) -> np.ndarray:
        return clf.model_.imagine(e, inversion.codes[i, e][None])[0]

    mistakes = [
        Mistake(
            case=int(test[i]),
            true=str(truth[i]),
            predicted=str(predicted[i]),
            series=series(cases[i]),
            imagined=series(imagined(i, int(best[i]))),
            imagined_true=series(imagined(i, int(own[i]))),
        )
        for i in wrong[:MAX_MISTAKES]
    ]
    return {
        "accuracy": float(np.mean(predicted == truth)),
        "baseline": _nearest_neighbour(clf, data, train, test),
        "n_test": len(test),
        "n_train": len(train),
        "classes": clf.classes_.tolist(),
        "n_mistakes": len(wrong),
        "mistakes": mistakes,
    }


def _nearest_neighbour(
    clf: EGEMClassifier, data: Data, train: np.ndarray, test: np.ndarray
) -> float:
    """Return the accuracy of the nearest neighbour on the same grid."""
    from sklearn.neighbors import KNeighborsClassifier

    assert data.labels is not None
    grid = clf.preparation_

    def flat(index: np.ndarray) -> np.ndarray:
        cases = grid.align([data.cases[i] for i in index])
        return grid.apply(cases).values.reshape(len(index), -1)

    nearest = KNeighborsClassifier(1).fit(flat(train), data.labels[train])
    return float(nearest.score(flat(test), data.labels[test]))


def letters_available() -> bool:
    """Return whether the folder that ``EGEM_DATA_DIR`` names holds the letters."""
    return own_file("character_trajectories.npz") is not None


def fit_to_letters(snapshot: Snapshot) -> Snapshot:
    """Fit a model of twenty handwritten letters, which replaces the current one."""
    X, y = load_dataset("characters", raw=True)
    rng = np.random.default_rng(SEED)
    cases, labels, drawings = [], [], {}
    for label in np.unique(y):
        chosen = rng.choice(np.flatnonzero(y == label), CASES_PER_LETTER, replace=False)
        converted = [_letter(X[i]) for i in np.sort(chosen)]
        cases += [case for case, _ in converted]
        labels += [str(label)] * len(converted)
        drawings[str(label)] = tuple(drawing for _, drawing in converted)
    clf = new_classifier().fit(np.stack(cases), labels)
    return Snapshot(clf, drawings, "starting with letters", "letters")


def _letter(velocities: np.ndarray) -> tuple[Case, Drawing]:
    """Integrate the velocities of a pen (y up) to a drawing that fills the pad."""
    x, y = fit_to_square(np.cumsum(velocities, axis=1) * [[1.0], [-1.0]])
    return normalised(x.tolist(), y.tolist(), [])
