"""The constructor's parameters: their number, checks, nesting, and the published setting."""

import inspect

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from egem import EGEMClassifier, LSTMDecoder, Search, Training
from helpers import make_waves

FAST = {
    "views": ("recurrent",),
    "metric": "mse",
    "decoder": LSTMDecoder(4),
    "align": "start",
    "random_state": 0,
}


def test_there_are_at_most_fifteen_parameters_all_by_keyword():
    parameters = inspect.signature(EGEMClassifier).parameters.values()
    assert len(parameters) <= 15
    assert {p.kind for p in parameters} == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("views", "recurrent"),
        ("views", None),
        ("views", ()),
        ("views", ("recurrent", "fourier")),
        ("views", ("linear", "linear")),
        ("views", ("linear", 3)),
        ("metric", "dtw"),
        ("metric", "auto"),
        ("shrinkage", 0.0),
        ("shrinkage", 1.5),
        ("decoder", 8),
        ("decoder", "lstm"),
        ("augment", "images"),
        ("codes", "hot"),
        ("codes", 0),
        ("codes", 2.5),
        ("training", {"n_updates": 10}),
        ("search", "adam"),
        ("max_steps", 0),
        ("max_steps", 2.5),
        ("align", "end"),
        ("scaling", "minmax"),
        ("keep_cases", 0),
        ("n_jobs", 0),
        ("n_jobs", 1.5),
        ("random_state", "seed"),
        ("random_state", -1),
        ("verbose", "loud"),
        ("training__n_updates", 0),
        ("training__n_updates", 2.5),
        ("training__batch_size", 0),
        ("training__learning_rate", 0.0),
        ("training__learning_rate", np.nan),
        ("training__learning_rate", np.inf),
        ("training__cosine", "yes"),
        ("training__clip", 0.0),
        ("training__mixup", None),
        ("training__code_noise", -0.1),
        ("training__value_noise", "loud"),
        ("training__checkpoint", 3),
        ("search__method", "lm"),
        ("search__max_steps", -1),
        ("search__prior_weight", -1.0),
        ("search__prior_weight", np.inf),
        ("search__bounds", 3),
        ("search__bounds", (0.0,)),
        ("search__bounds", (1.0, 0.0)),
        ("search__bounds", ("low", "high")),
    ],
)
def test_wrong_values_are_refused_by_name(name, value):
    X, y = make_waves(1)
    model = EGEMClassifier(training=Training(), search=Search()).set_params(**{name: value})
    with pytest.raises(ValueError, match=name.split("__")[-1]):
        model.fit(X, y)
    assert not hasattr(model, "model_")


class Unfitted:
    """A view by its methods, handed in as a class rather than an object."""

    def fit(self, cases):
        return self

    def transform(self, cases):
        return np.zeros((len(cases), 1))


def test_a_class_in_place_of_a_view_is_refused():
    with pytest.raises(ValueError, match="views must hold"):
        EGEMClassifier(views=("linear", Unfitted)).fit(*make_waves(1))


@pytest.mark.parametrize(
    ("name", "values"),
    [("n_cells", {"n_cells": 0}), ("n_cells", {"n_cells": 2.5}), ("start", {"start": "warm"})],
)
def test_wrong_values_of_the_lstm_are_refused_by_name(name, values):
    with pytest.raises(ValueError, match=f"{name} must"):
        LSTMDecoder(**values)


def test_nested_parameters_are_read_and_set():
    model = EGEMClassifier(training=Training(n_updates=5), search=Search())
    found = model.get_params()
    assert found["training__n_updates"] == 5 and found["search__max_steps"] is None
    model.set_params(training__n_updates=7, search__max_steps=3, training__mixup=False)
    assert (model.training.n_updates, model.training.mixup, model.search.max_steps) == (7, False, 3)
    with pytest.raises(ValueError, match="updates"):
        model.set_params(training__updates=3)


def test_a_clone_has_equal_parameters_of_its_own(waves):
    model = EGEMClassifier(**FAST, training=Training(n_updates=5), search=Search(max_steps=3))
    other = clone(model)
    assert other.training is not model.training and repr(other) == repr(model)
    other.set_params(training__n_updates=9)
    assert model.training.n_updates == 5
    model.fit(*waves[:2])
    assert not hasattr(clone(model), "model_")
    assert clone(model).decoder == model.decoder


