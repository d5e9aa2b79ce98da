"""A change of one class scores only that class among the held-out cases."""

from copy import copy

import numpy as np
import pytest

from egem import EGEMClassifier
from egem.fit import held_out_exemplars
from helpers import make_waves


@pytest.fixture(scope="module")
def many():
    """Waves of eight classes, a model of all in linear views, and unseen cases."""
    labels = tuple("abcdefgh")
    X, y = make_waves(4, seed=1, labels=labels)
    X_test, y_test = make_waves(20, seed=2, labels=labels)
    fitted = EGEMClassifier(views=("linear", "features"), random_state=0).fit(X, y)
    return lambda: copy(fitted), X, y, X_test, y_test


def held_out_scores(clf):
    """Return the scores of held-out cases, by case and label."""
    numbers = held_out_exemplars(clf.model_)
    return {
        (clf.exemplars_.cases[i].tobytes(), label): scores
        for i, row in zip(numbers, clf.held_out_.log_scores, strict=True)
        for label, scores in zip(clf.classes_.tolist(), row, strict=True)
    }


@pytest.mark.parametrize("change", ["add", "update", "remove cases", "remove"])
def test_other_classes_keep_their_held_out_scores(many, change):
    fitted, X, y, X_test, y_test = many
    of = np.flatnonzero(y == "c")
    clf = fitted().remove_class("c") if change == "add" else fitted()
    before = held_out_scores(clf)
    if change == "add":
        clf.add_class([X[i] for i in of], "c")
    elif change == "update":
        clf.update_class([X_test[i] for i in np.flatnonzero(y_test == "c")[:3]], "c")
    elif change == "remove cases":
        clf.remove_cases("c", [1])
    else:
        clf.remove_class("c")
    after = held_out_scores(clf)
    own = {X[i].tobytes() for i in of}
    for key, score in before.items():
        if key[1] != "c" and key[0] not in own:
            assert after[key] == score
    n = {"add": 32, "update": 35, "remove cases": 31, "remove": 28}[change]
    assert clf.held_out_.log_scores.shape == (n, 7 if change == "remove" else 8)
    assert np.isfinite(clf.held_out_.log_scores).all()
    assert np.isfinite(clf.held_out_.nonconformity).all()


@pytest.mark.parametrize("again", [False, True])
def test_an_added_class_is_calibrated_like_one_fitted_together(many, again):
    fitted, X, y, X_test, y_test = many
    whole, own = fitted(), [X[i] for i in np.flatnonzero(y == "c")]
    if again:
        clf = fitted().remove_class("c").add_class(own, "c")
    else:
        rest = np.flatnonzero(y != "c")
        clf = EGEMClassifier(views=("linear", "features"), random_state=0)
        clf.fit([X[i] for i in rest], y[rest]).add_class(own, "c")
    assert clf.score(X_test, y_test) >= whole.score(X_test, y_test) - 0.05
    for members in (y_test == "c", y_test != "c"):
        cases = [X_test[i] for i in np.flatnonzero(members)]
        p, together = clf.p_value(cases), whole.p_value(cases)
        assert abs(np.mean(p <= 0.1) - np.mean(together <= 0.1)) <= 0.15
        assert abs(p.mean() - together.mean()) <= 0.15
    truth = np.searchsorted(clf.classes_, y_test)
    covered = clf.predict_set(X_test, 0.1)[np.arange(len(truth)), truth]
    assert covered.mean() >= 0.85


def test_the_calibration_on_fresh_cases_survives_the_removal_of_a_class(many):
    fitted, *_, X_test, y_test = many
    clf = fitted().calibrate(X_test, y_test)
    scores, truth = clf.held_out_.log_scores, clf.held_out_.truth
    clf.remove_class("a")
    assert np.array_equal(clf.held_out_.log_scores, scores[truth > 0, 1:])
    assert np.array_equal(clf.held_out_.truth, truth[truth > 0] - 1)
