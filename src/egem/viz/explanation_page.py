"""Explanations of cases as one page that needs no other file."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from egem.data.cases import Case, as_cases
from egem.explain import Explanation
from egem.viz import multiples, thumbnails
from egem.viz.html import Block, Drawing, Table, as_html, escaped
from egem.viz.multiples import Layer
from egem.viz.sequences import Drawing as Drawn
from egem.viz.sequences import drawing_of, scale_of
from egem.viz.svg import element, text
from egem.viz.thumbnails import thumbnail

if TYPE_CHECKING:
    from egem.classifier import EGEMClassifier

N_EXPERTS = 3  # that are listed; the first two are drawn
STYLES = "first", "second"  # of the reconstructions
STYLE = """
.key { display: flex; flex-wrap: wrap; gap: 0.2rem 1.2rem; margin: 0.8rem 0; padding: 0;
  list-style: none; font-size: 0.86rem; }
.key li { display: flex; align-items: center; gap: 0.45rem; }
.key li::before { content: ""; width: 1.5rem; border-top: 2px solid var(--ink); }
.key .first::before { border-color: var(--expert-0); }
.key .second::before { border-top-style: dashed; border-color: var(--expert-1); }
.key .shaded::before { border: 0; height: 0.8rem; opacity: 0.3; background: var(--expert-0); }
.key .shaded.other::before { background: var(--expert-1); }
"""
SHARED_STYLE = STYLE + multiples.STYLE + thumbnails.STYLE


def explanation_page(
    clf: "EGEMClassifier",
    X,
    y=None,
    cases: Sequence[int] | None = None,
    max_cases: int = 12,
    name: str = "X",
) -> str:
    """Write why cases were classified as they were, as HTML.

    Each case is drawn with its reconstructions by the experts of the two best classes: channel by
    channel, letters as strokes, images as such. Shades show when one of them fits better.

    Parameters
    ----------
    clf : EGEMClassifier
        A fitted model. Names of channels and the time step are its own, where it was fitted to a
        file that has them.
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
    found = clf.explain(as_cases([X[i] for i in shown]), n_experts=N_EXPERTS, paths=False)
    weighed = ""
    if clf.views_:
        weighed = (
            " Losses are those of the recurrent view. The probability counts the other views too, "
            "so that a class with a higher loss may win."
        )
    blocks: list[Block | Drawing] = [
        "# Explanations",
        f"{len(shown)} of {len(X)} cases of **{escaped(name)}**, wrong and uncertain ones first. "
        if cases is None
        else f"{len(shown)} of {len(X)} cases of **{escaped(name)}**. ",
        "The expert of each class reconstructs the case as closely as it can. Drawn are the "
        "reconstructions of the class that is predicted and of the runner-up; shades show when "
        f"the loss of one is lower than that of the other.{weighed}",
    ]
    for place, i in enumerate(shown):
        labels = found.labels[place]
        verdict = ""
        if y is not None:
            right = str(labels[0]) == str(y[i])
            verdict = " Right." if right else f" **Wrong: the true class is {escaped(y[i])}.**"
        rows = [
            (escaped(label), f"{p:.3f}", f"{loss:.3g}")
            for label, p, loss in zip(
                labels, found.probabilities[place], found.losses[place], strict=True
            )
        ]
        blocks += [
            f"# Case {i}",
            f"Predicted class **{escaped(labels[0])}**, probability "
            f"{found.probabilities[place, 0]:.3f}.{verdict} "
            f"{_typicality(float(found.p_values[place]))}",
            explanation(clf, found, place),
            Table(("class", "probability", "loss"), rows),
        ]
    return as_html(blocks)