def test_fit_changes_no_parameter(waves):
    model = EGEMClassifier(**FAST, training=Training(n_updates=5))
    before = model.get_params()
    assert model.fit(*waves[:2]).get_params() == before


def test_a_grid_search_goes_over_nested_parameters(waves):
    X, y, X_test, _ = waves
    length = max(x.shape[1] for x in X)
    padded = np.full((len(X), 2, length), np.nan)  # scikit-learn cuts arrays into folds
    for row, x in zip(padded, X, strict=True):
        row[:, : x.shape[1]] = x
    model = EGEMClassifier(**FAST, training=Training(n_updates=50), search=Search())
    grid = {
        "training__n_updates": [1, 60],
        "search__max_steps": [2, 5],
        "decoder": [LSTMDecoder(4)],
    }
    found = GridSearchCV(model, grid, cv=2, error_score="raise").fit(padded, y)
    assert set(found.best_params_) == set(grid)
    assert found.best_estimator_.training.n_updates == found.best_params_["training__n_updates"]
    assert found.best_estimator_.invert(X_test).n_steps.max() <= 5
    assert model.training.n_updates == 50


def test_settings_reach_training_and_search(waves):
    X, y, X_test, _ = waves
    model = EGEMClassifier(**FAST, training=Training(n_updates=3), codes=5, keep_cases=2)
    model.fit(X, y)
    settings = model.model_.settings
    assert settings.recipe.config.n_updates == 3 and settings.recipe.decoder.n_cells == 4
    n_warps = model.model_.experts[0].n_warps
    assert {expert.codes.shape[1] - n_warps for expert in model.model_.experts} == {5}
    assert len(model.exemplars_.cases) == 6
    bounded = clone(model).set_params(search=Search(max_steps=4, bounds=(-0.1, 0.1))).fit(X, y)
    found = bounded.invert(X_test)
    assert found.n_steps.max() <= 4
    assert np.abs(found.codes).max() <= 0.1 + 1e-6


# ---------------------------------------------------------------- the published setting


@pytest.mark.parametrize(
    ("name", "cells", "updates"), [("characters", 10, 40_000), ("mnist", 20, 20_000)]
)
def test_the_published_setting_is_a_set_of_parameters(name, cells, updates):
    model = EGEMClassifier.paper(name, noise=(0.1, 0.2), random_state=7)
    expected = {
        "views": ("recurrent",),
        "metric": "mse",
        "decoder": LSTMDecoder(cells, "published"),
        "augment": "none",
        "codes": "one-hot",
        "scaling": "none",
        "align": "start",
        "training__n_updates": updates,
        "training__batch_size": 1,
        "training__learning_rate": 0.01,
        "training__cosine": False,
        "training__clip": None,
        "training__mixup": False,
        "training__code_noise": 0.1,
        "training__value_noise": 0.2,
        "search__method": "adam",
        "search__prior_weight": 0.0,
        "random_state": 7,
    }
    assert expected.items() <= model.get_params().items()
    assert model.max_steps >= 205  # nothing is resampled
    assert model.search.config().max_steps == 50


def test_the_published_setting_can_be_varied():
    model = EGEMClassifier.paper("mnist", n_cells=8, n_updates=20, search=Search(max_steps=6))
    assert (model.decoder.n_cells, model.training.n_updates) == (8, 20)
    assert model.search.method == "levenberg-marquardt" and model.metric == "mse"
    for wrong, message in [
        ({"dataset": "digits"}, r"dataset must be one of \['characters', 'mnist'\]"),
        ({"dataset": "mnist", "noise": (0.1,)}, "noise must be two"),
        ({"dataset": "mnist", "n_cells": 0}, "n_cells must"),
    ]:
        with pytest.raises(ValueError, match=message):
            EGEMClassifier.paper(**wrong)
    with pytest.raises(ValueError, match="code_noise"):
        EGEMClassifier.paper("mnist", noise=(-0.1, 0.1)).fit(*make_waves(1))
    with pytest.raises(ValueError, match="n_updates"):
        EGEMClassifier.paper("mnist", n_updates=0).fit(*make_waves(1))
