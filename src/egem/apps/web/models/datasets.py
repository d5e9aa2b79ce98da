"""Models fitted to recordings, or to handwritten letters."""

from collections.abc import Mapping

import numpy as np

from egem.apps.web.errors import ApiError
from egem.apps.web.models.inspection import series
from egem.apps.web.models.recordings import Recordings
from egem.apps.web.models.snapshot import Drawing, Snapshot, normalised
from egem.apps.web.models.strokes import fit_to_square
from egem.apps.web.models.training import new_classifier
from egem.apps.web.responses import ClassTest, CrossValidation, FitResult, Mistake
from egem.classifier import EGEMClassifier
from egem.data.cases import Case
from egem.data.splits import class_generator
from egem.readers.datasets import load_dataset
from egem.readers.sources import own_file

MIN_HELD_OUT_FROM = 5  # recordings of a class, of which a fifth is held out
MAX_MISTAKES = 12  # reported
CASES_PER_LETTER = 6
SEED = 0  # of the choice of letters, and of the recordings held out


def fit_to_recordings(snapshot: Snapshot, recordings: Recordings) -> Snapshot:
    """Fit a model to labelled recordings.

    A fifth of each class of at least five recordings is held out and tested; all others are
    learned. A model of smaller classes is judged by its own cross-validation.

    Raises
    ------
    ApiError
        If no recording has a label.
    """
    learned = recordings.learned
    if not learned:
        raise ApiError(422, "No recording has a label.", "Label one recording of each class.")
    labels = np.array([recordings.all[i].label for i in learned])
    cases = [recordings.all[i].case for i in learned]
    test = held_out(labels)
    train = np.setdiff1d(np.arange(len(labels)), test)
    clf = EGEMClassifier(random_state=SEED)
    try:
        clf.fit([cases[i] for i in train], labels[train]).train_experts()
    except (ValueError, ArithmeticError) as error:
        raise ApiError.of(error) from error
    clf.channel_names_, clf.time_step_ = recordings.channels, recordings.step
    fit = FitResult(
        dataset_id=recordings.dataset_id,
        n_train=len(train),
        n_unlabelled=len(recordings.all) - len(learned),
        cross_validation=_cross_validation(clf),
        **_tested(clf, recordings, np.array(learned), labels, train, test),
    )
    return Snapshot(clf, {}, f"fitting to {recordings.title}", recordings.title, fit.model_dump())


def held_out(labels: np.ndarray) -> np.ndarray:
    """Return which labelled cases are held out: a fifth of each class of at least five.

    >>> len(held_out(np.repeat(["a", "b"], [11, 4])))
    2
    """
    test = []
    for label in np.unique(labels):
        cases = np.flatnonzero(labels == label)
        n = len(cases) // MIN_HELD_OUT_FROM
        test += class_generator(SEED, label).permutation(cases)[:n].tolist()
    return np.sort(np.array(test, int))


def _cross_validation(clf: EGEMClassifier) -> CrossValidation:
    """Return how many training cases are classified correctly when left out of training."""
    held = clf.held_out_
    n_right = int((held.log_scores.argmin(axis=1) == held.truth).sum())
    return CrossValidation(n=len(held.truth), n_right=n_right)


def _tested(
    clf: EGEMClassifier,
    recordings: Recordings,
    learned: np.ndarray,
    labels: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
) -> Mapping:
    """Test a model on held-out cases; returns the fields of a :class:`FitResult`."""
    truth, cases = labels[test], [recordings.all[i].case for i in learned]
    predicted, mistakes, baseline = truth[:0], [], None
    if len(test):
        inversion = clf.invert([cases[i] for i in test])
        best, predicted = inversion.winners, inversion.labels()
        own = np.searchsorted(clf.classes_, truth)
        for i in np.flatnonzero(predicted != truth)[:MAX_MISTAKES]:
            case, codes = cases[test[i]], inversion.codes[i]
            shown = [
                clf.preparation_.onto(clf.model_.imagine(e, codes[e][None])[0], case.shape[1])
                for e in (int(best[i]), int(own[i]))
            ]
            mistakes.append(
                Mistake(
                    name=recordings.all[learned[test[i]]].name,
                    true=str(truth[i]),
                    predicted=str(predicted[i]),
                    series=series(case),
                    imagined=series(shown[0]),
                    imagined_true=series(shown[1]),
                )
            )
        baseline = _nearest_neighbour(clf, cases, labels, train, test)
    return {
        "accuracy": float(np.mean(predicted == truth)) if len(test) else None,
        "baseline": baseline,
        "n_test": len(test),
        "classes": [
            ClassTest(
                label=str(label),
                n_train=int((labels[train] == label).sum()),
                n_test=int((truth == label).sum()),
                n_right=int(((truth == label) & (predicted == truth)).sum()),
            )
            for label in np.unique(labels)
        ],
        "n_mistakes": int((predicted != truth).sum()),
        "mistakes": mistakes,
    }


def _nearest_neighbour(
    clf: EGEMClassifier, cases: list[Case], labels: np.ndarray, train: np.ndarray, test: np.ndarray
) -> float:
    """Return the accuracy of the nearest neighbour on the same grid."""
    from sklearn.neighbors import KNeighborsClassifier

    values = clf.preparation_.apply(cases).values.reshape(len(cases), -1)
    nearest = KNeighborsClassifier(1).fit(values[train], labels[train])
    return float(nearest.score(values[test], labels[test]))


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
