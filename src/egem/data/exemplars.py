"""Training cases that stay in a model: to train on, to calibrate with, to show beside others."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from egem.data.cases import Case
from egem.runtime.batching import evenly


class Exemplars(NamedTuple):
    """Training cases in the user's units, class by class.

    Attributes
    ----------
    cases : tuple of array (n_channels, length_i)
        All cases of the first class, then of the second, ...
    classes : array of int (n,)
        Their classes, ascending.
    rows : array of int (n,)
        Which of its class's training cases each is: its row of the expert's ``codes``.
    """

    cases: tuple[Case, ...]
    classes: Int[np.ndarray, " n"]
    rows: Int[np.ndarray, " n"]

    @classmethod
    def none(cls) -> "Exemplars":
        """Return no cases."""
        return cls((), np.zeros(0, int), np.zeros(0, int))

    @classmethod
    def of(cls, cases: Sequence[Case], classes: Int[np.ndarray, " n"], most: int) -> "Exemplars":
        """Keep cases, of a class with more than ``most`` an even selection."""
        index, rows = [], []
        for c in np.unique(classes):
            members = np.flatnonzero(classes == c)
            some = evenly(len(members), most)
            index.append(members[some])
            rows.append(some)
        order = np.concatenate(index)
        own = tuple(np.array(cases[i]) for i in order)  # the user may change theirs
        return cls(own, classes[order], np.concatenate(rows))

    def of_class(self, c: int) -> list[Case]:
        """Return the cases of one class."""
        return [self.cases[i] for i in np.flatnonzero(self.classes == c)]

    def without(self, c: int) -> "Exemplars":
        """Leave out a class; those after it move up."""
        left = np.flatnonzero(self.classes != c)
        classes = self.classes[left]
        cases = tuple(self.cases[i] for i in left)
        return Exemplars(cases, classes - (classes > c), self.rows[left])

    def with_class(
        self,
        c: int,
        cases: Sequence[Case],
        most: int,
        rows: Int[np.ndarray, " m"] | None = None,
    ) -> "Exemplars":
        """Add the cases of a class at position ``c``; those from there on move down.

        ``rows`` are those of the cases, where they are not all of the class's training cases.
        """
        new = Exemplars.of(cases, np.full(len(cases), c), most)
        if rows is not None:
            new = new._replace(rows=rows[new.rows])
        cut = int(np.searchsorted(self.classes, c))
        classes = self.classes + (self.classes >= c)
        return Exemplars(
            (*self.cases[:cut], *new.cases, *self.cases[cut:]),
            np.concatenate([classes[:cut], new.classes, classes[cut:]]),
            np.concatenate([self.rows[:cut], new.rows, self.rows[cut:]]),
        )

    def reordered(self, place: Int[np.ndarray, " n_classes"]) -> "Exemplars":
        """Give each class c the position ``place[c]``."""
        classes = place[self.classes]
        index = np.argsort(classes, kind="stable")
        return Exemplars(tuple(self.cases[i] for i in index), classes[index], self.rows[index])
