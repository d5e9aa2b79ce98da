"""The estimator: scikit-learn's checks, independence of cases from each other, and its results."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from egem import EGEMClassifier, LSTMDecoder, Search, Training
from egem.core.classify import probabilities
from helpers import QUICK, make_waves

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
ALONE = {"views": ("recurrent",), "metric": "mse", "random_state": 0}
SMALLEST = {"decoder": LSTMDecoder(4), "training": Training(n_updates=60)}


@parametrize_with_checks([EGEMClassifier(views=("linear",), random_state=0)])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([EGEMClassifier(**ALONE, **SMALLEST), EGEMClassifier(random_state=0)])
def test_scikit_learns_checks_of_other_views(estimator, check):
    check(estimator)


# ---------------------------------------------------------------- independence


@pytest.fixture(scope="module")
def digit_losses(digit_model, digits):
    return digit_model.losses(digits[2])


@settings(max_examples=6)
@given(st.lists(st.integers(0, 299), min_size=1, max_size=40))
def test_losses_do_not_depend_on_the_other_cases(digit_model, digits, digit_losses, index):
    np.testing.assert_allclose(digit_model.losses(digits[2][index]), digit_losses[index], **CLOSE)


@pytest.mark.parametrize("length", [24, 30])
def test_padding_with_nan_changes_nothing(wave_model, waves, length):
    X = waves[2]
    padded = np.full((len(X), 2, length), np.nan)
    for row, x in zip(padded, X, strict=True):
        row[:, : x.shape[1]] = x
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # NaN beyond the fitted length is no sequence too long
        np.testing.assert_allclose(wave_model.losses(padded), wave_model.losses(X), **CLOSE)


def test_the_number_of_threads_changes_nothing(wave_model, waves):
    X_train, y_train, X, _ = waves
    for n_jobs in (1, 2, -1):
        other = clone(wave_model).set_params(n_jobs=n_jobs).fit(X_train, y_train)
        np.testing.assert_allclose(other.losses(X), wave_model.losses(X), **CLOSE)


def test_the_order_of_training_cases_and_classes_changes_nothing(wave_model, waves):
    X_train, y_train, X, _ = waves
    order = np.random.default_rng(0).permutation(len(y_train))
    other = clone(wave_model).fit([X_train[i] for i in order], y_train[order])
    np.testing.assert_array_equal(other.losses(X), wave_model.losses(X))


def test_other_classes_change_nothing_where_scaling_and_metric_are_given(wave_model, waves):
    X_train, y_train, X, _ = waves
    given = {"augment": "pen", "scaling": wave_model.preparation_}
    model = EGEMClassifier(**QUICK | ALONE, **given, search=Search(prior_weight=0.0))
    losses = model.fit(X_train, y_train).losses(X)
    for names in (("still", "up"), ("up",), ("down", "up")):
        keep = np.flatnonzero(np.isin(y_train, names))
        other = clone(model).fit([X_train[i] for i in keep], y_train[keep])
        columns = np.isin(model.classes_, names)
        np.testing.assert_allclose(other.losses(X), losses[:, columns], **CLOSE)


def test_published_searches_do_not_depend_on_other_cases_and_classes(paper_model, digits):
    X_train, y_train, X, _ = digits
    whole = paper_model.losses(X[:20])
    np.testing.assert_allclose(paper_model.losses(X[7:8]), whole[7:8], **CLOSE)
    np.testing.assert_allclose(paper_model.losses(X[:20][::-1]), whole[::-1], **CLOSE)
    two = np.isin(y_train, [0, 2])
    other = clone(paper_model).fit(X_train[two], y_train[two])
    np.testing.assert_allclose(other.losses(X[:20]), whole[:, [0, 2]], **CLOSE)


def test_a_fit_is_repeatable_bit_for_bit(wave_model, waves):
    X_train, y_train, X, _ = waves
    before = wave_model.invert(X)
    again = clone(wave_model).fit(X_train, y_train)
    after = again.invert(X)
    for name in ("losses", "priors", "codes"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    np.testing.assert_array_equal(again.predict_proba(X), wave_model.predict_proba(X))
    by_state = [
        clone(wave_model).set_params(random_state=np.random.RandomState(3)).fit(X_train, y_train)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*(model.losses(X) for model in by_state))
    assert not (by_state[0].losses(X) == before.losses).all()


# ---------------------------------------------------------------- results


def test_an_inversion_holds_the_losses_codes_and_scores_of_all_experts(wave_model, waves):
    X, n = waves[2], len(waves[2])
    inversion = wave_model.invert(X)
    assert inversion.classes.tolist() == ["down", "still", "up"]
    assert inversion.losses.shape == inversion.priors.shape == inversion.n_steps.shape == (n, 3)
    assert inversion.codes.shape[:2] == (n, 3) and inversion.converged.dtype == bool
    assert (inversion.losses >= 0).all() and (inversion.priors >= 0).all()
    views = inversion.views
    own = views.recurrent_weight * np.log(inversion.losses + inversion.priors)
    np.testing.assert_allclose(inversion.scores, np.exp(views.log_losses + own), rtol=1e-5)
    assert inversion.n_steps.max() <= 20 and (inversion.n_steps[inversion.converged] >= 1).all()
    assert inversion.converged.mean() > 0.5
    whole = inversion.reconstructions
    assert whole.shape == (n, 3, 2, 24)
    np.testing.assert_allclose(inversion.reconstructions_of("up"), whole[:, 2], rtol=1e-5)
    np.testing.assert_allclose(wave_model.reconstruct(X, label="up"), whole[:, 2], rtol=1e-5)
    winners = inversion.scores.argmin(axis=1)
    np.testing.assert_allclose(wave_model.reconstruct(X), whole[np.arange(n), winners], rtol=1e-5)


def test_an_inversion_gives_the_results_of_the_estimators_methods(wave_model, waves):
    X = waves[2]
    inversion = wave_model.invert(X)
    np.testing.assert_array_equal(inversion.labels(), wave_model.predict(X))
    np.testing.assert_allclose(inversion.probabilities(), wave_model.predict_proba(X), atol=1e-3)
    np.testing.assert_array_equal(inversion.prediction_set(0.2), wave_model.predict_set(X, 0.2))
    np.testing.assert_array_equal(inversion.p_value(), wave_model.p_value(X))
    np.testing.assert_array_equal(inversion.losses, wave_model.losses(X))


def test_a_loss_in_mse_is_the_mean_squared_error_of_the_reconstruction(digits, digit_model):
    X_train, y_train, X, _ = digits
    model = clone(digit_model).set_params(**ALONE).fit(X_train, y_train)
    inversion = model.invert(X[:20])
    residuals = (inversion.reconstructions - X[:20, None]) / X_train.std()
    np.testing.assert_allclose(inversion.losses, np.mean(residuals**2, axis=(2, 3)), rtol=1e-3)


def test_reconstructions_are_in_the_units_of_x(wave_model, waves):
    X = waves[2]
    decoded = wave_model.reconstruct(X)
    assert decoded.shape == (len(X), 2, 24)
    for channel in (0, 1):
        truth = np.concatenate([x[channel] for x in X])
        guess = np.concatenate([g[channel, : x.shape[1]] for g, x in zip(decoded, X, strict=True)])
        assert np.mean((guess - truth) ** 2) < 0.25 * np.var(truth)


def test_a_prefix_is_reconstructed_to_full_length(wave_model, waves):
    X = waves[2]
    prefixes = [x[:, : x.shape[1] // 2] for x in X]
    decoded = wave_model.reconstruct(prefixes)
    assert decoded.shape == (len(X), 2, 24)
    seen = np.concatenate([p[1] for p in prefixes])
    guess = np.concatenate([g[1, : p.shape[1]] for g, p in zip(decoded, prefixes, strict=True)])
    assert np.mean((guess - seen) ** 2) < 0.25 * np.var(seen)


def test_probabilities_follow_from_scores_and_inverse_temperature(wave_model, waves):
    X, y = waves[2:]
    p = wave_model.predict_proba(X)
    assert p.shape == (len(X), 3) and (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
    scores = wave_model.invert(X).scores
    expected = probabilities(scores, wave_model.inverse_temperature_)
    np.testing.assert_allclose(p, expected, atol=1e-3)
    assert p[np.arange(len(X)), np.searchsorted(wave_model.classes_, y)].mean() > 0.6
    assert wave_model.score(X, y) == (wave_model.predict(X) == y).mean() > 0.8


@pytest.mark.parametrize("name", ["digit_model", "wave_model", "paper_model"])
def test_predict_is_the_argmax_of_predict_proba(name, request):
    model = request.getfixturevalue(name)
    X = request.getfixturevalue("waves" if name == "wave_model" else "digits")[2]
    labels = model.classes_[model.predict_proba(X).argmax(axis=1)]
    np.testing.assert_array_equal(model.predict(X), labels)
    decisions = model.verdicts(X)
    np.testing.assert_array_equal(model.classes_[decisions.winners], labels)
    np.testing.assert_array_equal(decisions.probabilities, model.predict_proba(X).max(axis=1))


def test_predict_finds_the_winner_of_a_search_of_all_experts(digits, digit_model):
    X = digits[2]
    assert (digit_model.predict(X) == digit_model.invert(X).labels()).mean() >= 0.99


def test_samples_are_members_of_their_class(wave_model):
    drawn = wave_model.sample("down", n=20, random_state=0)
    assert drawn.shape == (20, 2, 24) and np.isfinite(drawn).all()
    assert (wave_model.predict(drawn) == "down").mean() > 0.8
    assert len(np.unique(drawn.round(6), axis=0)) == 20
    np.testing.assert_array_equal(drawn, wave_model.sample("down", n=20, random_state=0))
    assert not (drawn == wave_model.sample("down", n=20, random_state=1)).all()
    with pytest.raises(ValueError, match="n must be at least 1"):
        wave_model.sample("down", n=0)


@pytest.mark.parametrize("label", ["sideways", 3])
def test_an_unknown_label_is_refused_with_the_known_ones(wave_model, waves, label):
    for call in (lambda: wave_model.sample(label), lambda: wave_model.reconstruct(waves[2], label)):
        with pytest.raises(
            ValueError, match=r"is not a class of this model.*'down', 'still', 'up'"
        ):
            call()


def test_few_digits_are_classified_as_well_as_by_their_nearest_neighbour(digits):
    X_train, y_train, X, y = digits
    model = EGEMClassifier(training=Training(n_updates=300), random_state=0).fit(X_train, y_train)
    neighbour = KNeighborsClassifier(1).fit(X_train.reshape(len(X_train), -1), y_train)
    assert model.augmentation_ == "image"
    assert model.score(X, y) > neighbour.score(X.reshape(len(X), -1), y) - 0.02


def test_classes_of_different_sizes_have_codes_of_different_sizes(wave_model):
    X, y = make_waves(10, seed=2)
    keep = np.flatnonzero((y != "still") | (np.arange(len(y)) % 5 == 0))
    model = clone(wave_model).set_params(scaling=wave_model.preparation_)
    model.fit([X[i] for i in keep], y[keep])
    experts = model.model_.experts
    assert [len(expert.codes) for expert in experts] == [10, 2, 10]
    codes = model.invert(X[:3]).codes
    for e, expert in enumerate(experts):  # shorter codes have NaN at the end
        size = expert.codes.shape[1]
        assert np.isfinite(codes[:, e, :size]).all() and np.isnan(codes[:, e, size:]).all()
    test, truth = make_waves(5, seed=3)
    assert model.score(test, truth) > 0.8


def test_progress_goes_to_stderr_and_only_if_asked(wave_model, waves, capsys):
    model = clone(wave_model).fit(*waves[:2])
    assert capsys.readouterr() == ("", "")
    model.set_params(verbose=True).fit(*waves[:2]).predict(waves[2])
    out, err = capsys.readouterr()
    assert out == "" and "fitting" in err and f"inverting {len(waves[2])} cases" in err


def test_gestures_at_another_pace_are_stretched():
    def gestures(seed):
        rng = np.random.default_rng(seed)
        X, y = [], np.arange(12) % 2
        for label in y:
            t = np.linspace(0, 1, rng.integers(20, 80) if len(X) > 1 else 80)
            X.append(np.sin((7, 10)[label] * t + 0.2 * rng.normal())[None])
        return X, y

    X, y = gestures(0)
    X_test, y_test = gestures(1)
    fits = {a: EGEMClassifier(**QUICK, align=a).fit(X, y) for a in ("auto", "start", "stretch")}
    assert fits["auto"].preparation_.stretch and not fits["start"].preparation_.stretch
    assert fits["auto"].score(X_test, y_test) >= max(0.9, fits["start"].score(X_test, y_test))
    n = fits["auto"].preparation_.n_timepoints
    assert fits["auto"].reconstruct(X_test).shape == (12, 1, n)
    np.testing.assert_array_equal(fits["auto"].predict(X_test), fits["stretch"].predict(X_test))


# ---------------------------------------------------------------- the published setting


def test_the_published_search_takes_fifty_steps_and_lowers_the_loss(paper_model, digits):
    X_train, y_train, X, y = digits
    three = y < 3
    X, y = X[three], y[three]
    inversion = paper_model.invert(X)
    assert (inversion.n_steps == 50).all() and (inversion.priors == 0).all()
    codes = inversion.codes
    assert codes.shape[2] == 4 and (codes >= 0).all()
    np.testing.assert_allclose(codes.sum(axis=2), 1, atol=1e-5)
    assert paper_model.preparation_.n_steps == 8 and (paper_model.preparation_.scale == 1).all()
    start = clone(paper_model).set_params(search__max_steps=0)
    start.fit(X_train[y_train < 3], y_train[y_train < 3])
    true = np.arange(len(X)), y
    assert inversion.losses[true].mean() < start.losses(X)[true].mean()
