"""The aeon estimator: aeon's own checks, and the same results as the scikit-learn estimator."""

import importlib
import inspect
import sys

import numpy as np
import pandas as pd
import pytest
from aeon.datasets import load_japanese_vowels
from aeon.testing.estimator_checking import parametrize_with_checks

from egem import EGEMClassifier, LSTMDecoder, Training
from egem.aeon import AeonEGEMClassifier

SMALL = {
    "decoder": LSTMDecoder(4),
    "training": Training(n_updates=20),
    "augment": "none",
    "align": "start",
    "random_state": 0,
}


@parametrize_with_checks([AeonEGEMClassifier])
def test_aeons_checks(check):
    check()


@pytest.fixture(scope="module")
def vowels():
    """Twelve channels, 7 to 29 time points: three speakers, four cases each."""

    def some(X, y):
        index = np.concatenate([np.flatnonzero(y == speaker)[:4] for speaker in "123"])
        return [X[i] for i in index], y[index]

    return *some(*load_japanese_vowels("train")), some(*load_japanese_vowels("test"))[0]


def padded(cases, length=29):
    """One array, with NaN after the end of a case."""
    return np.stack(
        [np.pad(x, ((0, 0), (0, length - x.shape[1])), constant_values=np.nan) for x in cases]
    )


@pytest.fixture(scope="module")
def vowel_model(vowels):
    X, y, _ = vowels
    return AeonEGEMClassifier(**SMALL).fit(padded(X), y)


@pytest.mark.parametrize("gaps", [0.0, 0.1])
def test_results_equal_those_of_the_scikit_learn_estimator(vowels, gaps):
    X, y, X_test = vowels
    rng = np.random.default_rng(0)
    X, X_test = (
        [np.where(rng.random(x.shape) < gaps, np.nan, x) for x in cases] for cases in (X, X_test)
    )
    clf = AeonEGEMClassifier(**SMALL).fit(X, y)
    other = EGEMClassifier(**SMALL, n_jobs=1).fit(X, y)
    np.testing.assert_array_equal(clf.classes_, other.classes_)
    np.testing.assert_array_equal(clf.predict(X_test), other.predict(X_test))
    np.testing.assert_array_equal(clf.predict_proba(X_test), other.predict_proba(X_test))
    np.testing.assert_array_equal(clf.estimator_.losses(X_test), other.losses(X_test))


def test_every_kind_of_collection_is_accepted(vowel_model, vowels):
    X_test = vowels[2]
    frames = [pd.DataFrame(x) for x in X_test]
    long = pd.concat({i: frame.T for i, frame in enumerate(frames)})
    expected = vowel_model.predict_proba(padded(X_test))
    for collection in (X_test, frames, long):
        np.testing.assert_array_equal(vowel_model.predict_proba(collection), expected)


def test_parameters_are_those_of_the_scikit_learn_estimator_but_for_n_jobs():
    ours, theirs = (
        {name: (p.kind, p.default) for name, p in inspect.signature(each).parameters.items()}
        for each in (AeonEGEMClassifier, EGEMClassifier)
    )
    assert ours.pop("n_jobs")[1] == 1
    assert theirs.pop("n_jobs")[1] is None
    assert ours == theirs
    given = {"decoder": LSTMDecoder(7), "training": Training(code_noise=0.1), "n_jobs": -1}
    clf = AeonEGEMClassifier(**given)
    assert clf.get_params() == EGEMClassifier(**given).get_params()
    assert clf.set_params(training__n_updates=7).training.n_updates == 7
    with pytest.raises(TypeError, match="unexpected keyword argument 'n_cells'"):
        AeonEGEMClassifier(n_cells=7)


def test_n_jobs_is_counted_as_in_aeon_and_changes_nothing(vowel_model, vowels, monkeypatch):
    X, y, X_test = vowels
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    clf = AeonEGEMClassifier(**SMALL, n_jobs=-2).fit(X, y)
    assert clf.estimator_.n_jobs == 2 and clf.n_jobs == -2
    assert vowel_model.estimator_.n_jobs == 1
    expected = vowel_model.predict_proba(X_test)
    np.testing.assert_allclose(clf.predict_proba(X_test), expected, rtol=1e-5, atol=1e-5)


def test_without_aeon_the_error_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "aeon.classification.base", None)
    monkeypatch.delitem(sys.modules, "egem.aeon")
    with pytest.raises(ImportError, match=r"pip install 'egem\[data\]'"):
        importlib.import_module("egem.aeon")
