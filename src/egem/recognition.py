"""What a fitted classifier says of new cases: classes, probabilities, sets, and unknowns."""

import logging
import warnings
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any, Self, TypeVar

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Shaped
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from .calibration import probabilities, sharpest
from .contest import ALL, NEAREST, WINNER, Wanted
from .engines import active
from .fitted import Fitted
from .heldout import HeldOut, conformal_sets, nothing_held_out, p_values
from .inversion import Evidence, Inversion
from .judging import Judging, Shard, Verdicts, judge, portable, verdicts, winners, without_codes
from .kept import Kept
from .metric import Metric
from .parameters import check_channels
from .phases import Phases
from .prepare import Batch
from .shards import spread
from .spaces import Representation
from .tiles import Advance, Progress, plain_products, run
from .validation import Case, as_labels

log = logging.getLogger(__name__)

Taken = TypeVar("Taken")

PAIRS_AT_ONCE = 2**19  # of a case and an expert, that are worked on together
CASES_AT_ONCE = 64, 4096  # but no fewer and no more cases than these
SHARDS_A_WORKER = 3  # or more, where cases are many
CASES_OF_A_TILE = 256  # whose features a thread works out
NEGLIGIBLE = 1e-3  # sum of probabilities that are not worth a search
SHARPNESSES = tuple(np.geomspace(0.1, 1000.0, 161))


