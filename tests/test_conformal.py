"""Sets, p-values and rejection: their guarantees, and what they return with few held-out cases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egem import EGEMClassifier
from egem.core.classify import probabilities
from egem.ensemble.conformal import Calibration, HeldOut
from helpers import QUICK, make_waves

FRESH = np.zeros(9, int)  # training cases among the held-out ones


def drawn(n, n_classes, seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(n_classes, size=n)
    scores = rng.normal(size=(n, n_classes))
    scores[np.arange(n), truth] -= 1.5
    return scores, truth


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.3])
def test_sets_hold_the_true_class_as_often_as_asked(alpha):
    """The guarantee, over 400 draws of 60 held-out and 60 new exchangeable cases."""
    covered = []
    for seed in range(400):
        scores, truth = drawn(120, 4, seed)
        held = HeldOut(scores[:60], scores[:60].min(axis=1), truth[:60], FRESH[:4])
        sets = Calibration(2.0, held).prediction_set(scores[60:], alpha)
        covered.append(sets[np.arange(60), truth[60:]].mean())
    assert 1 - alpha - 0.01 < np.mean(covered) < 1 - alpha + 0.03


def sines(rng, n, m):
    """Noisy sines of any phase: n of one period, m of another."""
    y = np.repeat([0, 1], [n, m])
    period = np.where(y == 0, rng.uniform(10, 14, n + m), rng.uniform(16, 22, n + m))
    phase = rng.uniform(0, 2 * np.pi, n + m)
    X = np.sin(2 * np.pi * np.arange(50) / period[:, None] + phase[:, None])
    return X + 0.3 * rng.normal(size=X.shape), y


def fitted_views(X, y):
    return EGEMClassifier(views=("linear", "features"), random_state=0).fit(X, y)


@pytest.mark.parametrize("n_a_class", [20, 100, 300])
def test_known_cases_are_not_rejected_where_cases_are_many(n_a_class):
    rng = np.random.default_rng(n_a_class)
    X_test, y_test = sines(rng, 200, 200)
    clf = fitted_views(*sines(rng, n_a_class, n_a_class))
    assert (clf.p_value(X_test) <= 0.05).mean() <= 0.09
    assert clf.predict_set(X_test, 0.1)[np.arange(400), y_test].mean() >= 0.8
    pulses = np.sign(np.sin(np.arange(50) / 4)) + 0.3 * rng.normal(size=(50, 50))
    assert (clf.p_value(pulses) <= 0.05).mean() >= 0.9


@pytest.mark.parametrize("times", [2, 3])
@pytest.mark.parametrize("noise", [0.0, 1e-9])
@pytest.mark.parametrize("n_a_class", [4, 30])
def test_cases_given_several_times_count_once(n_a_class, noise, times):
    rng = np.random.default_rng(n_a_class)
    (X, y), (X_test, y_test) = sines(rng, n_a_class, n_a_class), sines(rng, 100, 100)
    once = fitted_views(X, y)
    copies = np.concatenate([X] + [X + noise * rng.normal(size=X.shape)] * (times - 1))
    clf = fitted_views(copies, np.tile(y, times))
    assert len(clf.held_out_.truth) == len(once.held_out_.truth) == 2 * n_a_class
    p, of_once = clf.predict_proba(X_test), once.predict_proba(X_test)
    assert (p.argmax(axis=1) == y_test).mean() >= (of_once.argmax(axis=1) == y_test).mean() - 0.02
    assert np.abs(p - of_once).mean() < 0.05
    rejected, of_once = ((each.p_value(X_test) <= 0.05).mean() for each in (clf, once))
    assert rejected <= of_once + 0.05


@pytest.mark.parametrize("n_few", [1, 2, 10])
def test_a_class_of_few_cases_is_not_excluded_by_those_of_many(n_few):
    """Means over four draws; beside one or two cases nothing is known of how they differ."""
    held, rejected = [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        clf = fitted_views(*sines(rng, 60, n_few))
        X_test, y_test = sines(rng, 100, 100)
        sets = clf.predict_set(X_test, 0.1)
        held.append([sets[y_test == c, c].mean() for c in (0, 1)])
        rejected.append((clf.p_value(X_test[y_test == 0]) <= 0.05).mean())
        assert n_few == 10 or sets[:, 1].all()
    assert np.mean(held, axis=0).min() >= 0.83 and np.mean(rejected) <= 0.09


def test_fresh_cases_count_alike_whatever_their_class():
    scores, truth = drawn(40, 4, 0)
    held = HeldOut(scores, scores.min(axis=1), truth, FRESH[:4])
    assert all((held.weights(e) == 1).all() for e in range(4))


def test_held_out_cases_of_other_classes_count_where_a_class_has_few():
    truth = np.repeat([0, 1, 2], [4, 4, 100])
    held = HeldOut(np.zeros((108, 3)), np.zeros(108), truth, np.array([4, 4, 100]))
    assert held.weights(0).tolist() == [1.0] * 8 + [0.0] * 100
    assert held.weights(2).tolist() == [0.0] * 8 + [1.0] * 100
    many = HeldOut(np.zeros((200, 2)), np.zeros(200), np.repeat([0, 1], 100), np.array([100, 100]))
    assert many.weights(0)[:100].min() == 1 and many.weights(0)[100:].sum() == pytest.approx(4)


def test_too_few_held_out_cases_give_the_full_set():
    scores, truth = drawn(8, 3, 0)
    held = HeldOut(scores, scores.min(axis=1), truth, FRESH[:3])
    assert Calibration(1.0, held).prediction_set(scores, alpha=0.1).all()
    assert not Calibration(1.0, held).prediction_set(scores, alpha=0.2).all()


def test_a_foreign_case_is_rejected_under_a_name_of_its_own(digit_model, digits):
    X = digits[2][:40]
    noise = np.random.default_rng(0).random((5, *X.shape[1:])) * 3
    answers = digit_model.predict(np.concatenate([X, noise]), reject=0.05)
    assert (answers[40:] == -1).all()
    assert (answers[:40] != -1).mean() > 0.7  # the experts of this model are hardly trained
    named = digit_model.predict(noise, reject=0.05, unknown=99)
    assert (named == 99).all()


def test_text_labels_have_a_label_for_the_unknown(wave_model, waves):
    foreign = [np.full((2, 15), -300.0)]
    assert wave_model.predict(foreign, reject=0.05).tolist() == ["unknown"]
    with pytest.raises(ValueError, match="is a class of this model"):
        wave_model.predict(foreign, reject=0.05, unknown="up")
    with pytest.raises(ValueError, match="reject must lie between 0 and 1"):
        wave_model.predict(foreign, reject=1.0)


def test_one_class_alone_rejects_other_cases():
    X, y = make_waves(12, seed=3)
    own, other = [x for x, c in zip(X, y, strict=True) if c == "up"], X[0]
    assert y[0] == "down"
    clf = EGEMClassifier(**QUICK).fit(own[:8], ["up"] * 8)
    known = clf.p_value(own[8:])
    assert clf.p_value([-other])[0] < known.min()
    assert clf.predict([-other], reject=0.1)[0] == "unknown"
    assert clf.predict_proba(own[8:]).tolist() == [[1.0]] * 4


def test_one_case_a_class_excludes_nothing(digits):
    X, y, X_test, _ = digits
    first = np.unique(y, return_index=True)[1]
    clf = EGEMClassifier(**QUICK).fit(X[first], y[first])
    assert clf.predict_set(X_test[:5], alpha=0.2).all()
    assert (clf.p_value(X_test[:5]) == 1).all()


def test_further_cases_calibrate_sets_and_probabilities(digit_model, digits, tmp_path):
    X, y, X_test, y_test = digits
    clf = EGEMClassifier(**QUICK).fit(X, y)
    before = clf.losses(X_test[:20])
    odd, even = slice(None, None, 2), slice(1, None, 2)
    clf.calibrate(X_test[odd], y_test[odd])
    assert len(clf.held_out_.truth) == len(y_test[odd])
    sets = clf.predict_set(X_test[even], alpha=0.2)
    covered = sets[np.arange(len(sets)), y_test[even]].mean()
    assert 0.7 < covered < 0.9
    np.testing.assert_array_equal(clf.losses(X_test[:20]), before)
    p = clf.predict_proba(X_test[even])
    cross_entropy = -np.log(p[np.arange(len(sets)), y_test[even]]).mean()
    worse = digit_model.predict_proba(X_test[even])
    assert cross_entropy <= -np.log(worse[np.arange(len(sets)), y_test[even]]).mean() + 0.02
    with pytest.raises(ValueError, match="42, which is not a class"):
        clf.calibrate(X_test[:2], [1, 42])


def test_probabilities_are_those_of_full_searches(digit_model, digits):
    X = digits[2][:200]
    full = digit_model.invert(X)
    expected = probabilities(full.scores, digit_model.inverse_temperature_)
    p = digit_model.predict_proba(X)
    assert np.abs(p - expected).max() < 1e-3
    np.testing.assert_array_equal(p.argmax(axis=1), expected.argmax(axis=1))
    found = digit_model.verdicts(X)
    np.testing.assert_array_equal(found.probabilities, p.max(axis=1))
    of_winners = full.losses[np.arange(len(X)), found.winners]
    np.testing.assert_allclose(found.losses, of_winners, rtol=1e-2)


def test_probabilities_sets_and_p_values_come_back_from_a_file(digit_model, digits, tmp_path):
    X = digits[2][:30]
    digit_model.save(tmp_path / "m.safetensors")
    again = EGEMClassifier.load(tmp_path / "m.safetensors")
    for of in ("predict_proba", "predict_set", "p_value"):
        np.testing.assert_array_equal(getattr(again, of)(X), getattr(digit_model, of)(X))


@given(st.integers(0, 10_000))
def test_one_observed_point_gives_a_finite_answer(wave_model, waves, seed):
    rng = np.random.default_rng(seed)
    x = waves[2][seed % len(waves[2])]
    alone = np.full_like(x, np.nan)
    at = rng.integers(x.shape[0]), rng.integers(x.shape[1])
    alone[at] = x[at]
    inversion = wave_model.invert([alone])
    assert np.isfinite(inversion.scores).all() and np.isfinite(inversion.losses).all()
    assert 0 < wave_model.p_value([alone])[0] <= 1
    whole = wave_model.complete([alone])
    assert np.isfinite(whole.low).all() and np.isfinite(whole.high).all()


@given(st.integers(0, 10_000))
def test_probabilities_of_gappy_cases_are_probabilities(wave_model, waves, seed):
    rng = np.random.default_rng(seed)
    X = [np.where(rng.random(x.shape) < 0.4, np.nan, x) for x in waves[2]]
    for x, whole in zip(X, waves[2], strict=True):
        x[:, 0] = whole[:, 0]
    p = wave_model.predict_proba(X)
    assert ((p >= 0) & (p <= 1)).all()
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-5)


def test_features_are_not_trusted_with_a_prefix():
    """A model that trusted them would take the first half for a sequence of its own."""
    rng = np.random.default_rng(0)
    t = np.linspace(0, 1, 48)

    def draw(n):
        phases = np.repeat([0.0, 1.5], n)
        X = np.cos(7 * t + phases[:, None] + 0.15 * rng.normal(size=(2 * n, 1)))
        return X[:, None] + 0.05 * rng.normal(size=(2 * n, 1, 48)), np.repeat([0, 1], n)

    X, y = draw(5)
    X_test, y_test = draw(20)
    clf = EGEMClassifier(**QUICK).fit(X, y)
    prefixes = clf.invert([x[:, :20] for x in X_test]).views
    assert np.abs(prefixes.gated).max() > 0
    assert np.abs(clf.invert(X_test).views.gated).max() < np.abs(prefixes.gated).max()
    assert clf.score([x[:, :20] for x in X_test], y_test) > 0.9


def test_the_order_of_channels_matters_no_more_than_noise(waves):
    X, y, X_test, y_test = waves
    scores = [
        EGEMClassifier(**QUICK).fit([x[o] for x in X], y).score([x[o] for x in X_test], y_test)
        for o in ([0, 1], [1, 0])
    ]
    assert abs(scores[0] - scores[1]) <= 0.15
