"""The classifier as its users meet it: estimator checks, company, bad input, shapes and units."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from egem import EGEMClassifier
from egem.calibration.temperature import probabilities
from egem.ensemble.training import label_key
from helpers import QUICK, make_waves

CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@parametrize_with_checks([EGEMClassifier(n_cells=4, n_updates=60, metric="mse", random_state=0)])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([EGEMClassifier(random_state=0)])
def test_scikit_learns_checks_of_the_default(estimator, check):
    check(estimator)


# ---------------------------------------------------------------- company changes nothing


@settings(max_examples=6)
@given(st.lists(st.integers(0, 299), min_size=1, max_size=40))
def test_digits_are_judged_alike_in_any_batch_and_order(digit_model, digits, index):
    X = digits[2]
    if not hasattr(digit_model, "whole"):
        digit_model.whole = digit_model.losses(X)
    np.testing.assert_allclose(digit_model.losses(X[index]), digit_model.whole[index], **CLOSE)


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


@pytest.mark.parametrize("company", [("still", "up"), ("up",), ("down", "up")])
def test_other_classes_change_nothing_where_the_metric_is_given(wave_model, waves, company):
    X_train, y_train, X, _ = waves
    keep = np.flatnonzero(np.isin(y_train, company))
    other = clone(wave_model).set_params(
        metric=wave_model.metric_, scaling=wave_model.preparation_, augment=wave_model.kind_
    )
    other.fit([X_train[i] for i in keep], y_train[keep])
    columns = np.isin(wave_model.classes_, company)
    np.testing.assert_allclose(other.losses(X), wave_model.losses(X)[:, columns], **CLOSE)


def test_published_searches_do_not_depend_on_company_either(paper_model, digits):
    X_train, y_train, X, _ = digits
    whole = paper_model.losses(X[:20])
    np.testing.assert_allclose(paper_model.losses(X[7:8]), whole[7:8], **CLOSE)
    np.testing.assert_allclose(paper_model.losses(X[:20][::-1]), whole[::-1], **CLOSE)
    two = np.isin(y_train, [0, 2])
    other = clone(paper_model).set_params(metric=paper_model.metric_)
    other.fit(X_train[two], y_train[two])
    np.testing.assert_allclose(other.losses(X[:20]), whole[:, [0, 2]], **CLOSE)


def test_a_run_is_repeatable_bit_for_bit(wave_model, waves):
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


def test_experts_are_keyed_by_label_text_alone():
    assert label_key(3, "a") == label_key(3, np.str_("a")) != label_key(4, "a")
    assert label_key(3, 1) == label_key(3, np.int64(1)) != label_key(3, 2)


# ---------------------------------------------------------------- small and odd input

SMALL = {"n_cells": 4, "n_updates": 100, "random_state": 0}  # as in scikit-learn's checks
LOW, HIGH = [0.0, 1.0, 0.0, 1.0], [5.0, 4.0, 5.0, 4.5]


def ramps(n_a_class=3, seed=0):
    rng = np.random.default_rng(seed)
    X = np.repeat([LOW, HIGH], n_a_class, axis=0)
    return X + 0.1 * rng.normal(size=X.shape), np.repeat(["low", "high"], n_a_class)


@pytest.fixture(scope="module")
def ramp_model():
    return EGEMClassifier(**SMALL).fit(*ramps())


def with_value(value, case=1, point=2):
    X, _ = ramps()
    X[case, point] = value
    return X


def only_nan(case):
    X, _ = ramps()
    X[case] = np.nan
    return X


def test_whoever_hands_in_a_likely_sentinel_is_warned_where_they_do():
    X, y = with_value(-999.0), ramps()[1]
    with pytest.warns(UserWarning, match="far from all other values") as of_fit:
        model = EGEMClassifier(**SMALL).fit(X, y)
    with pytest.warns(UserWarning, match="far from all other values") as of_growth:
        model.add_class(X, "new")
    assert {warning.filename for warning in [*of_fit, *of_growth]} == {__file__}


@pytest.mark.parametrize(
    ("X", "says"),
    [
        (only_nan(4), "X: case 4 holds only NaN .*remove"),
        (with_value(np.inf), r"X: case 1 holds an infinite value .*time point 2.*NaN"),
        (with_value(-np.inf), r"X: case 1 holds an infinite value"),
        (with_value(1e30), r"X: case 1 holds 1e\+30 .*NaN.*rescale"),
        (with_value(1e308), r"X: case 1 holds 1e\+308 .*NaN.*rescale"),
        (with_value(-999e6), r"X: case 1 holds -9\.99e\+08 .*NaN"),
        (np.zeros((0, 1, 4)), "X holds no cases; give at least one"),
        ([], "X holds no cases; give at least one"),
        (np.zeros((6, 1, 0)), r"X has shape \(6, 1, 0\); give at least one channel and one time"),
        (np.zeros((6, 0, 4)), r"X has shape \(6, 0, 4\); give at least one channel"),
        (np.zeros((6, 1, 4, 1)), r"X has 4 dimensions; give \(n_cases, n_channels, n_timepoints\)"),
        (
            [np.zeros((2, 4))] * 5 + [np.zeros((1, 4))],
            r"X: the cases have \[1, 2\] channels; every",
        ),
        ([np.zeros(3)] * 5 + [np.zeros(0)], r"X: case 5 has shape \(0,\); give"),
        ([["a", "b"]] * 5 + [["c"]], "X: case 0 is not an array of real numbers"),
        ([np.zeros(3) + 1j] * 5 + [np.zeros(2)], "X: case 0 is not an array of real numbers"),
    ],
)
def test_unusable_cases_are_refused_at_fit(X, says):
    with pytest.raises(ValueError, match=says):
        EGEMClassifier(**SMALL).fit(X, ramps()[1])


@pytest.mark.parametrize(
    ("X", "says"),
    [
        (only_nan(4), "X: case 4 holds only NaN .*remove"),
        (with_value(np.inf), "X: case 1 holds an infinite value"),
        (with_value(1e30), r"X: case 1 holds 1e\+30.*same units as at fit, or NaN"),
        (with_value(1e308), r"X: case 1 holds 1e\+308.*same units as at fit, or NaN"),
        (np.zeros((0, 1, 4)), "X holds no cases; give at least one"),
        (np.zeros((6, 3, 4)), r"X has 3 channels, but this model was fitted with 1; give"),
        (np.zeros((6, 5)), "X has 5 features, but EGEMClassifier is expecting 4 features"),
        (
            [np.r_[np.nan, np.nan, np.nan, np.nan, 1.0]],
            "X: case 0 holds no value within the fitted 4",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:X. 1 of 1 cases are longer")
def test_unusable_cases_are_refused_at_predict(ramp_model, X, says):
    for method in (ramp_model.predict, ramp_model.losses, ramp_model.reconstruct):
        with pytest.raises(ValueError, match=says):
            method(X)


def test_a_single_case_of_several_channels_is_not_taken_for_many_of_one(wave_model, waves):
    case = waves[2][0]
    with pytest.raises(ValueError, match=r"shape \(2, \d+\), which reads as 2 cases.*X\[None\]"):
        wave_model.predict(np.asarray(case))
    assert len(wave_model.predict(np.asarray(case)[None])) == 1


@pytest.mark.parametrize(
    ("y", "says"),
    [
        (["low"] * 5, "X holds 6 cases but y holds 5 labels; give one per case"),
        (["low"] * 3 + [1] * 3, "y mixes text and number labels; make them all text or all"),
        (np.array(["low"] * 3 + [1] * 3, object), "y mixes text and number labels"),
        (np.linspace(0, 1, 6), "continuous"),
        (np.full(6, np.nan), "y holds NaN or infinite labels; name"),
        (None, "requires y to be passed"),
        ([[0, 1]] * 6, r"y should be a 1d array"),
    ],
)
def test_unusable_labels_are_refused(y, says):
    with pytest.raises(ValueError, match=says):
        EGEMClassifier(**SMALL).fit(ramps()[0], y)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("metric", "dtw"),
        ("augment", "images"),
        ("recipe", "paper"),
        ("inversion", "lm"),
        ("scaling", "minmax"),
        ("n_cells", 0),
        ("n_updates", 2.5),
        ("max_steps", 0),
        ("n_iterations", -1),
        ("n_jobs", 0),
        ("shrinkage", 0.0),
        ("learning_rate", 0.0),
        ("learning_rate", np.nan),
        ("prior_strength", -1.0),
        ("noise", (0.1,)),
        ("noise", (0.1, -0.1)),
    ],
)
def test_parameters_that_mean_nothing_are_named(parameter, value):
    X, y = ramps()
    with pytest.raises(ValueError, match=f"{parameter} must .*not {re.escape(repr(value))}"):
        EGEMClassifier(**SMALL).set_params(**{parameter: value}).fit(X, y)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "losses", "invert", "reconstruct"])
def test_an_unfitted_model_says_so(method):
    with pytest.raises(NotFittedError, match="fit"):
        getattr(EGEMClassifier(), method)(ramps()[0])


def test_an_unfitted_model_neither_samples_nor_saves(tmp_path):
    with pytest.raises(NotFittedError, match="fit"):
        EGEMClassifier().sample("low")
    with pytest.raises(NotFittedError, match="fit"):
        EGEMClassifier().save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_one_class_is_everything():
    X, y = ramps()
    model = EGEMClassifier(**SMALL).fit(X[:3], y[:3])
    assert model.predict(X).tolist() == ["low"] * 6
    assert (model.predict_proba(X) == 1).all() and model.predict_proba(X).shape == (6, 1)
    losses = model.losses(X)[:, 0]
    assert np.isfinite(losses).all() and losses[3:].min() > losses[:3].max()


def test_a_class_may_have_a_single_case():
    X, y = ramps()
    for keep in ([0, 1, 2, 3], [0, 3]):
        model = EGEMClassifier(**SMALL).fit(X[keep], y[keep])
        assert (model.predict(X) == y).all()
        assert np.isfinite(model.losses(X)).all()


def test_length_one_sequences_are_told_apart():
    X = np.array([[[0.0]], [[0.1]], [[0.2]], [[5.0]], [[5.1]], [[5.2]]])
    y = np.repeat([1, 2], 3)
    model = EGEMClassifier(**SMALL).fit(X, y)
    assert (model.predict(X) == y).all()
    assert model.reconstruct(X).shape == (6, 1, 1)
    np.testing.assert_allclose(model.reconstruct(X)[:, 0, 0], X[:, 0, 0], atol=1.0)


def test_constant_sequences_are_told_apart():
    X = np.repeat([[0.0] * 4, [7.0] * 4], 3, axis=0)
    y = np.repeat([1, 2], 3)
    model = EGEMClassifier(**SMALL).fit(X, y)
    assert (model.predict(X) == y).all() and np.isfinite(model.predict_proba(X)).all()


def test_all_values_equal_gives_no_answer_but_no_trouble_either():
    X = np.full((6, 4), 3.0)
    model = EGEMClassifier(**SMALL).fit(X, np.repeat([1, 2], 3))
    assert np.isfinite(model.losses(X)).all() and np.isfinite(model.predict_proba(X)).all()
    np.testing.assert_allclose(model.reconstruct(X), 3.0, atol=0.5)


@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_extreme_units_are_only_units(ramp_model, scale):
    X, y = ramps()
    model = EGEMClassifier(**SMALL).fit(X * scale, y)
    np.testing.assert_allclose(model.losses(X * scale), ramp_model.losses(X), rtol=1e-2, atol=1e-4)
    np.testing.assert_allclose(
        model.reconstruct(X * scale) / scale, ramp_model.reconstruct(X), atol=0.05
    )


def test_a_longer_case_is_compared_as_far_as_the_model_goes(ramp_model):
    X, _ = ramps()
    longer = np.concatenate([X, 100 + X], axis=1)[:, None]
    with pytest.warns(UserWarning, match=r"X: 6 of 6 cases are longer .*\(4 time points\)"):
        losses = ramp_model.losses(longer)
    np.testing.assert_allclose(losses, ramp_model.losses(X), **CLOSE)


# ---------------------------------------------------------------- forms of input


def test_every_form_of_the_same_cases_gives_the_same_losses(ramp_model):
    X, y = ramps()
    expected = ramp_model.losses(X)
    forms = [X[:, None], list(X[:, None]), X.tolist(), X.astype(object)]
    for form in forms:
        model = EGEMClassifier(**SMALL).fit(form, y)
        np.testing.assert_allclose(model.losses(form), expected, **CLOSE)
        np.testing.assert_allclose(model.losses(X), expected, **CLOSE)
        with pytest.raises(ValueError, match=r"X has 3 (time points|features)"):
            model.losses(X[:, :3])
        np.testing.assert_allclose(ramp_model.losses(form), expected, **CLOSE)
    frame = pd.DataFrame(X, columns=["t0", "t1", "t2", "t3"])
    model = EGEMClassifier(**SMALL).fit(frame, pd.Series(y))
    assert model.feature_names_in_.tolist() == ["t0", "t1", "t2", "t3"]
    np.testing.assert_allclose(model.losses(frame), expected, **CLOSE)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["t1", "t0", "t2", "t3"]])


def test_prefixes_come_as_lists_as_3d_or_with_nan(ramp_model):
    X, _ = ramps()
    padded = X.copy()
    padded[:, 2:] = np.nan
    expected = ramp_model.losses(padded)
    np.testing.assert_allclose(ramp_model.losses(list(X[:, None, :2])), expected, **CLOSE)
    np.testing.assert_allclose(ramp_model.losses(X[:, None, :2]), expected, **CLOSE)


@pytest.mark.parametrize(
    "labels", [["x", "y"], [7, 3], [True, False], np.array([2, 1], np.uint8), ["é", ""]]
)
def test_labels_come_back_as_they_were(labels):
    X, y = ramps()
    labels = np.asarray(labels)[(y == "high").astype(int)]
    model = EGEMClassifier(**SMALL).fit(X, labels)
    predicted = model.predict(X)
    assert (predicted == labels).all() and predicted.dtype == labels.dtype
    assert model.classes_.tolist() == sorted(set(labels.tolist()))


def test_gaps_are_left_out_of_the_loss(wave_model, waves):
    X = [x.copy() for x in waves[2]]
    for x in X:
        x[1, 3:6] = np.nan
    losses = wave_model.losses(X)
    assert np.isfinite(losses).all()
    assert (wave_model.predict(X) == waves[3]).mean() > 0.8
    filled = wave_model.reconstruct(X)
    truth = np.concatenate([x[1, 3:6] for x in waves[2]])
    guess = np.concatenate([f[1, 3:6] for f in filled])
    assert np.mean((guess - truth) ** 2) < 0.25 * np.var(truth)


def test_a_channel_may_be_missing_altogether(wave_model, waves):
    X = [np.stack([x[0], np.full(x.shape[1], np.nan)]) for x in waves[2]]
    assert (wave_model.predict(X) == waves[3]).mean() > 0.8
    X_train = [np.stack([x[0], np.full(x.shape[1], np.nan)]) for x in waves[0]]
    blind = clone(wave_model).fit(X_train, waves[1])
    assert (blind.predict(X) == waves[3]).mean() > 0.8


# ---------------------------------------------------------------- what it gives


def test_what_an_inversion_holds_fits_together(wave_model, waves):
    X, n = waves[2], len(waves[2])
    inversion = wave_model.invert(X)
    assert inversion.classes.tolist() == ["down", "still", "up"]
    assert inversion.losses.shape == inversion.priors.shape == inversion.n_steps.shape == (n, 3)
    assert inversion.codes.shape[:2] == (n, 3) and inversion.converged.dtype == bool
    assert (inversion.losses >= 0).all() and (inversion.priors >= 0).all()
    evidence = inversion.evidence
    joined = evidence.log_losses + evidence.share * np.log(inversion.losses + inversion.priors)
    np.testing.assert_allclose(inversion.scores, np.exp(joined), rtol=1e-5)
    assert inversion.n_steps.max() <= 20 and (inversion.n_steps[inversion.converged] >= 1).all()
    assert inversion.converged.mean() > 0.5
    whole = inversion.reconstructions
    assert whole.shape == (n, 3, 2, 24)
    np.testing.assert_allclose(inversion.reconstructions_of("up"), whole[:, 2], rtol=1e-5)
    np.testing.assert_allclose(wave_model.reconstruct(X, label="up"), whole[:, 2], rtol=1e-5)
    winners = inversion.scores.argmin(axis=1)
    np.testing.assert_allclose(wave_model.reconstruct(X), whole[np.arange(n), winners], rtol=1e-5)


def test_a_loss_is_the_mean_square_of_what_the_reconstruction_misses(digits, digit_model):
    """By hand: with mse as the metric, in standardised units."""
    X_train, y_train, X, _ = digits
    model = clone(digit_model).set_params(metric="mse").fit(X_train, y_train)
    inversion = model.invert(X[:20])
    scale = X_train.std()
    missed = (inversion.reconstructions - X[:20, None]) / scale
    np.testing.assert_allclose(inversion.losses, np.mean(missed**2, axis=(2, 3)), rtol=1e-3)


def test_reconstructions_are_in_the_units_of_x(wave_model, waves):
    X = waves[2]
    imagined = wave_model.reconstruct(X)
    assert imagined.shape == (len(X), 2, 24)
    for channel in (0, 1):
        truth = np.concatenate([x[channel] for x in X])
        guess = np.concatenate([g[channel, : x.shape[1]] for g, x in zip(imagined, X, strict=True)])
        assert np.mean((guess - truth) ** 2) < 0.25 * np.var(truth)


def test_a_prefix_is_completed(wave_model, waves):
    X = waves[2]
    prefixes = [x[:, : x.shape[1] // 2] for x in X]
    imagined = wave_model.reconstruct(prefixes)
    assert imagined.shape == (len(X), 2, 24)
    seen = np.concatenate([p[1] for p in prefixes])
    guess = np.concatenate([g[1, : p.shape[1]] for g, p in zip(imagined, prefixes, strict=True)])
    assert np.mean((guess - seen) ** 2) < 0.25 * np.var(seen)


def test_probabilities_are_probabilities(wave_model, waves):
    X, y = waves[2:]
    p = wave_model.predict_proba(X)
    assert p.shape == (len(X), 3) and (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
    scores = wave_model.invert(X).scores
    np.testing.assert_allclose(p, probabilities(scores, wave_model.sharpness_), atol=1e-3)
    np.testing.assert_array_equal(p.argmax(axis=1), scores.argmin(axis=1))
    assert p[np.arange(len(X)), np.searchsorted(wave_model.classes_, y)].mean() > 0.6
    assert wave_model.score(X, y) == (wave_model.predict(X) == y).mean() > 0.8


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
def test_an_unknown_label_is_told_the_known_ones(wave_model, waves, label):
    for ask in (lambda: wave_model.sample(label), lambda: wave_model.reconstruct(waves[2], label)):
        with pytest.raises(
            ValueError, match=r"is not a class of this model.*'down', 'still', 'up'"
        ):
            ask()


def test_predict_finds_the_winner_of_the_whole_search(digits, digit_model):
    X = digits[2]
    winners = digit_model.classes_[digit_model.invert(X).scores.argmin(axis=1)]
    assert (digit_model.predict(X) == winners).mean() >= 0.99


def test_few_digits_are_learned_as_well_as_their_neighbours_tell(digits):
    X_train, y_train, X, y = digits
    model = EGEMClassifier(n_updates=300, random_state=0).fit(X_train, y_train)
    neighbour = KNeighborsClassifier(1).fit(X_train.reshape(len(X_train), -1), y_train)
    assert model.kind_ == "image"
    assert model.score(X, y) > neighbour.score(X.reshape(len(X), -1), y) - 0.02


def test_classes_of_different_sizes_are_learned_together(wave_model):
    X, y = make_waves(10, seed=2)
    keep = np.flatnonzero((y != "still") | (np.arange(len(y)) % 5 == 0))
    given = {"metric": wave_model.metric_, "scaling": wave_model.preparation_}
    model = clone(wave_model).set_params(**given).fit([X[i] for i in keep], y[keep])
    sizes = [len(t.codes) for t in model.ensemble_.trained]
    assert sizes == [10, 2, 10]
    codes = model.invert(X[:3]).codes
    for e, trained in enumerate(model.ensemble_.trained):  # shorter codes have NaN at the end
        size = trained.codes.shape[1]
        assert np.isfinite(codes[:, e, :size]).all() and np.isnan(codes[:, e, size:]).all()
    test, truth = make_waves(5, seed=3)
    assert model.score(test, truth) > 0.8


def test_progress_goes_to_stderr_and_only_if_asked(wave_model, waves, capsys):
    model = clone(wave_model).fit(*waves[:2])
    assert capsys.readouterr() == ("", "")
    model.set_params(verbose=True).fit(*waves[:2]).predict(waves[2])
    out, err = capsys.readouterr()
    assert out == "" and "training 3 experts" in err and f"inverting {len(waves[2])} cases" in err


# ---------------------------------------------------------------- the paper's setting


@pytest.mark.parametrize(
    ("name", "cells", "updates"), [("characters", 10, 40_000), ("mnist", 20, 20_000)]
)
def test_the_papers_setting_is_a_set_of_parameters(name, cells, updates):
    model = EGEMClassifier.paper(name, noise=(0.1, 0.2), random_state=7)
    expected = {
        "recipe": "published",
        "noise": (0.1, 0.2),
        "n_cells": cells,
        "n_updates": updates,
        "learning_rate": 0.01,
        "metric": "mse",
        "augment": "none",
        "scaling": "none",
        "inversion": "adam",
        "prior_strength": 0.0,
        "random_state": 7,
    }
    assert expected.items() <= model.get_params().items()
    assert model.max_steps >= 205  # nothing is resampled
    with pytest.raises(ValueError, match=r"dataset must be one of \['characters', 'mnist'\]"):
        EGEMClassifier.paper("digits")


def test_the_papers_search_takes_fifty_steps_and_betters_its_start(paper_model, digits):
    _, _, X, y = digits
    three = y < 3
    X, y = X[three], y[three]
    inversion = paper_model.invert(X)
    assert (inversion.n_steps == 50).all() and (inversion.priors == 0).all()
    codes = inversion.codes
    assert codes.shape[2] == 4 and (codes >= 0).all()
    np.testing.assert_allclose(codes.sum(axis=2), 1, atol=1e-5)
    assert paper_model.preparation_.n_steps == 8 and (paper_model.preparation_.scale == 1).all()
    start = clone(paper_model).set_params(n_iterations=0, metric=paper_model.metric_)
    start.fit(digits[0][digits[1] < 3], digits[1][digits[1] < 3])
    true = np.arange(len(X)), y
    assert inversion.losses[true].mean() < start.losses(X)[true].mean()


def test_what_is_done_at_another_pace_is_recognised_when_stretched():
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
