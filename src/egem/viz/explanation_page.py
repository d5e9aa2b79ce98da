"""Explanations of several cases as one page that needs no other file."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from egem.viz.explanation_plot import explanation
from egem.viz.html import Block, Picture, as_html
from egem.viz.style import as_png

if TYPE_CHECKING:
    from egem.classifier import EGEMClassifier


def explanation_page(
    clf: "EGEMClassifier",
    X,
    y=None,
    cases: Sequence[int] | None = None,
    most: int = 12,
    name: str = "X",
) -> str:
    """Draw why cases are classified as they are.

    Parameters
    ----------
    clf : EGEMClassifier
        A fitted model.
    X : array or list
        Cases.
    y : array (n_cases,), optional
        Their labels, to say which are wrong.
    cases : sequence of int, optional
        Which to draw; None draws wrong ones first, then the least certain.
    most : int, default 12
        Most cases drawn.
    name : str, default "X"
        What the data are called on the page.

    Returns
    -------
    str
        HTML.
    """
    chosen = cases
    if chosen is None:
        chances = clf.predict_proba(X)
        certain = chances.max(axis=1)
        wrong = np.zeros(len(chances), bool)
        if y is not None:
            wrong = clf.classes_[chances.argmax(axis=1)].astype(str) != np.asarray(y).astype(str)
        chosen = np.lexsort((certain, ~wrong)).tolist()
    shown = [*chosen][:most]
    found = clf.explain([X[i] for i in shown])
    ranked = "The lowest loss, with the price of its code, wins."
    if clf.hulls_:
        ranked = "Losses are the experts' own; features of the cases count in the ranking as well."
    blocks: list[Block] = [
        "# What the experts imagined",
        f"{len(shown)} of {len(X)} cases of `{name}`, each with the three experts that rank first, "
        f"of {len(clf.classes_)}. Every expert searched for the code whose sequence comes nearest "
        "to the case; what it found is drawn, and the bars say where along the case its loss lies. "
        f"Numbers are probabilities and losses. {ranked}",
    ]
    for place, i in enumerate(shown):
        label = found.labels[place, 0]
        verdict = ""
        if y is not None:
            right = str(label) == str(y[i])
            verdict = " Right." if right else f" **Wrong: it is {y[i]}.**"
        blocks.append(f"# Case {i}")
        blocks.append(
            f"Taken for **{label}** with probability {found.probabilities[place, 0]:.3f}; "
            f"p-value of being of a known class {found.novelty[place]:.3g}.{verdict}"
        )
        content = as_png(explanation(clf, found, place))
        words = f"Case {i} beside what the experts of {', '.join(map(str, found.labels[place]))} "
        blocks.append(Picture(f"case-{i}.png", words + "imagined", content))
    return as_html(blocks)
