"""The scikit-learn estimator: it checks input, calls the functions of the model, and keeps it."""

import os
from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from jaxtyping import Bool, Float, Float32, Shaped
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from egem import explain, incremental
from egem.core.decoder import Decoder
from egem.data.augment import Kind
from egem.data.preparation import Preparation
from egem.data.validation import Case, as_cases, check_share, is_table
from egem.ensemble import inversion as inverting
from egem.ensemble.completion import Completion, complete
from egem.ensemble.inversion import Decisions, need_of_probabilities
from egem.ensemble.result import Inversion, class_index
from egem.ensemble.search import ALL, CLASS, LOWEST, Need
from egem.ensemble.views import Representation, View
from egem.errors import ModelFileError
from egem.io import model_file
from egem.io.checkpoint import Folder
from egem.model import Model, Runtime, fit_model
from egem.runtime.compile_cache import keep_compiled
from egem.runtime.timings import Phases
from egem.settings import CONSTRAINTS, Search, Training, published, views_of


class EGEMClassifier(ClassifierMixin, BaseEstimator):
    """Classify sequences with one generative expert for each class.

    Each class gets an expert that decodes a short code to a whole sequence. To recognise a
    sequence, every expert searches for the code whose sequence is nearest; the class with the
    lowest score is predicted. Made for a handful of examples a class.

    Parameters
    ----------
    views : "auto" or sequence of str and Representation, default "auto"
        Representations in which every class has an expert: ``"recurrent"`` (values, decoded by an
        LSTM; the paper's), ``"linear"`` (values, mean and directions of the class), ``"features"``
        (convolution features along time, linear experts), ``"columns"`` (the same along the columns
        of images), or an :class:`egem.ensemble.views.Representation` of your own. Weights are
        chosen by leaving training cases out. ``"auto"`` takes all, ``"columns"`` for images only;
        ``("recurrent",)`` is EGEM alone.
    metric : {"whitened", "mse"}, default "whitened"
        Metric of the recurrent view, a key of :data:`egem.core.metric.METRICS`: weighted by how
        members of a class differ, or the paper's mean squared error.
    shrinkage : float or None, default None
        Weight, in (0, 1], of the identity in that metric; None chooses it by leaving training cases
        out, and takes 1 for images in several views.
    decoder : Decoder or None, default None
        Decoder of the recurrent view; None is an :class:`egem.LSTMDecoder` sized by the cases.
    augment : {"auto", "none", "series", "pen", "image"}, default "auto"
        Deformation of training cases, whose coordinates become part of their codes; ``"auto"``
        depends on the shape of the data (:func:`egem.data.augment.guess_kind`).
    codes : {"auto", "one-hot", "learned"} or int, default "auto"
        Codes of the training cases: one-hot, as in the paper, or learned, an int giving their size.
        ``"auto"`` takes one-hot ones for classes of up to 8 cases.
    training : Training or None, default None
        Settings of training, see :class:`egem.Training`.
    search : Search or None, default None
        Settings of the search for codes, see :class:`egem.Search`.
    max_steps : int or None, default None
        Longest sequence that experts decode; longer cases are averaged over blocks of time points.
        None is 64.
    align : {"auto", "start", "stretch"}, default "auto"
        How cases of unequal length are compared: from their start, each as far as it goes, or
        stretched to the median length. ``"auto"`` takes what classifies held-out training cases
        better, and stretches with one case a class.
    scaling : {"standard", "none"} or Preparation, default "standard"
        Standardise each channel (images: all together) by the training cases, or leave values as
        they are. A fitted preparation (``other.preparation_``) is taken as it is.
    keep_cases : int, default 1000
        Training cases of a class that stay in the model, an even selection of more.
    n_jobs : int or None, default None
        Threads; None uses all cores. Within ``joblib.parallel_config`` of ``"loky"``, ``"dask"`` or
        ``"ray"`` the largest number of workers.
    random_state : int, RandomState or None, default None
        An int makes everything repeatable, bit for bit on one machine.
    verbose : bool, default False
        Show progress with the time left.

    Attributes
    ----------
    model_ : Model
        The fitted model, immutable; see :class:`egem.model.Model`.
    n_features_in_ : int
        Width of 2-D input; for other input the number of channels.
    fit_seconds_ : dict of float
        Seconds of each phase of the last ``fit``; not kept in files.

    References
    ----------
    M. Hobbhahn, M. V. Butz, S. Fabi, S. Otte, "Sequence Classification using Ensembles of Recurrent
    Generative Expert Modules", ESANN 2020.

    Examples
    --------
    >>> from egem import EGEMClassifier, Training, few_shot_split, load_dataset
    >>> X, y = load_dataset("digits")
    >>> train, test = few_shot_split(y, k=4, seed=0)
    >>> clf = EGEMClassifier(training=Training(n_updates=300), random_state=0)
    >>> clf = clf.fit(X[train], y[train])
    >>> clf.score(X[test][:100], y[test][:100]) > 0.7
    True
    """

    _parameter_constraints = CONSTRAINTS

    n_features_in_: int
    time_step_: float | None = None  # of the grid that uneven time stamps were brought to

    def __init__(
        self,
        *,
        views: Literal["auto"] | Sequence[str | Representation] = "auto",
        metric: str = "whitened",
        shrinkage: float | None = None,
        decoder: Decoder | None = None,
        augment: Literal["auto"] | Kind = "auto",
        codes: Literal["auto", "one-hot", "learned"] | int = "auto",
        training: Training | None = None,
        search: Search | None = None,
        max_steps: int | None = None,
        align: Literal["auto", "start", "stretch"] = "auto",
        scaling: Literal["standard", "none"] | Preparation = "standard",
        keep_cases: int = 1000,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ):
        self.views = views
        self.metric = metric
        self.shrinkage = shrinkage
        self.decoder = decoder
        self.augment = augment
        self.codes = codes
        self.training = training
        self.search = search
        self.max_steps = max_steps
        self.align = align
        self.scaling = scaling
        self.keep_cases = keep_cases
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @classmethod
    def paper(
        cls,
        dataset: Literal["characters", "mnist"],
        noise: tuple[float, float] = (0.0, 0.0),
        n_cells: int | None = None,
        n_updates: int | None = None,
        **parameters: Any,
    ) -> Self:
        """Return the published setting: architecture, training, loss and 50 Adam iterations.

        Sequences are taken as they are: standardise characters over the whole set and bring pixels
        to [0, 1] first, as ``load_dataset`` does.

        Parameters
        ----------
        dataset : {"characters", "mnist"}
            10 cells and 40,000 updates, or 20 cells and 20,000.
        noise : tuple of float, default (0.0, 0.0)
            Standard deviation of the noise on codes and on sequences; (0, 0) is the table's *base*.
        n_cells, n_updates : int or None, default None
            Other numbers than the published ones.
        **parameters
            Anything else of the constructor, for instance ``random_state``.
        """
        return cls(**(published(dataset, noise, n_cells, n_updates) | parameters))

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit to training cases.

        Parameters
        ----------
        X : array (n_cases, n_channels, n_timepoints) or (n_cases, n_timepoints), or list
            Training cases; a list holds ``(n_channels, length_i)`` arrays. NaN is a missing value.
        y : array (n_cases,)
            Labels, all text or all integers. One class is allowed, and so is one case a class.

        Raises
        ------
        ValueError
            For input that cannot be used; the message names the argument and the remedy.
        TrainingDiverged
            Where a class's expert reaches no finite loss.
        WorkerDied, ClusterLost
            Where workers died twice of the same classes, or their cluster is lost.
        """
        self._check_parameters()
        before, phases = dict(vars(self)), Phases("fit")
        try:
            cases = self._cases(X, reset=True)
            self.model_ = fit_model(self.get_params(deep=False), cases, y, self._runtime, phases)
        except BaseException:  # KeyboardInterrupt as well
            vars(self).clear()
            vars(self).update(before)
            raise
        self.fit_seconds_ = phases.seconds
        return self

    def predict(
        self, X: ArrayLike, reject: float | None = None, unknown: Any = None
    ) -> Shaped[np.ndarray, " n_cases"]:
        """Return the class of each case; with ``reject`` also which are unknown.

        Parameters
        ----------
        X : array or list
            Cases, as for :meth:`fit`. Shorter ones are compared as far as they go.
        reject : float or None, default None
            Share, in (0, 1), of the cases of known classes that may be rejected: those whose
            :meth:`novelty` is at most that. None rejects nothing.
        unknown : label or None, default None
            Label of rejected cases; None is ``"unknown"`` beside text labels, otherwise -1.
        """
        if reject is None:
            parts = inverting.invert_in_chunks(
                self._model, self._cases(X), CLASS, inverting.winners, self.n_jobs, self.verbose
            )
            return self.classes_[np.concatenate(list(parts))]
        check_share("reject", reject)
        if unknown is None:
            unknown = "unknown" if self.classes_.dtype.kind in "UO" else -1
        if (self.classes_ == unknown).any():
            raise ValueError(
                f"unknown={unknown!r} is a class of this model; name another label for rejected "
                "cases."
            )
        found = self._inverted(X, LOWEST)
        return np.where(found.novelty() > reject, found.labels(), np.asarray(unknown))

    def predict_proba(self, X: ArrayLike) -> Float[np.ndarray, "n_cases n_classes"]:
        """Return class probabilities, columns in the order of ``classes_``.

        They are proportional to ``scores ** -inverse_temperature_``. The search of experts stops
        whose probabilities together are below 0.001. A sequence of no known class gets
        probabilities as well, see :meth:`novelty`.
        """
        return self._inverted(X, need_of_probabilities(self._model)).probabilities()

    def predict_set(
        self, X: ArrayLike, alpha: float = 0.1
    ) -> Bool[np.ndarray, "n_cases n_classes"]:
        """Return the classes that cannot be excluded for each case: conformal sets.

        The true class is in the set with a probability of about ``1 - alpha``. After
        :meth:`calibrate` that is guaranteed for cases exchangeable with those given there; after
        :meth:`fit` alone it is measured only, since a proxy takes the place of experts. A set may
        be empty; it holds all classes where there are fewer than ``1 / alpha - 1`` held-out cases.
        """
        check_share("alpha", alpha)
        return self._inverted(X, ALL).prediction_set(alpha)

    def novelty(self, X: ArrayLike) -> Float[np.ndarray, " n_cases"]:
        """Return the p-value, in (0, 1], of each case being of a known class; low means unknown.

        It is the share of held-out cases with at least as high a lowest score; 1 throughout with
        one case a class. Works with a single class.
        """
        return self._inverted(X, LOWEST).novelty()

    def losses(self, X: ArrayLike) -> Float32[np.ndarray, "n_cases n_classes"]:
        """Return the experts' losses in the recurrent view, per observed value, without prior."""
        return self._inverted(X, ALL, decided=False).losses

    def verdicts(self, X: ArrayLike) -> Decisions:
        """Return only predicted classes, their probabilities and losses: for many classes.

        Agrees with :meth:`predict_proba`, whose array of all pairs might not fit in memory.
        """
        model = self._model
        need, cases = need_of_probabilities(model), self._cases(X)
        parts = inverting.invert_in_chunks(
            model, cases, need, Decisions.of, self.n_jobs, self.verbose
        )
        return Decisions(*map(np.concatenate, zip(*parts, strict=True)))

    def invert(
        self,
        X: ArrayLike,
        *,
        low_latency: bool = False,
        among: ArrayLike | None = None,
        max_steps: int | None = None,
        views: bool = True,
    ) -> Inversion:
        """Search for the code of every case by every expert.

        Parameters
        ----------
        X : array or list
            Cases, as for :meth:`predict`.
        low_latency : bool, default False
            Search a few cases in thinner batches; the last digits of losses may then depend on the
            other cases. The following arguments need it.
        among : array of bool (n_cases, n_classes) or None, default None
            Pairs of a case and a class that are searched; losses of the others may be inf.
        max_steps : int or None, default None
            Largest number of steps; None is the model's.
        views : bool, default True
            Whether the other views count in the scores.
        """
        if not low_latency:
            if among is not None or max_steps is not None or not views:
                raise ValueError("among, max_steps and views need low_latency=True.")
            return self._inverted(X, ALL, decided=False, codes=True)
        model, cases = self._model, self._cases(X)
        shape = len(cases), len(model.classes)
        pairs = np.ones(shape, bool) if among is None else np.asarray(among, bool)
        if pairs.shape != shape:
            raise ValueError(
                f"among has shape {pairs.shape}, but there are {shape[0]} cases in X and {shape[1]} "
                "classes in this model; give one entry for each pair of them."
            )
        return inverting.invert_now(model, cases, 1, among=pairs, max_steps=max_steps, views=views)

    def reconstruct(
        self, X: ArrayLike, label: Any = None
    ) -> Float32[np.ndarray, "n_cases n_channels n_timepoints"]:
        """Return the sequence that an expert decodes for each case, over the full fitted length.

        ``label`` names the class; None takes the predicted one of each case.
        """
        _, found, e = self._by_expert(X, label)
        whose = found.winners if e is None else np.full(len(found.losses), e)
        grid = self.preparation_
        out = np.zeros((len(whose), grid.n_channels, grid.n_timepoints), np.float32)
        for c in np.unique(whose):
            out[whose == c] = self.model_.imagine(c, found.codes[whose == c, c])
        return out

    def complete(self, X: ArrayLike, label: Any = None, level: float = 0.9) -> Completion:
        """Fill gaps and continue prefixes, with a band.

        Unlike :meth:`reconstruct` this keeps observed values, and corrects estimates by the
        residuals of observed values near them.

        Parameters
        ----------
        X : array or list
            Cases, as for :meth:`predict`. A model that stretches cases takes a prefix for a whole:
            give ``align="start"`` to continue prefixes.
        label : label or None, default None
            Class whose expert completes; None takes the predicted class for the estimates, and all
            likely ones for the band.
        level : float, default 0.9
            Share of missing values that the band holds, each taken alone, in (0, 1).
        """
        check_share("level", level)
        cases, found, e = self._by_expert(X, label)
        return complete(self.model_, cases, found, e, level)

    def explain(
        self,
        X: ArrayLike,
        n_experts: int = 3,
        n_near: int = 4,
        *,
        inversion: Inversion | None = None,
        paths: bool = True,
    ) -> explain.Explanation:
        """Show why each case was classified as it was.

        Parameters
        ----------
        X : array or list
            Cases, as for :meth:`predict`.
        n_experts, n_near : int, default 3 and 4
            Number of the best experts, and of the predicted class's nearest training cases.
        inversion : Inversion or None, default None
            Result of :meth:`invert` for the same cases, to save another search.
        paths : bool, default True
            Whether to follow the search of the predicted class once more; NaN otherwise.
        """
        if min(n_experts, n_near) < 1:
            raise ValueError(f"n_experts and n_near must be at least 1, not {n_experts}, {n_near}.")
        model, cases = self._model, self._cases(X)
        if inversion is None:
            inversion = self._inverted(X, ALL, codes=True)
        elif inversion.losses.shape != (len(cases), len(model.classes)):
            n, m = inversion.losses.shape
            raise ValueError(
                f"inversion is of {n} cases and {m} classes, but there are {len(cases)} cases in X "
                f"and {len(model.classes)} classes in this model; give what invert(X) returned."
            )
        return explain.explain(model, cases, inversion, n_experts, n_near, paths)

    def sample(
        self, label: Any, n: int = 1, random_state: int | None = None
    ) -> Float32[np.ndarray, "n n_channels n_timepoints"]:
        """Decode ``n`` new members of a class, from codes drawn as in training."""
        e = class_index(self._model.classes, label)
        if n < 1:
            raise ValueError(f"n must be at least 1, not {n}.")
        return self.model_.sample(e, n, np.random.default_rng(random_state))

    def calibrate(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Calibrate probabilities, sets and novelty by labelled cases not used in :meth:`fit`.

        Sets then have the guarantee of split conformal prediction. A hundred cases determine it
        well, ten badly; classes added or updated afterwards need it again.
        """
        return self._become(incremental.calibrate(self._model, X, y, self._runtime))

    def add_class(self, X: ArrayLike, label: Any, *, refit_metric: bool = False) -> Self:
        """Add a class; the other experts stay bit for bit. See :func:`egem.incremental.add_class`."""
        new = incremental.add_class(self._model, X, label, refit_metric, self._runtime)
        return self._become(new)

    def update_class(self, X: ArrayLike, label: Any, *, refit_metric: bool = False) -> Self:
        """Add cases to a class; see :func:`egem.incremental.update_class`."""
        new = incremental.update_class(self._model, X, label, refit_metric, self._runtime)
        return self._become(new)

    def remove_cases(self, label: Any, which: ArrayLike, *, refit_metric: bool = False) -> Self:
        """Remove cases of a class; see :func:`egem.incremental.remove_cases`."""
        new = incremental.remove_cases(self._model, label, which, refit_metric, self._runtime)
        return self._become(new)

    def remove_class(self, label: Any) -> Self:
        """Remove a class."""
        return self._become(incremental.remove_class(self._model, label, self._runtime))

    def rename_class(self, label: Any, new: Any) -> Self:
        """Rename a class; nothing else changes."""
        return self._become(incremental.rename_class(self._model, label, new))

    def merge(self, other: "EGEMClassifier") -> Self:
        """Take in all classes of another fitted estimator; see :func:`egem.incremental.merge`."""
        return self._become(incremental.merge(self._model, other._model, self._runtime))

    def refit_metric(self) -> Self:
        """Fit metric, views and inverse temperature anew; see :mod:`egem.incremental`."""
        return self._become(incremental.refit_metric(self._model, self._runtime))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to one safetensors file, whole or not at all."""
        model_file.save(self._model, self._facts(), path)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        decoder: Decoder | None = None,
        max_bytes: int | None = None,
    ) -> Self:
        """Read a model written by :meth:`save`; no code from the file is run.

        Parameters
        ----------
        path : path-like
            The file.
        decoder : Decoder or None, default None
            The decoder of the model, where it is your own: a file holds numbers, not code.
        max_bytes : int or None, default None
            Largest file, and most memory of the decoded codebooks; None is ``EGEM_MAX_BYTES`` of
            the environment, or 2 GiB.

        Raises
        ------
        FileNotFoundError
            Where there is no such file.
        ModelFileError
            Where it is truncated, corrupted, too large or not a model of this package.
        """
        model, facts = model_file.load(path, decoder, max_bytes)
        parameters = dict(facts["parameters"])
        try:
            for name, of in (("training", Training), ("search", Search)):
                if parameters[name] is not None:
                    parameters[name] = of(**parameters[name])
            own = cls(**parameters)
            own._check_parameters()
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(
                f"{path}: this is not a whole egem model, its parameters are wrong ({error})."
            ) from error
        own._become(model)
        own.n_features_in_, own.time_step_ = facts["n_features_in"], facts["time_step"]
        if facts["feature_names_in"]:
            vars(own)["feature_names_in_"] = np.array(facts["feature_names_in"], object)
        return own

    classes_ = property(lambda self: self.model_.classes, doc="Class labels, sorted.")
    preparation_ = property(lambda self: self.model_.preparation, doc="Scaling and grid.")
    metric_ = property(
        lambda self: self.model_.metric, doc="Metric of the recurrent view, or None."
    )
    view_weights_ = property(lambda self: self.model_.view_weights, doc="Weight of each view.")
    train_loss_ = property(
        lambda self: self.model_.train_loss, doc="Loss of each recurrent expert."
    )
    held_out_ = property(lambda self: self.model_.held_out, doc="Scores of held-out cases.")
    exemplars_ = property(lambda self: self.model_.exemplars, doc="Training cases kept.")
    inverse_temperature_ = property(
        lambda self: self.model_.inverse_temperature, doc="Exponent of the scores in probabilities."
    )
    augmentation_ = property(
        lambda self: self.model_.settings.recipe.augmentation, doc="Deformation of training cases."
    )

    @property
    def views_(self) -> tuple[View, ...]:
        """The views with linear experts."""
        views = self.model_.views
        return views.linear if views else ()

    @property
    def _model(self) -> Model:
        check_is_fitted(self)
        return self.model_

    @property
    def _runtime(self) -> Runtime:
        folder = self.training.checkpoint if self.training else None
        store = None if folder is None else Folder(folder)
        return Runtime(self.n_jobs, self.verbose, store)

    def _become(self, model: Model) -> Self:
        self.model_ = model
        return self

    def _inverted(
        self, X: ArrayLike, need: Need, decided: bool = True, codes: bool = False
    ) -> Inversion:
        model, cases = self._model, self._cases(X)
        return inverting.invert(model, cases, need, self.n_jobs, self.verbose, decided, codes)

    def _by_expert(self, X: ArrayLike, label: Any) -> tuple[list[Case], Inversion, int | None]:
        e = None if label is None else class_index(self._model.classes, label)
        return self._cases(X), self._inverted(X, ALL, codes=True), e

    def _check_parameters(self) -> None:
        """Refuse arguments that mean nothing."""
        self._validate_params()
        views_of(self.views, "none")
        for nested in (self.training, self.search):
            if nested is not None:
                nested._validate_params()
        if self.search is not None:
            self.search.config()

    def _facts(self) -> dict[str, Any]:
        """Return what a file keeps beside the model."""
        return {
            "parameters": self.get_params(deep=False),
            "n_features_in": int(self.n_features_in_),
            "feature_names_in": list(getattr(self, "feature_names_in_", ())),
            "time_step": self.time_step_,
        }

    def _cases(self, X: ArrayLike, reset: bool = False) -> list[Case]:
        """Check X, against what was seen in ``fit`` unless ``reset``, and take it apart."""
        keep_compiled()  # every computation begins here
        if not reset:
            check_is_fitted(self)
        table, cases = is_table(X), as_cases(X)
        if reset:
            for name in ("n_features_in_", "feature_names_in_"):
                vars(self).pop(name, None)
        elif table:
            grid = self.preparation_
            if grid.n_channels > 1:
                n = grid.n_channels
                raise ValueError(
                    f"X has shape {np.shape(X)}, which reads as {len(cases)} cases of one channel, "
                    f"but this model was fitted with {n}; give (n_cases, {n}, n_timepoints): X[None]"
                    " for a single case."
                )
            if self.n_features_in_ == 1:  # fitted with 3-D input or a list
                if np.shape(X)[1] != grid.n_timepoints:
                    raise ValueError(
                        f"X has {np.shape(X)[1]} time points, but this model was fitted with "
                        f"{grid.n_timepoints}; give prefixes as a list, as (n_cases, 1, length), or "
                        "padded with NaN."
                    )
                table = hasattr(self, "feature_names_in_")
        if table:
            validate_data(self, X, reset=reset, skip_check_array=True)
        elif reset:
            self.n_features_in_ = len(cases[0])
        return cases

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        return tags
