"""The scikit-learn estimator: it checks input, calls functions of the model, and keeps it."""

import os
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Literal, Self

import numpy as np
from jaxtyping import Bool, Float, Float32, Shaped
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from egem import incremental, settings
from egem.core.decoder import Decoder
from egem.data.augment import Augmentation
from egem.data.cases import Case, as_cases
from egem.data.preparation import Preparation
from egem.data.validation import cases_of, check_share, learn_input
from egem.ensemble.completion import Completion, complete
from egem.ensemble.inversion import Decisions, invert, invert_in_chunks, winners
from egem.ensemble.result import Inversion, class_index, unknown_label
from egem.ensemble.search import ALL, CLASS, LOSSES, LOWEST, NOVELTY, Need
from egem.explain import Explanation, explain
from egem.fit import fit_model, train_experts
from egem.io import model_file
from egem.io.checkpoint import Folder
from egem.model import Model, Runtime, as_method
from egem.runtime.compile_cache import enable_compile_cache
from egem.runtime.progress import Timings
from egem.settings import Search, Training
from egem.views.views import Representation

Path = str | os.PathLike[str]
Labels = Shaped[np.ndarray, " n_cases"]
Sequences = Float32[np.ndarray, "n n_channels n_timepoints"]


class EGEMClassifier(ClassifierMixin, BaseEstimator):
    """Classify sequences with one generative expert for each class (ESANN 2020).

    An expert decodes a short code to a whole sequence. To recognise a sequence, every expert
    searches for the code whose sequence is nearest; the class with the lowest score is predicted.
    ``X`` is an array (n_cases, n_channels, n_timepoints) or (n_cases, n_timepoints), or a list of
    arrays (n_channels, length_i); NaN is a missing value. Input that cannot be used raises
    ValueError with the remedy; an estimator that is not fitted NotFittedError.

    Parameters
    ----------
    views : "auto" or sequence, default "auto"
        Where classes have experts: ``"recurrent"`` (values, LSTM; EGEM alone), ``"linear"``
        (values, mean and directions), ``"features"`` (of convolutions), ``"columns"`` (of images),
        or your own :class:`~egem.views.views.Representation`. ``"auto"`` takes all, ``"recurrent"``
        only where held-out cases need it; if not, a picture, sample or completion trains it.
    metric, shrinkage : {"whitened", "mse"}, float in (0, 1] or None, default "whitened", None
        Of the recurrent view; None chooses the weight of the identity in it.
    decoder : Decoder or None, default None
        Of the recurrent view, then always fitted; None is an LSTMDecoder sized by the cases.
    augment : {"auto", "none", "series", "pen", "image"}, default "auto"
        Deformation of training cases; ``"auto"`` depends on the shape of the data.
    codes : {"auto", "one-hot", "learned"} or int, default "auto"
        Codes of training cases; an int is the size of learned ones. ``"auto"`` is one-hot, as in
        the paper, for classes of up to 8 cases.
    training, search : :class:`egem.Training`, :class:`egem.Search` or None, default None
        Details of the training and of the search for codes.
    max_steps : int or None, default None
        Longest sequence that is decoded, None is 64; longer cases are averaged over blocks.
    align : {"auto", "start", "stretch"}, default "auto"
        Whether cases of unequal length are compared from their start, or stretched.
    scaling : {"standard", "none"} or Preparation, default "standard"
        Standardise channels (images: all together), or not. ``other.preparation_`` is reused.
    keep_cases : int, default 1000
        Training cases of a class that stay in the model, an even selection of more.
    n_jobs : int or None, default None
        Threads, or workers within ``joblib.parallel_config``; None takes all.
    random_state : int, RandomState or None, default None
        An int makes everything repeatable, bit for bit on one machine.
    verbose : bool, default False
        Show progress with the time left.

    Attributes
    ----------
    model_ : Model
        The fitted model, immutable; the other attributes but the following are parts of it.
    n_features_in_ : int
        Width of 2-D input; for other input the number of channels.
    fit_seconds_ : dict of float
        Seconds of each phase of the last ``fit``.

    Examples
    --------
    >>> from egem import EGEMClassifier, Training, few_shot_split, load_dataset
    >>> X, y = load_dataset("digits")
    >>> train, test = few_shot_split(y, k=4, seed=0)
    >>> clf = EGEMClassifier(training=Training(n_updates=300), random_state=0)
    >>> clf.fit(X[train], y[train]).score(X[test][:100], y[test][:100]) > 0.7
    True
    """

    n_features_in_: int
    time_step_: float | None = None  # between the points of training cases, from a file
    channel_names_: list[str] | None = None

    def __init__(
        self,
        *,
        views: Literal["auto"] | Sequence[str | Representation] = "auto",
        metric: str = "whitened",
        shrinkage: float | None = None,
        decoder: Decoder | None = None,
        augment: Literal["auto"] | Augmentation = "auto",
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
        self.views, self.metric, self.shrinkage, self.decoder = views, metric, shrinkage, decoder
        self.augment, self.codes, self.training, self.search = augment, codes, training, search
        self.max_steps, self.align, self.scaling = max_steps, align, scaling
        self.keep_cases, self.n_jobs = keep_cases, n_jobs
        self.random_state, self.verbose = random_state, verbose

    @classmethod
    def paper(
        cls,
        dataset: Literal["characters", "mnist"],
        noise: tuple[float, float] = (0.0, 0.0),
        n_cells: int | None = None,
        n_updates: int | None = None,
        **parameters: Any,
    ) -> Self:
        """Return the published setting, with noise on codes and sequences (section 3).

        Sequences are taken as they are: standardise characters over the whole set and bring pixels
        to [0, 1] first, as ``load_dataset`` does. None takes the published number.
        """
        return cls(**(settings.published(dataset, noise, n_cells, n_updates) | parameters))

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit to training cases with labels y, all text or all integers; one class is allowed.

        Raises TrainingDiverged where an expert reaches no finite loss.
        """
        enable_compile_cache()
        parameters, phases = self.get_params(deep=False), Timings("fit")
        settings.check_parameters(parameters)
        cases = as_cases(X)
        model = fit_model(parameters, cases, y, self._runtime, phases)
        learn_input(self, X, cases)
        self.model_, self.fit_seconds_ = model, phases.seconds
        return self

    def predict(self, X: ArrayLike, reject: float | None = None, unknown: Any = None) -> Labels:
        """Return the class of each case; of rejected ones ``unknown`` ("unknown", or -1).

        ``reject`` is the share, in (0, 1), of cases of known classes that may be rejected: those
        whose :meth:`p_value` is at most that. None rejects nothing.
        """
        if reject is None:
            return self._model.classes[np.concatenate(self._in_chunks(X, CLASS, winners))]
        check_share("reject", reject)
        other, found = unknown_label(self._model.classes, unknown), self._inverted(X, LOWEST)
        return np.where(found.p_value() > reject, found.labels(), other)

    def predict_proba(self, X: ArrayLike) -> Float[np.ndarray, "n_cases n_classes"]:
        """Return class probabilities, ``scores ** -inverse_temperature_`` normalised."""
        return self._inverted(X, self._model.need_of_probabilities).probabilities()

    def predict_set(
        self, X: ArrayLike, alpha: float = 0.1
    ) -> Bool[np.ndarray, "n_cases n_classes"]:
        """Return the classes that cannot be excluded; a share alpha of sets misses the true one.

        :meth:`calibrate` guarantees that for exchangeable cases; :meth:`fit` estimates it. Sets are
        full with under ``1 / alpha - 1`` held-out cases, and may be empty.
        """
        check_share("alpha", alpha)
        return self._inverted(X, ALL).prediction_set(alpha)

    def p_value(self, X: ArrayLike) -> Float[np.ndarray, " n_cases"]:
        """Return the p-value of each case being of a known class; 1 where none is held out."""
        return self._inverted(X, NOVELTY).p_value()

    def losses(self, X: ArrayLike) -> Float[np.ndarray, "n_cases n_classes"]:
        """Return the experts' losses in the recurrent view, per observed value, without prior."""
        return self._inverted(X, LOSSES, decided=False).losses

    def verdicts(self, X: ArrayLike) -> Decisions:
        """Return predicted classes, their probabilities and losses alone, for very many classes."""
        found = self._in_chunks(X, self._model.need_of_probabilities, Decisions.of)
        return Decisions(*map(np.concatenate, zip(*found, strict=True)))

    def invert(self, X: ArrayLike) -> Inversion:
        """Search for the code of every case by every expert."""
        return self._inverted(X, ALL, decided=False, codes=True)

    def reconstruct(self, X: ArrayLike, label: Any = None) -> Sequences:
        """Return the sequences that a class's expert decodes, by default the predicted class's."""
        _, found, e = self._by_expert(X, label)
        return self._with_experts.reconstruct(found, e)

    def complete(self, X: ArrayLike, label: Any = None, level: float = 0.9) -> Completion:
        """Fill gaps and continue prefixes, with a band that holds a share ``level`` of values.

        Observed values are kept. ``label`` names the class; None takes the predicted one, and all
        likely ones for the band. A model that stretches cases takes a prefix for a whole.
        """
        check_share("level", level)
        return complete(self._with_experts, *self._by_expert(X, label), level)

    def explain(
        self, X: ArrayLike, n_experts=3, n_near=4, inversion: Inversion | None = None, paths=True
    ) -> Explanation:
        """Explain classifications; ``inversion`` is what :meth:`invert` returned, if known."""
        inversion = inversion or self._inverted(X, ALL, codes=True)
        return explain(self._with_experts, self._cases(X), inversion, n_experts, n_near, paths)

    def sample(self, label: Any, n: int = 1, random_state: int | None = None) -> Sequences:
        """Decode n new members of a class, from codes drawn as in training."""
        return self._with_experts.sample(class_index(self.classes_, label), n, random_state)

    calibrate = as_method(incremental.calibrate)
    add_class = as_method(incremental.add_class)
    update_class = as_method(incremental.update_class)
    remove_cases = as_method(incremental.remove_cases)
    remove_class = as_method(incremental.remove_class)
    rename_class = as_method(incremental.rename_class)
    merge = as_method(incremental.merge)
    refit_metric = as_method(incremental.refit_metric)
    train_experts = as_method(train_experts)

    def save(self, path: Path) -> None:
        """Write the fitted model to one safetensors file; see :func:`egem.io.model_file.save`."""
        fitted = {name: vars(self).get(name) for name in model_file.FITTED}
        model_file.save(self._model, self.get_params(deep=False), fitted, path)

    @classmethod
    def load(cls, path: Path, decoder: Decoder | None = None, max_bytes: int | None = None) -> Self:
        """Read a model written by :meth:`save`; see :func:`egem.io.model_file.load`."""
        model, parameters, fitted = model_file.load(path, decoder, max_bytes)
        own = cls(**parameters)
        vars(own).update(fitted, model_=model)
        return own

    classes_ = property(attrgetter("model_.classes"))
    preparation_ = property(attrgetter("model_.preparation"))
    metric_ = property(attrgetter("model_.metric"))
    views_ = property(attrgetter("model_.linear_views"))
    view_weights_ = property(attrgetter("model_.view_weights"))
    train_loss_ = property(attrgetter("model_.train_loss"))
    held_out_ = property(attrgetter("model_.held_out"))
    exemplars_ = property(attrgetter("model_.exemplars"))
    augmentation_ = property(attrgetter("model_.settings.recipe.augmentation"))
    inverse_temperature_ = property(attrgetter("model_.inverse_temperature"))

    @property
    def _model(self) -> Model:
        check_is_fitted(self)
        return self.model_

    @property
    def _runtime(self) -> Runtime:
        folder = self.training.checkpoint if self.training else None
        return Runtime(self.n_jobs, self.verbose, Folder(folder) if folder else None)

    @property
    def _with_experts(self) -> Model:
        """The model with recurrent experts, trained now where recognition does without."""
        if self._model.metric is not None and not self._model.experts:
            self.train_experts()
        return self.model_

    def _inverted(self, X: ArrayLike, need: Need, decided=True, codes=False) -> Inversion:
        cases = self._cases(X)
        model = self._with_experts if codes or need == LOSSES else self.model_.without_idle_experts
        return invert(model, cases, need, self.n_jobs, self.verbose, decided, codes)

    def _in_chunks(self, X: ArrayLike, need: Need, take: Any) -> list:
        model, cases = self._model.without_idle_experts, self._cases(X)
        return list(invert_in_chunks(model, cases, need, take, self.n_jobs, self.verbose))

    def _by_expert(self, X: ArrayLike, label: Any) -> tuple[list[Case], Inversion, int | None]:
        e = None if label is None else class_index(self._model.classes, label)
        return self._cases(X), self._inverted(X, ALL, codes=True), e

    def _cases(self, X: ArrayLike) -> list[Case]:
        enable_compile_cache()
        return cases_of(self, X, self._model.preparation)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.three_d_array = True
        return tags
