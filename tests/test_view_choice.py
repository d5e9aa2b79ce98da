"""Which views a model has: results, files, incremental operations and what decodes sequences."""

from copy import copy

import numpy as np
import pytest

from egem import EGEMClassifier, LSTMDecoder, Training
from helpers import QUICK


class Moments:
    """A view of one's own: mean, spread and slope of each channel."""

    def fit(self, cases):
        self.n_channels = len(cases[0])
        return self

    def transform(self, cases):
        return np.array([self._vector(x) for x in cases])

    def _vector(self, x):
        ends = np.nanmean(x[:, -4:], axis=1) - np.nanmean(x[:, :4], axis=1)
        return np.concatenate([np.nanmean(x, axis=1), np.nanstd(x, axis=1), ends])


CHOICES = {
    "linear": ("linear",),
    "features": ("features",),
    "recurrent": ("recurrent",),
    "recurrent and features": ("recurrent", "features"),
    "own": (Moments(),),
    "recurrent, linear and own": ("recurrent", "linear", Moments()),
}


def has_own(views):
    return any(isinstance(view, Moments) for view in views)


@pytest.fixture(scope="module")
def models(waves):
    made = {}

    def of(name):
        if name not in made:
            model = EGEMClassifier(**QUICK, views=CHOICES[name], align="start")
            made[name] = model.fit(*waves[:2])
        return made[name]

    return of


@pytest.mark.parametrize("name", CHOICES)
def test_a_model_of_any_views_classifies(name, models, waves):
    X, y = waves[2:]
    model, views = models(name), CHOICES[name]
    assert model.score(X, y) > 0.6
    p = model.predict_proba(X)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-6)
    np.testing.assert_array_equal(model.predict(X), model.classes_[p.argmax(axis=1)])
    assert model.predict_set(X, 0.2).shape == model.losses(X).shape == (len(X), 3)
    assert ((model.p_value(X) > 0) & (model.p_value(X) <= 1)).all()
    rejected = model.predict(X, reject=0.5)
    assert (rejected == "unknown").tolist() == (model.p_value(X) <= 0.5).tolist()
    inversion = model.invert(X)
    assert np.isfinite(inversion.scores).all() and not len(inversion.undecided)
    expected = {v if isinstance(v, str) else "own" for v in views}
    assert set(model.view_weights_) == expected
    assert sum(model.view_weights_.values()) == pytest.approx(1.0)
    assert {view.name for view in model.views_} == expected - {"recurrent"}
    recurrent = "recurrent" in views
    assert (model.metric_ is not None) == recurrent
    assert len(model.train_loss_) == len(model.model_.experts) == 3 * recurrent


@pytest.mark.parametrize("name", CHOICES)
def test_a_model_of_any_views_is_saved_or_refused(name, models, waves, tmp_path):
    model, X = models(name), waves[2]
    path = tmp_path / "model.safetensors"
    if has_own(CHOICES[name]):
        with pytest.raises(ValueError, match="own view Moments cannot be saved"):
            model.save(path)
        assert not list(tmp_path.iterdir())
        return
    model.save(path)
    again = EGEMClassifier.load(path)
    assert again.views == CHOICES[name]
    for method in ("losses", "predict_proba", "predict_set", "p_value"):
        np.testing.assert_array_equal(getattr(again, method)(X), getattr(model, method)(X))
    again.remove_class("up")
    assert again.classes_.tolist() == ["down", "still"]


@pytest.mark.parametrize("name", CHOICES)
def test_classes_of_a_model_of_any_views_come_and_go(name, waves):
    X, y, X_test, y_test = waves
    two = np.flatnonzero(y != "still")
    model = EGEMClassifier(**QUICK, views=CHOICES[name], align="start")
    model.fit([X[i] for i in two], y[two])
    model.add_class([X[i] for i in np.flatnonzero(y == "still")], "still")
    assert model.classes_.tolist() == ["down", "still", "up"]
    assert model.held_out_.log_scores.shape == (12, 3)
    assert model.refit_metric().score(X_test, y_test) > 0.6
    model.update_class(X_test[:2], "down").remove_cases("down", [0]).rename_class("up", "above")
    assert model.classes_.tolist() == ["above", "down", "still"]
    assert len(model.exemplars_.of_class(1)) == 5
    assert np.isfinite(model.predict_proba(X_test)).all()


@pytest.mark.parametrize("name", [name for name in CHOICES if "recurrent" not in name])
def test_without_recurrent_experts_nothing_is_decoded(name, models, waves):
    model, X = models(name), waves[2]
    for call in (
        lambda: model.sample("up"),
        lambda: model.reconstruct(X),
        lambda: model.reconstruct(X, "up"),
        lambda: model.complete(X),
        lambda: model.complete(X, "up"),
        lambda: model.explain(X),
        lambda: model.invert(X).reconstructions,
        lambda: model.invert(X).reconstructions_of("up"),
    ):
        with pytest.raises(ValueError, match=r"no recurrent experts.*'recurrent' among its views"):
            call()


