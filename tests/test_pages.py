"""Figures and pages of explanations and evaluations."""

import pytest

from egem.evaluate import evaluate
from egem.viz.evaluation_page import evaluation_page
from egem.viz.explanation_page import explanation_page
from egem.viz.explanation_plot import explanation


@pytest.mark.parametrize("model", ["digit_model", "wave_model", "paper_model"])
def test_explanations_of_every_kind_of_model_are_drawn(model, digits, waves, request):
    clf = request.getfixturevalue(model)
    X, y = (waves[2], waves[3]) if model == "wave_model" else (digits[2][:9], digits[3][:9])
    found = clf.explain(X[:2], n_experts=2)
    figure = explanation(clf, found, 1)
    names = {axes.get_label() for axes in figure.axes}
    assert {"case", "expert 0", "expert 1", "shares 0", "near 0"} <= names
    assert ("search" in names) == (model != "paper_model")
    page = explanation_page(clf, X, y, most=2)
    assert page.count("<img") == 2 and "http" not in page


def test_evaluations_are_drawn(digit_model, wave_model, digits, waves):
    labels = digits[3].copy()
    labels[:12] = 77
    page = evaluation_page(evaluate(digit_model.model_, digits[2], labels), "digits")
    assert page.count("<img") == 2 and ">77<" not in page
    found = evaluate(wave_model.model_, waves[2], ["x"] * len(waves[2]))
    assert "unknown cases rejected" in evaluation_page(found, "waves")
