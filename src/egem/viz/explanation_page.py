"""Explanations of several cases as one page that needs no other file."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from egem.viz.explanation_plot import explanation
from egem.viz.html import Block, Picture, as_html, escaped
from egem.viz.style import as_png

if TYPE_CHECKING:
    from egem.classifier import EGEMClassifier

N_EXPERTS = 3


def explanation_page(
    clf: "EGEMClassifier",
    X,
    y=None,
    cases: Sequence[int] | None = None,
    max_cases: int = 12,
    name: str = "X",
) -> str:
    """Write why cases were classified as they were, as HTML.

    Parameters
    ----------
    clf : EGEMClassifier
        A fitted model.
    X : array or list
        Cases.
    y : array (n_cases,), optional
        Their labels, to mark wrong predictions.
    cases : sequence of int, optional
        Which to show; None takes wrong predictions first, then the least certain.
    max_cases : int, default 12
        How many to show at most.
    name : str, default "X"
        Name of the data.

    Returns
    -------
    str
    """
    shown = list(_by_interest(clf, X, y) if cases is None else cases)[:max_cases]
    found = clf.explain([X[i] for i in shown], n_experts=N_EXPERTS)
    n_classes = len(clf.classes_)
    ranking = "The lowest sum of loss and penalty of the code ranks first."
    if clf.views_:
        ranking = "Losses are those of the recurrent view; the ranking counts the other views too."
    blocks: list[Block] = [
        "# Explanations",
        f"{len(shown)} of {len(X)} cases of **{escaped(name)}**, each with the "
        f"{found.labels.shape[1]} experts that rank first, of {n_classes}. Every expert searches "
        "for the code whose sequence has the lowest loss to the case. The figures show these "
        f"reconstructions, with the loss by time point as bars. {ranking}",
    ]
    for place, i in enumerate(shown):
        labels = found.labels[place]
        verdict = ""
        if y is not None:
            right = str(labels[0]) == str(y[i])
            verdict = " Right." if right else f" **Wrong: the true class is {escaped(y[i])}.**"
        words = f"Case {i} and its reconstructions by the experts of {', '.join(map(str, labels))}"
        blocks += [
            f"# Case {i}",
            f"Predicted class **{escaped(labels[0])}**, probability "
            f"{found.probabilities[place, 0]:.3f}; p-value of a known class "
            f"{found.p_values[place]:.3g}.{verdict}",
            Picture(f"case-{i}.png", words, as_png(explanation(clf, found, place))),
        ]
    return as_html(blocks)


def _by_interest(clf: "EGEMClassifier", X, y) -> list[int]:
    """Order cases: wrong predictions first, then by probability, the lowest first."""
    probabilities = clf.predict_proba(X)
    predicted = clf.classes_[probabilities.argmax(axis=1)].astype(str)
    right = np.ones(len(predicted), bool) if y is None else predicted == np.asarray(y).astype(str)
    return np.lexsort((probabilities.max(axis=1), right)).tolist()