def explanation(clf: "EGEMClassifier", found: Explanation, i: int = 0) -> Drawing:
    """Draw the explanation of one case.

    Parameters
    ----------
    clf : EGEMClassifier
        The model that explained it.
    found : Explanation
        ``clf.explain(X)``.
    i : int, default 0
        Which case.

    Returns
    -------
    Drawing
        A block for :func:`egem.viz.html.as_html`.

    Raises
    ------
    ValueError
        If there is no such case.
    """
    if not 0 <= i < len(found.cases):
        raise ValueError(f"i must be a case's number, 0 to {len(found.cases) - 1}, not {i}.")
    case = found.cases[i]
    labels = [str(label) for label in found.labels[i][:2]]
    decoded = [
        clf.preparation_.onto(each, case.shape[1]).astype(float)
        for each in found.reconstructions[i][:2]
    ]
    evidence = _evidence(clf, found, i)
    drawn = _drawing(clf, case)
    near = [clf.exemplars_.cases[j] for j in found.near[i] if j >= 0]
    scale = scale_of([case, *near], drawn)
    pictures = [
        element("figure", thumbnail(each, scale, f"training case of {labels[0]}")) for each in near
    ]
    if drawn == "lines":
        names = clf.channel_names_ or [f"channel {c + 1}" for c in range(len(case))]
        layers = [Layer(case, "case"), *map(Layer, decoded, STYLES)]
        words = f"the case and its reconstructions by the experts of {' and '.join(labels)}"
        main = multiples.multiples(layers, names, clf.time_step_, words, evidence)
    else:
        main = _as_pictures(case, labels, decoded, evidence, drawn)
    content = [_key(labels, drawn != "image"), main]
    if pictures:
        words = f"Training cases of {labels[0]} with the nearest codes:"
        content += [
            element("p", text(words), class_="note"),
            element("div", *pictures, class_="thumbnails small"),
        ]
    return Drawing("".join(content), SHARED_STYLE)


def _drawing(clf: "EGEMClassifier", case: Case) -> Drawn:
    """Choose how to draw a case: two channels are a pen's unless their names say otherwise."""
    names = [name.lower() for name in clf.channel_names_ or ("x", "y")]
    kind = drawing_of(clf.augmentation_, [case])
    return "lines" if kind == "pen" and names[0].replace("x", "y") != names[1] else kind


def _as_pictures(
    case: Case,
    labels: list[str],
    decoded: list[Case],
    evidence: Float[np.ndarray, " t"],
    kind: Drawn,
) -> str:
    scale = scale_of([case] if kind == "image" else [case, *decoded], kind)
    figures = [(thumbnail(case, scale, "the case", evidence=evidence), "the case", "")]
    for label, each, style in zip(labels, decoded, STYLES, strict=False):
        words = f"reconstruction by the expert of {label}"
        figures.append((thumbnail(each, scale, words, style, case), "reconstruction by ", label))
    parts = [
        element("figure", drawn, element("figcaption", text(words), element("b", text(label))))
        for drawn, words, label in figures
    ]
    return element("div", *parts, class_="thumbnails")


def _evidence(clf: "EGEMClassifier", found: Explanation, i: int) -> Float[np.ndarray, " t"]:
    """Return how much more loss the runner-up has than the winner at each point of a case."""
    length = found.cases[i].shape[1]
    if found.labels.shape[1] < 2:
        return np.zeros(length)
    apart = found.losses[i, 1] * found.shares[i, 1] - found.losses[i, 0] * found.shares[i, 0]
    return clf.preparation_.onto(apart[None].astype(float), length)[0]


def _key(labels: list[str], lines: bool) -> str:
    entries = [("", "the case"), *zip(STYLES, labels, strict=False)] if lines else []
    if len(labels) > 1:
        shaded = zip(("shaded", "shaded other"), labels, strict=True)
        entries += [(style, f"fits {label} better") for style, label in shaded]
    items = [element("li", text(words), class_=style or None) for style, words in entries]
    return element("ul", *items, class_="key")


def _typicality(p: float) -> str:
    """Describe how usual a case is, given its p-value of being of a known class."""
    if p <= 0.05:
        return f"More unusual than {100 * (1 - p):.3g} % of unseen members of the classes."
    return f"{100 * p:.0f} % of unseen members of the classes are at least as unusual."


def _by_interest(clf: "EGEMClassifier", X, y) -> list[int]:
    """Order cases: wrong predictions first, then by probability, the lowest first."""
    probabilities = clf.predict_proba(X)
    predicted = clf.classes_[probabilities.argmax(axis=1)].astype(str)
    right = np.ones(len(predicted), bool) if y is None else predicted == np.asarray(y).astype(str)
    return np.lexsort((probabilities.max(axis=1), right)).tolist()
