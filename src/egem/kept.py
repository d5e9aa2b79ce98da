"""Training cases that stay in a model: to teach it more, to measure anew, to show beside others."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from egem.calibration.folds import evenly
from egem.data.validation import Case


class Kept(NamedTuple):
    """Training cases in the user's units, class by class.

    Attributes
    ----------
    cases : tuple of array (n_channels, length_i)
        All cases of the first class, then of the second, ...
    classes : array of int (n,)
        Their classes, ascending.
    rows : array of int (n,)
        Which of its class's cases each is: its row of ``trained.codes``.
    """

    cases: tuple[Case, ...]
    classes: Int[np.ndarray, " n"]
    rows: Int[np.ndarray, " n"]

    def of(self, c: int) -> list[Case]:
        """Cases of one class."""
        return [self.cases[i] for i in np.flatnonzero(self.classes == c)]

    def without(self, c: int) -> "Kept":
        """Leave out a class; those after it move up."""
        left = np.flatnonzero(self.classes != c)
        classes = self.classes[left]
        return Kept(tuple(self.cases[i] for i in left), classes - (classes > c), self.rows[left])

    def with_class(self, c: int, cases: Sequence[Case], most: int) -> "Kept":
        """Add the cases of a class at position ``c``; those from there on move down."""
        new = keep(cases, np.full(len(cases), c), most)
        cut = int(np.searchsorted(self.classes, c))
        classes = self.classes + (self.classes >= c)
        return Kept(
            (*self.cases[:cut], *new.cases, *self.cases[cut:]),
            np.concatenate([classes[:cut], new.classes, classes[cut:]]),
            np.concatenate([self.rows[:cut], new.rows, self.rows[cut:]]),
        )


def keep(cases: Sequence[Case], classes: Int[np.ndarray, " n"], most: int) -> Kept:
    """Keep cases, of a class with more than ``most`` an even selection."""
    index, rows = [], []
    for c in np.unique(classes):
        of = np.flatnonzero(classes == c)
        some = evenly(len(of), most)
        index.append(of[some])
        rows.append(some)
    order = np.concatenate(index)
    return Kept(tuple(cases[i] for i in order), classes[order], np.concatenate(rows))