class Recognition(Fitted):
    """The methods of :class:`egem.EGEMClassifier` that judge cases."""

    def invert(self, X: ArrayLike) -> Inversion:
        """Let every expert search for the code of every case.

        Parameters
        ----------
        X : array or list
            Cases, as for :meth:`fit`. Shorter ones are compared as far as they go.

        Returns
        -------
        Inversion
            Codes, losses, priors, steps, convergence, reconstructions, and the time it took. Its
            ``states`` and ``troubles`` tell of searches that found nothing or did not end.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            For input that does not fit the training cases.
        """
        inversion = self._invert(X, ALL)
        for trouble in inversion.troubles:
            log.info("invert: %s", trouble)
        return inversion

    def glance(
        self,
        X: ArrayLike,
        among: ArrayLike | None = None,
        n_iterations: int | None = None,
        spaces: bool = True,
    ) -> Inversion:
        """Do what :meth:`invert` does, quicker for few cases, while somebody waits.

        Tiles of the search are as thin as the cases are few, so that the last digits may depend on
        what else is asked for; and some of the search can be left out.

        Parameters
        ----------
        X : array or list
            Cases, as for :meth:`invert`.
        among : array of bool (n_cases, n_classes) or None, default None
            Which experts search for the code of which case; None is all. Losses of the others are
            not worked out, and may be inf.
        n_iterations : int or None, default None
            Most steps of a search; None is the model's.
        spaces : bool, default True
            Whether further spaces of the metric count in the scores, as they do elsewhere; without
            them scores are losses and priors alone.

        Returns
        -------
        Inversion

        Raises
        ------
        ValueError
            Where the input does not fit the training cases, or ``among`` the input.
        """
        check_is_fitted(self)
        cases = self._cases(X, reset=False)
        check_channels(cases, self.preparation_.n_channels, "this model")
        shape = len(cases), len(self.classes_)
        wanted = np.ones(shape, bool) if among is None else np.asarray(among, bool)
        if wanted.shape != shape:
            raise ValueError(
                f"among has shape {wanted.shape}, but there are {shape[0]} cases in X and "
                f"{shape[1]} classes in this model; give one entry for each pair of them."
            )
        return self._searched(
            cases, 1, lambda _: None, spaces=spaces, among=wanted, n_iterations=n_iterations
        )

    def predict(
        self,
        X: ArrayLike,
        reject: float | None = None,
        unknown: Any = None,
    ) -> Shaped[np.ndarray, " n_cases"]:
        """Return the class that comes nearest, for each case: the lowest of ``invert(X).scores``.

        Experts that are far behind after a few steps do not search on; ``benchmarks/accuracy.py``
        reports in how many cases the winner is that of :meth:`invert`.

        Parameters
        ----------
        X : array or list
            Cases, as for :meth:`invert`.
        reject : float or None, default None
            Share, in (0, 1), of the cases of known classes that may be taken for unknown: those
            whose :meth:`novelty` is at most that. None rejects nothing.
        unknown : label or None, default None
            What unknown cases are called; None is ``"unknown"`` beside text labels, otherwise -1.

        Returns
        -------
        array (n_cases,)

        Raises
        ------
        ValueError
            Where ``reject`` is out of range, or the label of unknown cases is that of a class.
        """
        if reject is None:
            found = np.concatenate(list(self._taken(X, WINNER, winners)))
            return self.classes_[found]
        check_share("reject", reject)
        check_is_fitted(self)
        if unknown is None:
            unknown = "unknown" if self.classes_.dtype.kind in "UO" else -1
        if (self.classes_ == unknown).any():
            raise ValueError(
                f"unknown={unknown!r} is a class of this model; name another label for rejected "
                "cases."
            )
        inversion = self._invert(X, NEAREST, without_codes, decided=True)
        chosen = self.classes_[inversion.scores.argmin(axis=1)]
        known = p_values(inversion.strangeness, self.held_out_.strangeness) > reject
        return np.where(known, chosen, np.asarray(unknown))

    def predict_proba(self, X: ArrayLike) -> Float32[np.ndarray, "n_cases n_classes"]:
        """Return class probabilities, proportional to ``invert(X).scores ** -sharpness_``.

        The sharpness is chosen by leaving training cases out, or by :meth:`calibrate`. Experts that
        are so far behind after a few steps that all of them together would get a probability of
        less than 0.001 do not search on: they get what they have earned by then.

        Probabilities say which of the known classes is likeliest; a sequence of none of them gets
        probabilities as well, see :meth:`novelty`.

        Parameters
        ----------
        X : array or list
            Cases, as for :meth:`invert`.

        Returns
        -------
        array (n_cases, n_classes)
            Columns in the order of ``classes_``.
        """
        return probabilities(self._judged(X).scores, self.sharpness_)

    def _judged(self, X: ArrayLike) -> Inversion:
        """Invert, but let experts leave that do not matter to a probability."""
        check_is_fitted(self)
        return self._invert(X, self._chances, without_codes, decided=True)

    @property
    def _chances(self) -> Wanted:
        return Wanted(np.log(len(self.classes_) / NEGLIGIBLE) / self.sharpness_)

    def verdicts(self, X: ArrayLike) -> Verdicts:
        """Return what decides of each case, and no more: for many cases and classes.

        Agrees with :meth:`predict_proba`, of which the arrays of all pairs would not fit in memory.

        Parameters
        ----------
        X : array or list
            Cases, as for :meth:`invert`.

        Returns
        -------
        Verdicts
            ``winners`` (positions in ``classes_``), their ``probabilities`` and ``losses``.
        """
        check_is_fitted(self)
        take = partial(verdicts, sharpness=self.sharpness_)
        parts = zip(*self._taken(X, self._chances, take), strict=True)
        return Verdicts(*map(np.concatenate, parts))

    def predict_set(
        self,
        X: ArrayLike,
        alpha: float = 0.1,
    ) -> Bool[np.ndarray, "n_cases n_classes"]:
        """Return for each case the classes that cannot be excluded: conformal sets.

        The true class is in the set with a probability of about ``1 - alpha``, over cases like the
        training cases. After :meth:`calibrate` that is guaranteed as long as the cases are
        exchangeable with those given there; after :meth:`fit` alone it is what was measured, since
        hulls stand in for experts (see :mod:`egem.heldout`). A set may hold several classes, or
        none: then the case is like no class as cases usually are.

        Parameters
        ----------
        X : array or list
            Cases, as for :meth:`invert`.
        alpha : float, default 0.1
            Accepted share of sets without the true class, in (0, 1).

        Returns
        -------
        array of bool (n_cases, n_classes)
            Columns in the order of ``classes_``. All classes where there are fewer than
            ``1 / alpha - 1`` held-out cases, for instance with one case a class.

        Raises
        ------
        ValueError
            Where alpha is out of range.
        """
        check_share("alpha", alpha)
        inversion = self._invert(X, ALL, without_codes, decided=True)
        return conformal_sets(inversion.log_scores, self.held_out_, self.sharpness_, alpha)

    def novelty(self, X: ArrayLike) -> Float[np.ndarray, " n_cases"]:
        """Return a p-value for each case being of a known class; low means unknown.

        It is the share of held-out training cases (or of those given to :meth:`calibrate`) that
        were at least as far from their nearest class. Works with a single class.

        Parameters
        ----------
        X : array or list
            Cases, as for :meth:`invert`.

        Returns
        -------
        array (n_cases,)
            In (0, 1]; 1 throughout where nothing could be held out, with one case a class.
        """
        inversion = self._invert(X, NEAREST, without_codes, decided=True)
        return p_values(inversion.strangeness, self.held_out_.strangeness)

    def calibrate(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Set probabilities, sets and novelty by cases that the experts have not seen.

        What :meth:`fit` learns of them by leaving training cases out is replaced by what the
        experts themselves make of further labelled cases. Sets then have the guarantee of split
        conformal prediction. Classes that are added or taught more afterwards need it again.

        Parameters
        ----------
        X : array or list
            Cases, as for :meth:`invert`, none of them used in :meth:`fit`; a hundred say much, ten
            little.
        y : array (n_cases,)
            Their labels, each a class of this model.

        Returns
        -------
        EGEMClassifier
            Itself.

        Raises
        ------
        ValueError
            Where a label is no class, or the input does not fit the training cases.
        """
        check_is_fitted(self)
        inversion = self._invert(X, ALL, without_codes, decided=True)
        y = as_labels(y, len(inversion.losses))
        foreign = ~np.isin(y, self.classes_)
        if foreign.any():
            raise ValueError(
                f"y holds {y[foreign][0].item()!r}, which is not a class of this model; leave "
                "those cases out, or add the class first."
            )
        truth = np.searchsorted(self.classes_, y)
        held = HeldOut(inversion.log_scores, inversion.strangeness, truth)
        if len(self.classes_) > 1:
            self.sharpness_ = sharpest(held.log_scores, truth, SHARPNESSES)[1]
        self.held_out_ = held
        return self

    def losses(self, X: ArrayLike) -> Float32[np.ndarray, "n_cases n_classes"]:
        """Return each expert's remaining loss for each case.

        Parameters
        ----------
        X : array or list
            Cases, as for :meth:`invert`.

        Returns
        -------
        array (n_cases, n_classes)
            The data term, in the metric, per observed value; the prior on codes is not in it.
        """
        return self._invert(X, ALL, without_codes).losses

    def _invert(
        self,
        X,
        wanted: Wanted,
        take: Callable[[Inversion], Inversion] = portable,
        decided: bool = False,
    ) -> Inversion:
        joined = Inversion.joined(list(self._taken(X, wanted, take, decided)))
        return replace(joined, _decode=self.ensemble_.imagine)

    def _taken(
        self, X, wanted: Wanted, take: Callable[[Inversion], Taken], decided: bool = True
    ) -> Iterator[Taken]:
        """Invert some cases at a time, and take of it what is asked for: all takes much memory.

        Where it has to be ``decided``, a case without a nearest class is an error.
        """
        check_is_fitted(self)
        cases = self._cases(X, reset=False)
        check_channels(cases, self.preparation_.n_channels, "this model")
        self._warn_of_longer(cases)
        judging = Judging(self._searched, wanted, take, decided)
        some = int(np.clip(PAIRS_AT_ONCE // len(self.classes_), *CASES_AT_ONCE))
        engine = active(self.n_jobs)
        with Progress(f"inverting {len(cases)} cases", len(cases), self.verbose) as bar:
            if engine is not None:
                most = -(-len(cases) // (SHARDS_A_WORKER * engine.n_workers))
                some = min(some, max(most, CASES_AT_ONCE[0]))
                starts = range(0, len(cases), some)
                shards = [Shard(at, cases[at : at + some]) for at in starts]
                shared = judging._replace(search=self._travelling()._searched)
                yield from spread(engine, judge, shards, bar.advance, Shard.numbers, shared=shared)
                return
            for first in range(0, len(cases), some):
                shard = Shard(first, cases[first : first + some])
                yield judge(judging, shard, bar.advance, self.n_jobs)

    def _travelling(self) -> "Recognition":
        """Leave out what a worker does not need to judge cases."""
        light = copy(self)
        light.held_out_ = nothing_held_out(len(self.classes_))
        light.cases_ = Kept((), np.zeros(0, int), np.zeros(0, int))
        return light

    def _searched(
        self,
        cases: list[Case],
        n_jobs: int | None,
        bar: Advance,
        first: int = 0,
        spaces: bool = True,
        **how: Any,
    ) -> Inversion:
        """Invert cases that were checked, the first of them number ``first`` of the user's."""
        phases = Phases(f"invert {len(cases)} cases")
        with plain_products():
            with phases("prepare"):
                aligned = self.preparation_.align(cases)
                batch = self.preparation_.apply(aligned, first=first)
                self._check_visible(batch, first)
            with phases("spaces"):
                evidence = self._evidence(aligned, batch, n_jobs) if spaces else None
            with phases("search"):
                found = self.ensemble_.invert(batch, n_jobs, bar, evidence=evidence, **how)
        phases.log(log, logging.DEBUG)
        return replace(found, stats=phases.seconds)

    def _warn_of_longer(self, cases: list[Case]) -> None:
        longest = self.preparation_.n_timepoints
        n_longer = sum(x.shape[1] > longest for x in cases)
        if n_longer and not self.preparation_.stretch:
            warnings.warn(
                f"X: {n_longer} of {len(cases)} cases are longer than the longest training case "
                f"({longest} time points); what lies beyond is left out of the comparison. Fit "
                "with a case of full length to use it.",
                UserWarning,
                stacklevel=5,
            )

    def _evidence(self, cases: list[Case], batch: Batch, n_jobs: int | None) -> Evidence | None:
        if isinstance(self.metric_, Metric):
            return None
        metric = self.metric_
        own = any(isinstance(r, Representation) for r in metric.representations)
        n_tiles = 1 if own else -(-len(cases) // CASES_OF_A_TILE)

        def work(at: Int[np.ndarray, " m"], advance) -> list[Float[np.ndarray, "m n_classes"]]:
            described = metric.describe([cases[i] for i in at], batch[at], 1)
            return [
                space.log_losses([each[i] for each in self.hulls_], of)
                for i, (space, of) in enumerate(zip(metric.spaces, described, strict=True))
            ]

        tiles = np.array_split(np.arange(len(cases)), n_tiles)
        losses = zip(*run(work, tiles, n_jobs, lambda _: None), strict=True)
        return metric.evidence([np.concatenate(of_space) for of_space in losses], batch.mask)


def check_share(name: str, value: float) -> None:
    """Refuse what is not strictly between 0 and 1."""
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie between 0 and 1, both excluded, not {value!r}.")
