"""Evaluation on labelled cases."""

import json

import numpy as np
import pytest

from egem.evaluate import evaluate, reliability


def test_known_and_unknown_cases_are_counted(digit_model, digits):
    X, y = digits[2], digits[3].copy()
    y[:12] = 77
    found = evaluate(digit_model.model_, X, y)
    assert (found.n_known, found.n_unknown) == (len(y) - 12, 12)
    assert found.confusion.sum() == found.n_known
    assert found.accuracy == np.trace(found.confusion) / found.n_known
    assert found.accuracy == pytest.approx(digit_model.score(X[12:], y[12:]), abs=0.01)
    assert found.n_in_bin.sum() == found.n_known
    assert 0 <= found.calibration_error < 0.3
    assert (np.diff(found.coverage) <= 0).all()
    assert 0 <= found.unknown_auc <= 1


def test_only_unknown_cases_can_be_evaluated(wave_model, waves):
    found = evaluate(wave_model.model_, waves[2], ["x"] * len(waves[2]))
    assert found.n_known == 0 and found.n_unknown == len(waves[2])
    assert found.as_dict()["accuracy"] is None
    assert np.isnan(found.accuracy) and np.isnan(found.unknown_auc)
    assert json.loads(json.dumps(found.as_dict()))["n_unknown"] == len(waves[2])


def test_an_evaluation_agrees_with_the_estimator(wave_model, waves):
    X, y = waves[2:]
    found = evaluate(wave_model.model_, X, y)
    assert found.accuracy == wave_model.score(X, y)
    truth = np.arange(len(X)), np.searchsorted(wave_model.classes_, y)
    p = wave_model.invert(X).probabilities()[truth]
    assert found.log_loss == pytest.approx(-np.log(p).mean(), rel=1e-4)
    for alpha, coverage, size in zip(found.alphas, found.coverage, found.set_size, strict=True):
        sets = wave_model.predict_set(X, alpha)
        assert coverage == sets[truth].mean() and size == sets.sum(axis=1).mean()


def test_reliability_in_bins():
    p = np.array([[0.95, 0.05], [0.95, 0.05], [0.4, 0.6]])
    confidence, hit_rate, n_in_bin = reliability(p, np.array([0, 1, 1]))
    assert n_in_bin.sum() == 3 and n_in_bin[14] == 2
    assert confidence[14] == pytest.approx(0.95) and hit_rate[14] == 0.5
    assert np.isnan(hit_rate[0])
