"""What may be handed in as X and y, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from egem import EGEMClassifier, LSTMDecoder, Training

CLOSE = {"rtol": 1e-5, "atol": 1e-5}

SMALL = {"decoder": LSTMDecoder(4), "training": Training(n_updates=100), "random_state": 0}
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


def test_a_likely_sentinel_is_warned_of_at_the_line_of_the_caller():
    X, y = with_value(-999.0), ramps()[1]
    with pytest.warns(UserWarning, match="far from all other values") as of_fit:
        model = EGEMClassifier(views=("linear",)).fit(X, y)
    with pytest.warns(UserWarning, match="far from all other values") as of_add_class:
        model.add_class(X, "new")
    assert {warning.filename for warning in [*of_fit, *of_add_class]} == {__file__}


@pytest.mark.parametrize(
    ("X", "message"),
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
def test_unusable_cases_are_refused_at_fit(X, message):
    with pytest.raises(ValueError, match=message):
        EGEMClassifier(**SMALL).fit(X, ramps()[1])


@pytest.mark.parametrize(
    ("X", "message"),
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
def test_unusable_cases_are_refused_at_predict(ramp_model, X, message):
    for method in (ramp_model.predict, ramp_model.losses, ramp_model.reconstruct):
        with pytest.raises(ValueError, match=message):
            method(X)


def test_a_single_case_of_several_channels_is_not_read_as_many_of_one(wave_model, waves):
    case = waves[2][0]
    with pytest.raises(ValueError, match=r"shape \(2, \d+\), which reads as 2 cases.*X\[None\]"):
        wave_model.predict(np.asarray(case))
    assert len(wave_model.predict(np.asarray(case)[None])) == 1


@pytest.mark.parametrize(
    ("y", "message"),
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
def test_unusable_labels_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        EGEMClassifier(**SMALL).fit(ramps()[0], y)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "losses", "invert", "reconstruct"])
def test_an_unfitted_model_is_refused(method):
    with pytest.raises(NotFittedError, match="fit"):
        getattr(EGEMClassifier(), method)(ramps()[0])


def test_an_unfitted_model_neither_samples_nor_saves(tmp_path):
    with pytest.raises(NotFittedError, match="fit"):
        EGEMClassifier().sample("low")
    with pytest.raises(NotFittedError, match="fit"):
        EGEMClassifier().save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_a_single_class_has_all_probability():
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


def test_sequences_of_length_one_are_classified():
    X = np.array([[[0.0]], [[0.1]], [[0.2]], [[5.0]], [[5.1]], [[5.2]]])
    y = np.repeat([1, 2], 3)
    model = EGEMClassifier(**SMALL).fit(X, y)
    assert (model.predict(X) == y).all()
    assert model.reconstruct(X).shape == (6, 1, 1)
    np.testing.assert_allclose(model.reconstruct(X)[:, 0, 0], X[:, 0, 0], atol=1.0)


def test_constant_sequences_are_classified():
    X = np.repeat([[0.0] * 4, [7.0] * 4], 3, axis=0)
    y = np.repeat([1, 2], 3)
    model = EGEMClassifier(**SMALL).fit(X, y)
    assert (model.predict(X) == y).all() and np.isfinite(model.predict_proba(X)).all()


def test_equal_values_throughout_give_finite_results():
    X = np.full((6, 4), 3.0)
    model = EGEMClassifier(**SMALL).fit(X, np.repeat([1, 2], 3))
    assert np.isfinite(model.losses(X)).all() and np.isfinite(model.predict_proba(X)).all()
    np.testing.assert_allclose(model.reconstruct(X), 3.0, atol=0.5)


@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_extreme_units_change_nothing(ramp_model, scale):
    X, y = ramps()
    model = EGEMClassifier(**SMALL).fit(X * scale, y)
    np.testing.assert_allclose(model.losses(X * scale), ramp_model.losses(X), rtol=1e-2, atol=1e-4)
    np.testing.assert_allclose(
        model.reconstruct(X * scale) / scale, ramp_model.reconstruct(X), atol=0.05
    )


def test_a_longer_case_is_compared_over_the_fitted_length(ramp_model):
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
