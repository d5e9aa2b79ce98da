"""Models to draw from, and what their experts make of a target, step by step."""

from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from egem import EGEMClassifier, few_shot_split, load_dataset
from egem.data.preparation import Batch
from egem.data.sources import own_file
from egem.ensemble.bank import Arena
from egem.ensemble.codebook import decoded
from egem.ensemble.search import follow

LETTERS = "aeghlmnpuy"


class Contest(NamedTuple):
    """What every expert of a model made of one target, step by step.

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
    """Fit four cases a class of ten letters, or of digits; return unseen cases as well."""
    letters = own_file("character_trajectories.npz") is not None
    X, y = load_dataset("characters" if letters else "mnist-5k")
    X, y = np.asarray(X), np.asarray(y)
    if letters:
        kept = np.isin(y, list(LETTERS))
        X, y = X[kept], y[kept]
    train, test = few_shot_split(y, k=4, seed=3)
    return EGEMClassifier(random_state=0).fit(X[train], y[train]), X[test], y[test]


def from_the_middle(clf: EGEMClassifier) -> Arena:
    """Let searches begin at the mean code of each class, so that there is something to see."""
    ensemble, arena = clf.ensemble_, clf.ensemble_.arena
    values = np.zeros((len(clf.classes_), 1, ensemble.n_values), np.float32)
    teams = []
    for team in arena.teams:
        middle = np.asarray(team.searchers.code_mean)[:, None]
        values[team.experts] = decoded(team.searchers.expert, middle, clf.preparation_.n_steps)
        teams.append(team._replace(book=middle))
    free = np.zeros((len(values), 1), np.float32)
    books = replace(arena.books, values=values[:, 0], prices=free)
    return arena._replace(teams=tuple(teams), books=books)


def contest(clf: EGEMClassifier, case: np.ndarray, label: object) -> Contest:
    """Follow all experts from their middle."""
    arena, grid = from_the_middle(clf), clf.preparation_
    batch: Batch = grid.apply(grid.align([np.asarray(case, float)]))
    paths = [follow(arena, e, batch) for e in range(len(clf.classes_))]
    return Contest(
        case, label, np.stack([c[0] for c, _ in paths]), np.stack([s[0] for _, s in paths])
    )


def telling(clf: EGEMClassifier, X: np.ndarray, y: np.ndarray, label: object) -> Contest:
    """Choose, of a few unseen cases, a recognised one whose search has a long way to go."""
    found = []
    for case in X[y == label][:12]:
        one = contest(clf, case, label)
        own = int(np.flatnonzero(clf.classes_ == label)[0])
        if one.scores[:, -1].argmin() == own:
            found.append((one.scores[own, -1] / one.scores[own, 0], one))
    return min(found, key=lambda pair: pair[0])[1]
