"""The comparisons: a forward LSTM, and one generator for all classes."""

import numpy as np
import pytest
from sklearn.base import clone

from egem import few_shot_split, load_dataset
from egem.apps.paper.baselines.forward_lstm import ForwardLSTMClassifier
from egem.apps.paper.baselines.one_generator import OneGeneratorClassifier


@pytest.fixture(scope="module")
def digits():
    X, y = load_dataset("digits")
    mine = y < 3
    X, y = X[mine], y[mine]
    train, test = few_shot_split(y, k=8, seed=100)
    return X[train], y[train], X[test], y[test]


FORWARD = ForwardLSTMClassifier(n_cells=24, n_epochs=120, batch_size=8, learning_rate=0.005)
GENERATOR = OneGeneratorClassifier(n_cells=16, n_updates=800)


@pytest.mark.parametrize("model", [FORWARD, GENERATOR], ids=["forward", "generator"])
def test_learns_three_digits_and_repeats_itself(model, digits):
    X, y, X_test, y_test = digits
    first = clone(model).fit(X, y)
    assert first.score(X_test, y_test) > 0.8
    again = clone(model).fit(X, y)
    np.testing.assert_array_equal(first.predict(X_test), again.predict(X_test))


@pytest.mark.parametrize("model", [FORWARD, GENERATOR], ids=["forward", "generator"])
def test_labels_are_any_text_and_cases_do_not_see_each_other(model, digits):
    X, y, X_test, _ = digits
    names = np.array(["zero", "one", "two"])[y]
    fitted = clone(model).fit(X, names)
    assert fitted.classes_.tolist() == ["one", "two", "zero"]
    whole = fitted.predict(X_test)
    np.testing.assert_array_equal(fitted.predict(X_test[5:8]), whole[5:8])


def test_forward_lstm_keeps_the_weights_best_on_held_out_cases(digits):
    X, y, X_test, y_test = digits
    model = clone(FORWARD).set_params(patience=5).fit(X, y, X_test, y_test)
    assert model.best_epoch_ <= model.n_epochs_ <= model.best_epoch_ + 5
    last = clone(FORWARD).set_params(n_epochs=model.best_epoch_, patience=999).fit(X, y)
    assert last.best_epoch_ == model.best_epoch_
    np.testing.assert_allclose(last.predict_proba(X_test), model.predict_proba(X_test), atol=1e-5)


def test_forward_probabilities_sum_to_one(digits):
    X, y, X_test, _ = digits
    model = clone(FORWARD).set_params(n_epochs=2).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X_test).sum(axis=1), 1.0, rtol=1e-5)


def test_generator_codes_are_shares_of_classes_then_a_free_style(digits):
    X, y, X_test, _ = digits
    model = clone(GENERATOR).set_params(style_dim=2, n_updates=300).fit(X, y)
    codes = model.invert(X_test)
    assert codes.shape == (len(X_test), 5)
    np.testing.assert_allclose(codes[:, :3].sum(axis=1), 1.0, rtol=1e-5)
    assert codes[:, :3].min() >= 0
    assert codes[:, 3:].std() > 0.01
    assert model.imagine(codes[:2], 8).shape == (2, 8, 8)


def test_a_style_lowers_the_training_error(digits):
    X, y, *_ = digits
    plain, styled = (
        clone(GENERATOR).set_params(style_dim=s, n_updates=1500).fit(X, y).train_loss_
        for s in (0, 4)
    )
    assert styled < 0.6 * plain


def test_cases_of_several_lengths_are_refused(digits):
    X, y, *_ = digits
    cases = [*X[:-1], X[-1][:, :5]]
    with pytest.raises(ValueError, match="several lengths"):
        clone(FORWARD).fit(cases, y)
