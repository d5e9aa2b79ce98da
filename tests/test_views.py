"""Views: their weights, convolution features among them, and representations of a user's own."""

import numpy as np
import pytest
from sklearn.base import clone

from egem import EGEMClassifier
from egem.calibration.proxy import ProxySettings
from egem.calibration.weights import PRIOR_SPREAD, fit_weights, weigh_views
from egem.core.classify import cross_entropy
from egem.views.linear import fit_linear_expert
from egem.views.views import as_batch
from helpers import QUICK, make_waves
from labelled import make_batch


def test_the_view_that_separates_the_classes_gets_the_weight():
    rng = np.random.default_rng(0)
    classes = np.repeat(np.arange(5), 6)
    separating = as_batch(rng.normal(size=(5, 8))[classes] + 0.3 * rng.normal(size=(30, 8)))
    empty = as_batch(rng.normal(size=(30, 8)))
    represented = {"own": empty, "own 1": separating}
    found = weigh_views(represented, dict.fromkeys(represented), empty, classes, None).views
    weights = {view.name: view.weight for view in found}
    assert weights["own 1"] > 1.5 * weights["own"]  # the prior is the same
    for view in found:
        assert np.isclose(sum(m.mixing_weight for m in view.metrics), 1.0)


def test_weights_minimise_cross_entropy_and_prior():
    rng = np.random.default_rng(1)
    truth = rng.integers(4, size=80)
    losses = [rng.normal(size=(80, 4)) - np.eye(4)[truth] * gain for gain in (1.0, 0.5)]

    def improbability(weights):
        energies = sum(w * x for w, x in zip(weights, losses, strict=True))
        unlikely = np.sum((np.log(weights / prior) / PRIOR_SPREAD) ** 2) / 2
        return 80 * cross_entropy(energies, truth) + unlikely

    prior = np.array([3.0, 1.0])
    best = fit_weights(losses, truth, prior)
    for factor in (0.9, 1.1):
        for i in range(2):
            other = best.copy()
            other[i] *= factor
            assert improbability(other) > improbability(best)


def test_with_one_case_a_class_nothing_is_chosen():
    batch, classes = make_batch(np.arange(3)), np.arange(3)
    proxy = ProxySettings("none", 6, 0.5)
    found = weigh_views({"linear": batch}, {"linear": None}, batch, classes, proxy)
    (view,) = found.views
    assert len(view.metrics) == 1 and view.weight > 0 and found.recurrent_weight > 0
    assert not found.log_losses
    losses = view.log_losses([(fit_linear_expert(batch[[c]]),) for c in range(3)], batch)
    assert (losses.argmin(axis=1) == classes).all()


class Spectra:
    """Powers of frequencies, which do not depend on when something happened."""

    def fit(self, cases):
        self.length = max(x.shape[1] for x in cases)
        return self

    def transform(self, cases):
        power = [np.abs(np.fft.rfft(np.nan_to_num(x), self.length)) for x in cases]
        return np.log1p(np.array([p.ravel() for p in power]))


class Broken(Spectra):
    def transform(self, cases):
        return super().transform(cases)[1:]


def shifted_bursts(n, seed):
    """Two classes that differ in pitch; the burst may come at any time."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = 0.1 * rng.normal(size=(n, 1, 96))
    for x, label in zip(X, y, strict=True):
        at = rng.integers(0, 96 - 24)
        x[0, at : at + 24] += np.sin(np.arange(24) * (0.6, 1.2)[label])
    return X, y


def test_features_forgive_shifts_that_residuals_do_not():
    X, y = shifted_bursts(12, 0)
    X_test, y_test = shifted_bursts(60, 1)
    residuals = EGEMClassifier(**QUICK, views=("recurrent",)).fit(X, y).score(X_test, y_test)
    features = EGEMClassifier(**QUICK, views=("features",)).fit(X, y).score(X_test, y_test)
    together = EGEMClassifier(**QUICK, views="auto").fit(X, y).score(X_test, y_test)
    assert features >= 0.9 and together >= 0.85
    assert min(features, together) > residuals + 0.1


def test_models_do_not_share_a_fitted_representation():
    mine = Spectra()
    X, y = shifted_bursts(8, 0)
    first = EGEMClassifier(**QUICK, views=("recurrent", "linear", mine)).fit(X, y)
    found = first.losses(X)
    EGEMClassifier(**QUICK, views=("recurrent", "linear", mine)).fit(X[:, :, :40], y)
    assert not hasattr(mine, "length")
    np.testing.assert_array_equal(first.losses(X), found)
    assert first.score(X, y) == 1.0


def test_a_representation_of_ones_own_takes_part(tmp_path):
    X, y = shifted_bursts(12, 0)
    X_test, y_test = shifted_bursts(60, 1)
    model = EGEMClassifier(**QUICK, views=("recurrent", "linear", Spectra())).fit(X, y)
    assert [view.name for view in model.views_] == ["linear", "own"]
    assert model.view_weights_.keys() == {"recurrent", "linear", "own"}
    assert model.score(X_test, y_test) >= 0.9
    with pytest.raises(ValueError, match="your own view Spectra cannot be saved"):
        model.save(tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="one finite vector a case"):
        EGEMClassifier(**QUICK, views=("linear", Broken())).fit(X, y)
    with pytest.raises(ValueError, match="views must hold"):
        EGEMClassifier(**QUICK, views=("linear", 3)).fit(X, y)  # pyright: ignore[reportArgumentType]


def test_linear_views_alone_classify_but_decode_nothing():
    X, y = make_waves(4, seed=1)
    clf = EGEMClassifier(**QUICK, views=("linear", "features")).fit(X, y)
    assert clf.score(*make_waves(4, seed=2)) == 1.0
    assert clf.metric_ is None and clf.model_.experts == ()
    assert clf.view_weights_.keys() == {"linear", "features"}
    np.testing.assert_allclose(sum(clf.view_weights_.values()), 1.0)
    with pytest.raises(ValueError, match="no recurrent experts"):
        clf.reconstruct(X)


def test_scores_do_not_depend_on_the_order_or_number_of_cases():
    X, y = make_waves(4, seed=1)
    model = EGEMClassifier(**QUICK, views="auto").fit(X, y)
    shuffled = np.random.default_rng(0).permutation(len(y))
    again = clone(model).fit([X[i] for i in shuffled], y[shuffled])
    X_test, _ = make_waves(3, seed=2)
    found = model.invert(X_test)
    scores = found.scores
    alone = np.log(found.losses + found.priors)
    pooled = np.exp(found.views.log_losses + found.views.recurrent_weight * alone)
    np.testing.assert_allclose(scores, pooled, rtol=1e-5)
    np.testing.assert_allclose(again.invert(X_test).scores, scores, rtol=1e-5)
    np.testing.assert_allclose(model.invert(X_test[4:5]).scores, scores[4:5], rtol=1e-5)


def test_features_of_cases_unlike_the_training_cases_do_not_count():
    X, y = make_waves(6, seed=1)
    model = EGEMClassifier(**QUICK, views="auto", align="stretch").fit(X, y)
    typical, _ = make_waves(6, seed=2)
    unusual = [x + 300 * np.random.default_rng(3).normal(size=x.shape) for x in typical]
    linear, experts = model.views_[0], model.model_.linear_experts[0]
    total = model.model_.views.total_weight

    def from_features(cases):
        batch = model.preparation_.apply(cases)
        own = linear.weight * linear.log_losses(experts, batch) / total
        return np.abs(model.invert(cases).views.log_losses - own).max(axis=1)

    assert np.median(from_features(typical)) > 0.1
    assert from_features(unusual).max() < 1e-3
