"""An operation that is interrupted, in whichever phase, leaves the estimator as it was."""

from copy import copy

import numpy as np
import pandas as pd
import pytest

from egem import EGEMClassifier
from helpers import make_waves

# A function that each phase calls, in the order of the phases.
TRAIN = [
    "egem.incremental.train_classes",
    "egem.ensemble.training.run_task",
    "egem.ensemble.training.with_prior",
]
REFIT = [
    "egem.calibration.fit.choose_metric",
    "egem.calibration.fit.fit_representations",
    "egem.calibration.fit.represent",
    "egem.calibration.fit.weigh_views",
    "egem.calibration.weights.proxy_losses",
    "egem.calibration.fit.fold_correction",
]
RECALIBRATE = ["egem.calibration.fit.losses_in_view", "egem.calibration.fit.proxy_losses"]
ASSEMBLE = [
    "egem.calibration.fit.fit_classes",
    "egem.calibration.fit.Calibrated.corrected",
    "egem.fit.invert_batch",
    "egem.ensemble.inversion.search_codes",
    "egem.calibration.proxy.ProxyCorrection.fit",
    "egem.model.Model.with_calibration",
]
NEW = [x for x, label in zip(*make_waves(4, seed=9), strict=True) if label == "up"]

OPERATIONS = {
    "refit_metric": (lambda clf: clf.refit_metric(), REFIT + ASSEMBLE),
    "add_class": (lambda clf: clf.add_class(NEW, "new"), TRAIN + RECALIBRATE + ASSEMBLE),
    "add_class and refit_metric": (
        lambda clf: clf.add_class(NEW, "new", refit_metric=True),
        TRAIN[-1:] + REFIT[-1:] + ASSEMBLE[-1:],
    ),
    "update_class": (lambda clf: clf.update_class(NEW, "up"), TRAIN[-1:] + ASSEMBLE[-1:]),
    "remove_cases": (lambda clf: clf.remove_cases("up", [0]), TRAIN[-1:] + ASSEMBLE[-1:]),
    "remove_class": (lambda clf: clf.remove_class("up"), ["egem.incremental.without_class"]),
    "calibrate": (
        lambda clf: clf.calibrate(*make_waves(3, seed=8)),
        ["egem.ensemble.inversion.search_codes", "egem.incremental.best_temperature"],
    ),
    "fit": (
        lambda clf: clf.fit(np.arange(12.0).reshape(4, 3), ["a", "a", "b", "b"]),
        [
            "egem.classifier.as_cases",
            "egem.fit.check_spread",
            *TRAIN[-1:],
            *REFIT[-1:],
            *ASSEMBLE[-1:],
            "egem.classifier.learn_input",
            "egem.data.validation.validate_data",
        ],
    ),
}


def results(clf, X):
    return {
        "losses": clf.losses(X),
        "predict_proba": clf.predict_proba(X),
        "predict_set": clf.predict_set(X, 0.2),
        "p_value": clf.p_value(X),
    }


@pytest.fixture(scope="module")
def before(wave_model, waves):
    return results(wave_model, waves[2])


@pytest.mark.parametrize(
    ("operation", "phase"), [(name, phase) for name in OPERATIONS for phase in OPERATIONS[name][1]]
)
def test_an_interrupted_operation_changes_nothing(
    operation, phase, wave_model, before, waves, monkeypatch
):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    model = copy(wave_model)
    attributes = set(vars(model))
    with monkeypatch.context() as patch:
        patch.setattr(phase, interrupt)
        with pytest.raises(KeyboardInterrupt):
            OPERATIONS[operation][0](model)
    after = results(model, waves[2])
    for method, expected in before.items():
        np.testing.assert_array_equal(after[method], expected, err_msg=method)
    assert set(vars(model)) == attributes and model.n_features_in_ == 2


def test_after_an_interrupt_the_operation_gives_what_it_would_have(wave_model, waves, monkeypatch):
    tried, other = copy(wave_model), copy(wave_model)

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("egem.fit.invert_batch", interrupt)
        with pytest.raises(KeyboardInterrupt):
            tried.add_class(NEW, "new", refit_metric=True)
    again, expected = (
        results(clf.add_class(NEW, "new", refit_metric=True), waves[2]) for clf in (tried, other)
    )
    for method in expected:
        np.testing.assert_array_equal(again[method], expected[method])


TABLE, LABELS = np.arange(12.0).reshape(4, 3), ["a", "a", "b", "b"]
UNUSABLE = {
    "too few labels": (TABLE, LABELS[:-1]),
    "labels of two kinds": (TABLE, ["a", "a", 1, 1]),
    "no labels": (TABLE, None),
    "infinite": (np.full((4, 3), np.inf), LABELS),
    "a sentinel": (np.where(TABLE == 5, 1e30, TABLE), LABELS),
    "nothing": (np.zeros((4, 0)), LABELS),
    "cases of unequal channels": ([np.ones((2, 5)), np.ones((3, 5))], ["a", "b"]),
    "names of two kinds": (pd.DataFrame(TABLE, columns=["t", 1, 2]), LABELS),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_refit_that_is_refused_changes_nothing(name, wave_model, before, waves):
    model = copy(wave_model).set_params(views=("linear",))
    model.channel_names_ = ["height", "turn"]
    attributes = dict(vars(model))
    with pytest.raises((TypeError, ValueError)):
        model.fit(*UNUSABLE[name])
    assert vars(model) == attributes
    np.testing.assert_array_equal(model.predict_proba(waves[2]), before["predict_proba"])


def test_a_refit_forgets_channels_and_time_step_of_a_file(waves):
    model = EGEMClassifier(views=("linear",)).fit(*waves[:2])
    model.channel_names_, model.time_step_ = ["height", "turn"], 0.5
    model.fit(TABLE, LABELS)
    assert model.channel_names_ is None and model.time_step_ is None
