"""Classes that come and go: experts are independent, so only the one concerned is trained."""

from dataclasses import replace
from typing import Any, Self

import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from egem.calibration.folds import holding
from egem.data.preparation import Preparation, canonical_order
from egem.data.validation import Case, as_cases, check_spread
from egem.ensemble.codes import Trained
from egem.ensemble.result import class_index
from egem.kept import Kept
from egem.making import Making
from egem.settings import check_channels


class Growth(Making):
    """The methods of :class:`egem.EGEMClassifier` that change its classes.

    Each changes the model as a whole or, where it fails, not at all. Scaling, metric and sharpness
    stay as they are, so that the losses of the other experts do; what held-out cases score is
    measured anew, on the cases kept in the model.
    """

    keep_cases: int

    def add_class(self, X: ArrayLike, label: Any, *, refit_metric: bool = False) -> Self:
        """Teach one more class; the other experts stay as they are, bit for bit.

        Parameters
        ----------
        X : array or list
            Cases of the class, as for :meth:`fit`.
        label : label
            Its name, of the type of the others: text or integer.
        refit_metric : bool, default False
            Whether to do what :meth:`refit_metric` does as well, quicker than one after the other.

        Returns
        -------
        EGEMClassifier
            Itself.

        Raises
        ------
        ValueError
            Where there is such a class, the label is of another type, or the cases do not fit the
            model.
        TrainingDiverged
            Where the expert reaches no finite loss.
        """
        cases = self._new_cases(X)
        classes, at = self._with_label(label)
        trained = self._taught([cases], [label])
        mine = list(self.ensemble_.trained)
        mine.insert(at, trained[0])
        kept = self.cases_.with_class(at, cases, self.keep_cases)
        return self._settle(classes, mine, kept, refit_metric)

    def update_class(self, X: ArrayLike, label: Any, *, refit_metric: bool = False) -> Self:
        """Teach a class with more cases: its expert is trained anew on old and new ones.

        Parameters
        ----------
        X : array or list
            Further cases of the class.
        label : label
            Its name.
        refit_metric : bool, default False
            Whether to do what :meth:`refit_metric` does as well, quicker than one after the other.

        Returns
        -------
        EGEMClassifier
            Itself.

        Raises
        ------
        ValueError
            Where there is no such class, or not all of its cases were kept in the model.
        """
        cases = self._new_cases(X)
        at, old = self._all_cases(label)
        return self._taught_anew(at, [*old, *cases], refit_metric)

    def remove_cases(self, label: Any, which: ArrayLike, *, refit_metric: bool = False) -> Self:
        """Let a class forget some of its cases: its expert is trained anew on the others.

        Parameters
        ----------
        label : label
            The class.
        which : array-like of int
            Numbers of the cases among those of the class, in the order in which they were given.
        refit_metric : bool, default False
            Whether to do what :meth:`refit_metric` does as well, quicker than one after the other.

        Returns
        -------
        EGEMClassifier
            Itself.

        Raises
        ------
        ValueError
            Where there is no such class or case, none would be left, or not all cases of the class
            were kept in the model.
        """
        check_is_fitted(self)
        at, old = self._all_cases(label)
        numbers = np.atleast_1d(np.asarray(which))
        if numbers.dtype.kind not in "iu" or not ((numbers >= 0) & (numbers < len(old))).all():
            raise ValueError(
                f"which must hold numbers of the cases of class {label!r}, 0 to {len(old) - 1}; it "
                f"is {which!r}."
            )
        left = [old[i] for i in np.setdiff1d(np.arange(len(old)), numbers)]
        if not left:
            raise ValueError(
                f"no case of class {label!r} would be left; call remove_class to forget it."
            )
        return self._taught_anew(at, left, refit_metric)

    def remove_class(self, label: Any) -> Self:
        """Forget a class.

        Parameters
        ----------
        label : label
            Its name; at least one class must remain.

        Returns
        -------
        EGEMClassifier
            Itself.

        Raises
        ------
        ValueError
            Where there is no such class, or no other.
        """
        check_is_fitted(self)
        at = class_index(self.classes_, label)
        if len(self.classes_) == 1:
            raise ValueError(
                f"{label!r} is the only class of this model; a model needs one at least."
            )
        mine = [t for e, t in enumerate(self.ensemble_.trained) if e != at]
        return self._settle(np.delete(self.classes_, at), mine, self.cases_.without(at))

    def rename_class(self, label: Any, new: Any) -> Self:
        """Give a class another name; nothing else changes.

        Parameters
        ----------
        label : label
            Its name so far.
        new : label
            Its name from now on, of the same type.

        Returns
        -------
        EGEMClassifier
            Itself.

        Raises
        ------
        ValueError
            Where there is no such class, or the new name is taken or of another type.
        """
        check_is_fitted(self)
        old = class_index(self.classes_, label)
        classes, at = self._with_label(new)
        names = np.delete(classes, old + (at <= old))
        at = int(np.flatnonzero(names == new)[0])
        order = np.insert(np.delete(np.arange(len(names)), old), at, old)
        place = np.argsort(order)
        kept = self.cases_
        index = np.argsort(place[kept.classes], kind="stable")
        moved = Kept(
            tuple(kept.cases[i] for i in index), place[kept.classes][index], kept.rows[index]
        )
        held, experts = self.held_out_, self.ensemble_.trained
        self.classes_ = names
        self.cases_ = moved
        self.hulls_ = tuple(self.hulls_[i] for i in order) if self.hulls_ else ()
        self.held_out_ = held._replace(
            log_scores=held.log_scores[:, order], truth=place[held.truth]
        )
        self.ensemble_ = replace(
            self.ensemble_, classes=names, trained=tuple(experts[i] for i in order)
        )
        return self

    def merge(self, other: "Growth") -> Self:
        """Take in all classes of another model.

        Its experts are brought to this model's scaling, in which they imagine what they did before,
        and are measured in this model's metric. Where the two lay sequences on different grids
        (other lengths), its classes are taught anew from the cases it keeps.

        Parameters
        ----------
        other : EGEMClassifier
            A fitted model of the same channels; it stays as it is.

        Returns
        -------
        EGEMClassifier
            Itself.

        Raises
        ------
        ValueError
            Where the channels differ, a class is in both, or labels are of different types.
        """
        check_is_fitted(self)
        check_is_fitted(other)
        mine, its = self.preparation_, other.preparation_
        if mine.n_channels != its.n_channels:
            raise ValueError(
                f"other has {its.n_channels} channels, this model {mine.n_channels}; only models "
                "of the same channels, in the same order, can be merged."
            )
        both = np.intersect1d(self.classes_, other.classes_)
        if len(both):
            raise ValueError(
                f"class {both[0].item()!r} is in both models; call rename_class or remove_class on "
                "one of them first."
            )
        labels = other.classes_.tolist()
        cases = [other.cases_.of(e) for e in range(len(labels))]
        alike = self.recipe_.n_cells == other.recipe_.n_cells and mine[2:] == its[2:]
        if alike:
            trained = [rescaled(t, its, mine) for t in other.ensemble_.trained]
        else:
            trained = self._taught(cases, labels)
        classes, experts, kept = self.classes_, list(self.ensemble_.trained), self.cases_
        for label, expert, of in zip(labels, trained, cases, strict=True):
            classes, at = _inserted(classes, label)
            experts.insert(at, expert)
            kept = kept.with_class(at, of, self.keep_cases)
        return self._settle(classes, experts, kept)

    def refit_metric(self) -> Self:
        """Estimate metric, weights and sharpness anew from the cases kept in the model.

        Worth it after classes have come or gone; scaling and experts stay. A metric that was handed
        to the constructor stays as well.

        Returns
        -------
        EGEMClassifier
            Itself.
        """
        check_is_fitted(self)
        return self._settle(
            self.classes_, list(self.ensemble_.trained), self.cases_, refit_metric=True
        )

    def held_out_cases(self) -> Int[np.ndarray, " n"] | None:
        """Tell which training cases :attr:`held_out_` holds the scores of.

        Returns
        -------
        array of int (n,) or None
            Numbers in :attr:`cases_`; None where other cases were scored (:meth:`calibrate`) or not
            all of them are kept in the model.
        """
        check_is_fitted(self)
        kept, held = self.cases_, self.held_out_
        if not kept.cases:
            return None
        order = canonical_order(self.preparation_.apply(list(kept.cases)))
        holds = holding(kept.classes[order])
        numbers = order[holds.some[holds.order]] if holds.folds else np.zeros(0, int)
        return numbers if np.array_equal(kept.classes[numbers], held.truth) else None

    def _new_cases(self, X) -> list[Case]:
        """Check cases that an expert is to be taught."""
        check_is_fitted(self)
        cases = as_cases(X)
        check_channels(cases, self.preparation_.n_channels, "this model")
        check_spread(cases, stacklevel=4)
        longest = max(x.shape[1] for x in self.preparation_.align(cases))
        if longest > self.preparation_.n_timepoints:
            raise ValueError(
                f"X: a case has {longest} time points, but the experts of this model imagine "
                f"{self.preparation_.n_timepoints}; fit anew with all classes, or shorten it."
            )
        self._check_visible(self.preparation_.apply(cases))
        return cases

    def _all_cases(self, label) -> tuple[int, list[Case]]:
        """Find a class, and the cases it was taught with."""
        at = class_index(self.classes_, label)
        old, known = self.cases_.of(at), len(self.ensemble_.trained[at].codes)
        if len(old) < known:
            raise ValueError(
                f"the model keeps {len(old)} of the {known} cases that class {label!r} was taught "
                "with, and an expert taught anew would forget the rest; fit with a larger "
                "keep_cases, or remove the class and add it with all its cases."
            )
        return at, old

    def _taught_anew(self, at: int, cases: list[Case], refit_metric: bool) -> Self:
        """Train a class's expert on other cases than before."""
        mine = list(self.ensemble_.trained)
        mine[at] = self._taught([cases], [self.classes_[at].item()])[0]
        kept = self.cases_.without(at).with_class(at, cases, self.keep_cases)
        return self._settle(self.classes_, mine, kept, refit_metric)

    def _with_label(self, label) -> tuple[np.ndarray, int]:
        if (self.classes_ == label).any():
            raise ValueError(
                f"{label!r} is a class of this model already; call update_class to teach it more."
            )
        return _inserted(self.classes_, label)


def _inserted(classes: np.ndarray, label) -> tuple[np.ndarray, int]:
    """Put a label in its place among sorted ones of the same type."""
    text = classes.dtype.kind in "UO"
    if text != isinstance(label, str):
        raise ValueError(
            f"label {label!r} is {'not ' * text}text, unlike the classes of this model "
            f"({classes[0].item()!r}, ...); give one of their type."
        )
    if not text and not isinstance(label, int | np.integer):
        raise ValueError(f"label {label!r} must be an integer, like the classes of this model.")
    at = int(np.searchsorted(classes, label))
    return np.concatenate([classes[:at], np.array([label]), classes[at:]]), at


def rescaled(trained: Trained, its: Preparation, mine: Preparation) -> Trained:
    """Let an expert imagine, in another scaling, what it imagined before in its own."""
    ratio = its.scale / mine.scale
    expert = trained.expert
    bias = (np.asarray(expert.b_out) * its.scale + its.mean - mine.mean) / mine.scale
    moved = expert._replace(
        w_out=np.asarray(expert.w_out * ratio, np.float32), b_out=np.asarray(bias, np.float32)
    )
    return trained._replace(expert=moved)
