"""Classes that come and go: only the class concerned changes."""

from copy import copy

import numpy as np
import pytest

from egem import EGEMClassifier, LSTMDecoder
from egem.fit import held_out_exemplars
from helpers import QUICK, make_waves


@pytest.fixture(scope="module")
def three(digits):
    """Return a function that makes copies of a model of digits 0 to 2."""
    X, y, *_ = digits
    few = y < 3
    fitted = EGEMClassifier(**QUICK).fit(X[few], y[few])
    return lambda: copy(fitted)


def experts(clf):
    return {
        label: np.concatenate([np.ravel(a) for a in expert.params] + [expert.codes.ravel()])
        for label, expert in zip(clf.classes_.tolist(), clf.model_.experts, strict=True)
    }


def test_a_class_is_added_and_the_other_experts_stay_bit_for_bit(three, digits):
    X, y, X_test, y_test = digits
    clf = three()
    before, losses = experts(clf), clf.losses(X_test[:30])
    clf.add_class(X[y == 7], 7)
    assert clf.classes_.tolist() == [0, 1, 2, 7]
    after = experts(clf)
    for label, weights in before.items():
        np.testing.assert_array_equal(after[label], weights)
    np.testing.assert_allclose(clf.losses(X_test[:30])[:, :3], losses, rtol=1e-5)
    some = np.isin(y_test, [0, 1, 2, 7])
    assert clf.score(X_test[some], y_test[some]) > 0.8
    assert clf.held_out_.log_scores.shape == (16, 4)


def test_a_class_is_added_in_sorted_order(digits):
    X, y, X_test, y_test = digits
    some = np.isin(y, [0, 2])
    clf = EGEMClassifier(**QUICK).fit(X[some], y[some]).add_class(X[y == 1], 1)
    assert clf.classes_.tolist() == [0, 1, 2]
    known = np.isin(y_test, [0, 1, 2])
    assert clf.score(X_test[known], y_test[known]) > 0.8
    for c in range(3):
        np.testing.assert_array_equal(np.stack(clf.exemplars_.of_class(c)), X[y == c])


def test_a_class_removed_and_added_again_gives_the_same_results(three, digits):
    X, y, X_test, _ = digits
    clf = three()
    losses, probabilities = clf.losses(X_test[:20]), clf.predict_proba(X_test[:20])
    p = clf.p_value(X_test[:20])
    clf.remove_class(1)
    assert clf.classes_.tolist() == [0, 2]
    assert set(clf.predict(X_test)) <= {0, 2}
    clf.add_class(X[y == 1], 1)
    np.testing.assert_array_equal(clf.losses(X_test[:20]), losses)
    np.testing.assert_array_equal(clf.predict_proba(X_test[:20]), probabilities)
    np.testing.assert_allclose(clf.p_value(X_test[:20]), p, rtol=1e-6)


def test_renaming_a_class_changes_only_its_name_and_place(waves):
    X, y, X_test, _ = waves
    clf = EGEMClassifier(**QUICK).fit(X, y)
    losses, sets = clf.losses(X_test), clf.predict_set(X_test, 0.2)
    clf.rename_class("down", "zigzag")
    assert clf.classes_.tolist() == ["still", "up", "zigzag"]
    np.testing.assert_array_equal(clf.losses(X_test), losses[:, [1, 2, 0]])
    np.testing.assert_array_equal(clf.predict_set(X_test, 0.2), sets[:, [1, 2, 0]])
    np.testing.assert_array_equal(clf.exemplars_.of_class(2)[0], X[0])
    clf.rename_class("zigzag", "down")
    np.testing.assert_array_equal(clf.losses(X_test), losses)


def test_further_cases_change_one_expert_only(three, digits):
    _, _, X_test, y_test = digits
    clf = three()
    before = experts(clf)
    more = X_test[y_test == 1][:6]
    clf.update_class(more, 1)
    after = experts(clf)
    np.testing.assert_array_equal(after[0], before[0])
    assert len(clf.exemplars_.of_class(1)) == len(clf.model_.experts[1].codes) == 10
    assert after[1].shape != before[1].shape or (after[1] != before[1]).any()


def test_without_a_case_an_expert_is_as_if_never_trained_on_it(three, digits):
    X, y, *_ = digits
    clf = three()
    before = experts(clf)
    clf.remove_cases(1, [2])
    cases = X[y == 1]
    np.testing.assert_array_equal(clf.exemplars_.of_class(1), cases[[0, 1, 3]])
    assert len(clf.model_.experts[1].codes) == 3
    for e in (0, 2):
        np.testing.assert_array_equal(experts(clf)[e], before[e])
    anew = three().remove_class(1).add_class(cases[[0, 1, 3]], 1)
    np.testing.assert_array_equal(experts(clf)[1], experts(anew)[1])


def test_a_class_whose_cases_were_not_all_kept_cannot_be_updated(digits):
    X, y, *_ = digits
    few = y < 2
    clf = EGEMClassifier(**QUICK, keep_cases=2).fit(X[few], y[few])
    with pytest.raises(ValueError, match="keeps 2 of the 4 cases"):
        clf.update_class(X[y == 1], 1)


def test_merged_experts_decode_the_same_sequences(digits):
    X, y, X_test, y_test = digits
    left, right = (
        EGEMClassifier(**QUICK).fit(X[np.isin(y, of)], y[np.isin(y, of)]) for of in ([0, 1], [5, 7])
    )
    decoded = right.sample(5, 3, random_state=0)
    losses = left.losses(X_test[:20])
    left.merge(right)
    assert left.classes_.tolist() == [0, 1, 5, 7]
    np.testing.assert_allclose(left.sample(5, 3, random_state=0), decoded, atol=1e-5)
    np.testing.assert_allclose(left.losses(X_test[:20])[:, :2], losses, rtol=1e-5)
    known = np.isin(y_test, left.classes_)
    assert left.score(X_test[known], y_test[known]) > 0.8