@pytest.mark.parametrize("name", [name for name in CHOICES if "recurrent" in name])
def test_with_recurrent_experts_sequences_are_decoded(name, models, waves):
    model, X = models(name), waves[2][:2]
    assert model.sample("up").shape == (1, 2, 24)
    assert model.complete(X).values.shape == model.reconstruct(X).shape == (2, 2, 24)
    explanation = model.explain(X)
    np.testing.assert_array_equal(explanation.labels[:, 0], model.predict(X))


def test_the_order_of_views_changes_nothing(models, waves):
    X, y, X_test, _ = waves
    a, b = (
        EGEMClassifier(**QUICK, views=views, align="start").fit(X, y)
        for views in (("linear", "features"), ("features", "linear"))
    )
    half = [x[:, : x.shape[1] // 2] for x in X_test]
    np.testing.assert_array_equal(a.predict_proba(half), b.predict_proba(half))


def test_columns_are_a_view_of_images_alone(digit_model, wave_model):
    assert set(digit_model.view_weights_) == {"recurrent", "linear", "features", "columns"}
    assert set(wave_model.view_weights_) == {"recurrent", "linear", "features"}


def test_a_view_of_ones_own_is_not_changed_by_fit(models):
    model = models("own")
    assert not hasattr(model.views[0], "n_channels")
    assert model.views_[0].representation.n_channels == 2


class Broken(Moments):
    """Returns one vector too few."""

    def transform(self, cases):
        return super().transform(cases)[1:]


def test_a_view_of_ones_own_must_return_a_vector_a_case(waves):
    with pytest.raises(ValueError, match="views: transform of Broken must return one finite"):
        EGEMClassifier(**QUICK, views=("linear", Broken())).fit(*waves[:2])


@pytest.fixture(scope="module")
def without_experts():
    """Two kinds of noisy sines that differ in period: the recurrent view is of no use."""
    rng = np.random.default_rng(0)
    y = np.repeat(["fast", "slow"], 30)
    period = np.where(y == "fast", 6.0, 9.0)[:, None]
    t = np.arange(40) / period + rng.random((60, 1))
    X = np.sin(2 * np.pi * t) + 0.3 * rng.normal(size=t.shape)
    training = Training(n_updates=60)
    few = np.r_[:6, 30:36]
    clf = EGEMClassifier(training=training, random_state=0).fit(X[few], y[few])
    assert clf.view_weights_["recurrent"] == 0 and not clf.model_.experts
    return clf, X[few], y[few], np.delete(X, few, axis=0), np.delete(y, few)


def test_recurrent_experts_that_held_out_cases_do_not_need_are_trained_when_asked(without_experts):
    clf, X, y, X_test, y_test = copy(without_experts[0]), *without_experts[1:]
    assert clf.score(X_test, y_test) > 0.9
    before = {m: getattr(clf, m)(X_test) for m in ("predict_proba", "predict_set", "p_value")}
    assert not clf.model_.experts
    assert clf.sample("fast", 2, random_state=0).shape == (2, 1, 40)
    assert len(clf.model_.experts) == 2
    for method, expected in before.items():
        np.testing.assert_array_equal(getattr(clf, method)(X_test), expected)
    np.testing.assert_array_equal(clf.invert(X_test).labels(), clf.predict(X_test))
    every = EGEMClassifier(
        views=("recurrent", "linear", "features"), training=clf.training, random_state=0
    ).fit(X, y)
    np.testing.assert_array_equal(clf.losses(X_test), every.losses(X_test))
    for ask in (
        lambda clf: clf.complete(np.where(np.arange(40) < 20, X_test[:1], np.nan)).values,
        lambda clf: clf.reconstruct(X_test[:1]),
        lambda clf: clf.explain(X_test[:1]).reconstructions,
    ):
        again = copy(without_experts[0])
        assert np.isfinite(ask(again)).all() and len(again.model_.experts) == 2


def test_a_model_without_its_experts_is_saved_and_changed(without_experts, tmp_path):
    clf, X, y, X_test, _ = copy(without_experts[0]), *without_experts[1:]
    clf.save(tmp_path / "m")
    again = EGEMClassifier.load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict_proba(X_test), clf.predict_proba(X_test))
    again.add_class(X_test[:4] ** 2, "square")
    assert not again.model_.experts and (again.predict(X_test[:20] ** 2) == "square").mean() > 0.8
    again.remove_class("square").update_class(X_test[:2], "fast").rename_class("slow", "calm")
    assert not again.model_.experts
    assert len(again.train_experts().model_.experts) == 2
    again.save(tmp_path / "m")
    loaded = EGEMClassifier.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.sample("calm", 2, 0), again.sample("calm", 2, 0))
    other = EGEMClassifier(views=("recurrent", "linear"), training=Training(n_updates=20))
    other.fit(-X, np.char.add("other ", y))
    assert not copy(clf).merge(other).model_.experts
    assert len(other.merge(loaded).model_.experts) == 4


def test_a_decoder_of_ones_own_choice_is_always_fitted(without_experts):
    _, X, y, *_ = without_experts
    clf = EGEMClassifier(decoder=LSTMDecoder(4), training=Training(n_updates=20), random_state=0)
    assert clf.fit(X, y).view_weights_["recurrent"] > 0 and len(clf.model_.experts) == 2
