"""Models for the documentation's pictures, and the searches of their experts, step by step."""

from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from egem import EGEMClassifier, few_shot_split, load_dataset
from egem.data.preparation import Batch
from egem.ensemble.bank import Bank
from egem.ensemble.codebook import decoded
from egem.ensemble.search import search_path
from egem.readers.sources import own_file

LETTERS = "aeghlmnpuy"


class Searches(NamedTuple):
    """The searches of all experts of a model for the codes of one target.

    Attributes
    ----------
    target : array (n_channels, n_timepoints)
        The case.
    label : object
        Its class.
    codes : array (n_experts, n_steps, code_size)
        Codes along the search.
    scores : array (n_experts, n_steps)
        Loss and prior there.
    """

    target: Float[np.ndarray, "c t"]
    label: object
    codes: Float[np.ndarray, "e s k"]
    scores: Float[np.ndarray, "e s"]


@cache
def model_to_draw() -> tuple[EGEMClassifier, np.ndarray, np.ndarray]:
    """Fit four cases a class of ten letters, or of digits; return the model and unseen cases."""
    letters = own_file("character_trajectories.npz") is not None
    X, y = load_dataset("characters" if letters else "mnist-5k")
    X, y = np.asarray(X), np.asarray(y)
    if letters:
        kept = np.isin(y, list(LETTERS))
        X, y = X[kept], y[kept]
    train, test = few_shot_split(y, k=4, seed=3)
    return EGEMClassifier(random_state=0).fit(X[train], y[train]), X[test], y[test]


def from_the_middle(clf: EGEMClassifier) -> Bank:
    """Start searches at the mean code of each class: the usual starts are too near to the end."""
    bank, n_steps = clf.model_.bank, clf.preparation_.n_steps
    values = np.zeros((bank.n_experts, bank.codebook.values.shape[1]), np.float32)
    groups = []
    for group in bank.groups:
        middle = np.asarray(group.experts.code_mean)[:, None]
        values[group.numbers] = decoded(bank.decoder, group.experts.params, middle, n_steps)[:, 0]
        groups.append(group._replace(starts=middle))
    free = np.zeros((len(values), 1), np.float32)
    codebook = replace(bank.codebook, values=values, penalties=free)
    return bank._replace(groups=tuple(groups), codebook=codebook)


def follow_all(clf: EGEMClassifier, case: np.ndarray, label: object) -> Searches:
    """Follow the searches of all experts from their mean codes."""
    bank, grid = from_the_middle(clf), clf.preparation_
    batch: Batch = grid.apply(grid.align([np.asarray(case, float)]))
    paths = [search_path(bank, e, batch) for e in range(len(clf.classes_))]
    return Searches(
        case, label, np.stack([c[0] for c, _ in paths]), np.stack([s[0] for _, s in paths])
    )


def longest_searches(clf: EGEMClassifier, X: np.ndarray, y: np.ndarray, label: object) -> Searches:
    """Choose, of a few unseen cases, the recognised one whose loss falls furthest."""
    found = []
    own = int(np.flatnonzero(clf.classes_ == label)[0])
    for case in X[y == label][:12]:
        searches = follow_all(clf, case, label)
        if searches.scores[:, -1].argmin() == own:
            found.append((searches.scores[own, -1] / searches.scores[own, 0], searches))
    return min(found, key=lambda pair: pair[0])[1]


def imagine(clf: EGEMClassifier, e: int, codes: Float[np.ndarray, "n k"]) -> np.ndarray:
    """Decode codes with one expert, (n, n_channels, n_timepoints)."""
    return clf.model_.imagine(e, codes)