def test_exemplars_of_merged_classes_belong_to_their_codes(digits):
    X, y, *_ = digits
    fits = [EGEMClassifier(**QUICK, keep_cases=2) for _ in range(2)]
    left, right = (
        clf.fit(X[np.isin(y, of)], y[np.isin(y, of)])
        for clf, of in zip(fits, ([0, 1], [5, 7]), strict=True)
    )
    left.merge(right)
    found, its = left.exemplars_, right.exemplars_
    assert found.rows[found.classes == 2].tolist() == its.rows[its.classes == 0].tolist()
    assert max(found.rows[found.classes == 3]) > 1
    with pytest.raises(ValueError, match="keeps 2 of the 4 cases"):
        left.update_class(X[y == 5], 5)


@pytest.mark.parametrize("decoder", [LSTMDecoder(8), LSTMDecoder(6)])
def test_models_of_other_lengths_or_decoders_are_merged_by_training_anew(decoder):
    X, y = make_waves(4, seed=5)
    left = EGEMClassifier(**QUICK, align="start").fit(X[:8], y[:8])
    long = [np.concatenate([x, x], axis=1)[:, :11] for x in X[8:]]
    right = EGEMClassifier(**QUICK | {"decoder": decoder}, align="start").fit(long, y[8:])
    left.merge(right)
    assert left.classes_.tolist() == ["down", "still", "up"]
    assert left.sample("up", 1, random_state=0).shape[2] == left.preparation_.n_timepoints


def test_a_refitted_metric_is_that_of_a_fit_with_all_classes(three, digits):
    X, y, *_ = digits
    some = y < 4
    clf = three().add_class(X[y == 3], 3)
    frozen = clf.metric_
    clf.refit_metric()
    assert clf.metric_ is not frozen
    assert clf.classes_.tolist() == [0, 1, 2, 3]
    whole = EGEMClassifier(**QUICK, scaling=clf.preparation_).fit(X[some], y[some])
    np.testing.assert_allclose(clf.metric_.basis, whole.metric_.basis, atol=1e-5)


@pytest.mark.parametrize("more", [False, True])
def test_adding_a_class_and_refitting_in_one_step_equals_two_steps(three, digits, more):
    X, y, *_ = digits
    new = (X[y == 3][:2], 3)
    clf, other = three().add_class(*new), three().add_class(*new)
    if more:
        new = (X[y == 3][2:], 3)
        clf.update_class(*new).refit_metric()
        other.update_class(*new, refit_metric=True)
    else:
        clf.refit_metric()
        other = three().add_class(*new, refit_metric=True)
    assert np.array_equal(clf.losses(X), other.losses(X))
    assert clf.inverse_temperature_ == other.inverse_temperature_
    assert np.array_equal(clf.held_out_.log_scores, other.held_out_.log_scores)


def test_held_out_scores_belong_to_the_numbered_exemplars(three):
    clf = three()
    numbers = held_out_exemplars(clf.model_)
    assert sorted(numbers) == list(range(len(clf.exemplars_.cases)))
    assert np.array_equal(clf.exemplars_.classes[numbers], clf.held_out_.truth)
    # A case unlike all others of its class has the highest nonconformity.
    odd = np.random.default_rng(0).random(clf.exemplars_.cases[0].shape)
    clf.update_class(odd[None], clf.classes_[0])
    oddest = held_out_exemplars(clf.model_)[clf.held_out_.nonconformity.argmax()]
    assert np.array_equal(clf.exemplars_.cases[oddest], odd)


def test_other_held_out_cases_have_no_numbers(three, digits):
    X, y = digits[2:]
    some = np.flatnonzero(y < 3)[:20]
    assert held_out_exemplars(three().calibrate(X[some], y[some]).model_) is None
    few = EGEMClassifier(**QUICK, keep_cases=2).fit(*(a[y < 3][:30] for a in (X, y)))
    assert held_out_exemplars(few.model_) is None


def test_wrong_classes_are_refused_and_change_nothing(three, digits):
    X, y, X_test, _ = digits
    clf = three()
    losses = clf.losses(X_test[:5])
    for call, message in [
        (lambda: clf.add_class(X[y == 1], 1), "is a class of this model already"),
        (lambda: clf.add_class(X[y == 1], "one"), "not text|is text|unlike"),
        (lambda: clf.add_class(np.full((2, 3, 8), 1.0), 9), "channels"),
        (lambda: clf.add_class(np.zeros((2, 8, 30)), 9), "30 time points"),
        (lambda: clf.update_class(X[:2], 8), "is not a class"),
        (lambda: clf.remove_class(8), "is not a class"),
        (lambda: clf.remove_cases(1, [4]), "0 to 3"),
        (lambda: clf.remove_cases(1, [0.5]), "0 to 3"),
        (lambda: clf.remove_cases(1, range(4)), "call remove_class"),
        (lambda: clf.rename_class(0, 1), "already"),
        (lambda: clf.merge(three()), "is in both models"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
    np.testing.assert_array_equal(clf.losses(X_test[:5]), losses)
    alone = three().remove_class(0).remove_class(1)
    with pytest.raises(ValueError, match="only class"):
        alone.remove_class(2)


def test_a_model_is_immutable_and_operations_make_new_ones(three, digits):
    X, y, *_ = digits
    clf = three()
    model = clf.model_
    with pytest.raises(AttributeError):
        model.experts = ()
    clf.add_class(X[y == 3], 3).rename_class(3, 8).remove_class(0)
    assert model.classes.tolist() == [0, 1, 2] and clf.classes_.tolist() == [1, 2, 8]
    assert clf.model_ is not model
