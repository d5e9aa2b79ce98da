"""Metrics beyond residuals: features, a user's own, and what they are joined with."""

import numpy as np
import pytest
from sklearn.base import clone

from egem import EGEMClassifier
from helpers import QUICK, make_waves


class Spectra:
    """Powers of frequencies, which forget where in time something happened."""

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
    residuals = EGEMClassifier(**QUICK, metric="whitened").fit(X, y).score(X_test, y_test)
    features = EGEMClassifier(**QUICK, metric="features").fit(X, y).score(X_test, y_test)
    joint = EGEMClassifier(**QUICK, metric="auto").fit(X, y).score(X_test, y_test)
    assert features >= 0.9 and joint >= 0.85
    assert min(features, joint) > residuals + 0.1


def test_models_do_not_share_what_a_representation_learns():
    mine = Spectra()
    X, y = shifted_bursts(8, 0)
    first = EGEMClassifier(**QUICK, metric=mine).fit(X, y)
    found = first.losses(X)
    EGEMClassifier(**QUICK, metric=mine).fit(X[:, :, :40], y)
    assert not hasattr(mine, "length")
    np.testing.assert_array_equal(first.losses(X), found)
    assert first.score(X, y) == 1.0


def test_a_representation_of_ones_own_takes_part(tmp_path):
    X, y = shifted_bursts(12, 0)
    X_test, y_test = shifted_bursts(60, 1)
    model = EGEMClassifier(**QUICK, metric=Spectra()).fit(X, y)
    assert model.metric_.name == "own" and model.score(X_test, y_test) >= 0.9
    with pytest.raises(ValueError, match="your own Spectra cannot be saved"):
        model.save(tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="one finite vector a case"):
        EGEMClassifier(**QUICK, metric=Broken()).fit(X, y)
    with pytest.raises(ValueError, match="metric must be"):
        EGEMClassifier(**QUICK, metric=3).fit(X, y)  # pyright: ignore[reportArgumentType]


def test_a_fitted_metric_is_taken_as_it_is_and_classes_may_differ():
    X, y = make_waves(4, seed=1)
    first = EGEMClassifier(**QUICK, metric="auto").fit(X, y)
    given = {"metric": first.metric_, "scaling": first.preparation_}
    keep = y != "still"
    fewer = (
        clone(first)
        .set_params(**given)
        .fit([x for x, k in zip(X, keep, strict=True) if k], y[keep])
    )
    assert fewer.metric_ is first.metric_
    columns = np.searchsorted(first.classes_, fewer.classes_)
    whole, part = first.invert(X), fewer.invert(X)
    np.testing.assert_allclose(part.losses, whole.losses[:, columns], rtol=1e-5)
    # What of "still" is left may be strange to the others, and is then left to the experts.
    np.testing.assert_allclose(part.scores[keep], whole.scores[keep][:, columns], rtol=1e-5)


def test_scores_do_not_depend_on_the_order_or_company_of_cases():
    X, y = make_waves(4, seed=1)
    model = EGEMClassifier(**QUICK, metric="auto").fit(X, y)
    shuffled = np.random.default_rng(0).permutation(len(y))
    again = clone(model).fit([X[i] for i in shuffled], y[shuffled])
    X_test, _ = make_waves(3, seed=2)
    found = model.invert(X_test)
    scores = found.scores
    alone = np.log(found.losses + found.priors)
    joined = np.exp(found.evidence.log_losses + found.evidence.share * alone)
    np.testing.assert_allclose(scores, joined, rtol=1e-5)
    np.testing.assert_allclose(again.invert(X_test).scores, scores, rtol=1e-5)
    np.testing.assert_allclose(model.invert(X_test[4:5]).scores, scores[4:5], rtol=1e-5)


def test_cases_of_another_kind_are_left_to_the_experts():
    X, y = make_waves(6, seed=1)
    model = EGEMClassifier(**QUICK, metric="auto", align="stretch").fit(X, y)
    usual, _ = make_waves(6, seed=2)
    strange = [x + 300 * np.random.default_rng(3).normal(size=x.shape) for x in usual]
    raw = model.metric_.spaces[0]
    hulls = [each[0] for each in model.hulls_]

    def features_say(cases):
        batch = model.preparation_.apply(cases)
        own = raw.weight * raw.log_losses(hulls, batch) / model.metric_.sharpness
        return np.abs(model.invert(cases).evidence.log_losses - own).max(axis=1)

    assert np.median(features_say(usual)) > 0.1
    assert features_say(strange).max() < 1e-3
