"""The scikit-learn face of the method; what it does is in the modules it calls."""

import logging
import os
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from egem.calibration.fit import Material, fit_metric
from egem.calibration.yardstick import as_experts_would
from egem.data.augment import Kind
from egem.data.preparation import Preparation
from egem.data.validation import as_labels, check_spread
from egem.ensemble.experts import Ensemble
from egem.ensemble.joint import JointMetric
from egem.ensemble.lm import PRIOR_STRENGTH
from egem.ensemble.metric import Metric
from egem.ensemble.recipe import Codes
from egem.ensemble.views import Representation
from egem.imagination import Imagination
from egem.incremental import Growth
from egem.kept import keep
from egem.runtime.timings import Phases
from egem.settings import (
    check_parameters,
    kind_of,
    preparation_of,
    published_parameters,
    recipe_of,
    search_of,
    seed_of,
)

log = logging.getLogger(__name__)


class EGEMClassifier(ClassifierMixin, Growth, Imagination):
    """Classify sequences by imagining them: one generative expert for each class.

    Each class gets a small LSTM that turns a short code into a whole sequence. To recognise a
    sequence, every expert searches for the code whose sequence comes nearest; the expert that comes
    nearest wins. Made for a handful of examples a class.

    Parameters
    ----------
    metric : {"whitened", "mse", "auto", "features"}, Representation or fitted, default "auto"
        How far a sequence is from what a class can bring forth. ``"mse"`` and ``"whitened"`` look
        at what is left between the sequence and the expert's imagination: its mean square (the
        paper's), or weighed by how members of a class were seen to differ. ``"features"`` compares
        convolution features, which forgive shifts, with those that the class's cases span.
        ``"auto"`` joins both, weighed by leaving training cases out; cases of another kind than
        those are left to the residuals. A
        :class:`egem.ensemble.views.Representation` of yours takes the place of the features. A
        fitted metric (``other.metric_``) is taken as it is.
    shrinkage : float or None, default None
        Weight, in (0, 1], of the identity in the whitened metric of residuals; None chooses it by
        leaving training cases out, and for images takes 1 with the metric ``"auto"``.
    augment : {"auto", "none", "series", "pen", "image"}, default "auto"
        How training cases are bent to teach what members of a class may look like; experts learn
        the bends as part of their codes. ``"auto"`` judges by the data's shape (see
        :func:`egem.data.augment.guess_kind`).
    recipe : {"default", "published"}, default "default"
        Training as improved here, or as in the paper.
    noise : tuple of float, default (0.0, 0.0)
        Sd of Gaussian noise on training codes and on training sequences (standardised units).
    n_cells : int or None, default None
        LSTM cells of an expert; None follows from the cases (see :mod:`egem.capacity`).
    codes : {"auto", "one-hot", "learned"}, default "auto"
        Codes of the training cases. One-hot ones, the paper's, give each case an entry of its own;
        learned ones are small whatever the number of cases. ``"auto"`` takes one-hot ones for
        classes of up to 8 cases.
    code_size : int or None, default None
        Entries of a learned code; None follows from the cases.
    n_updates : int or None, default None
        Gradient steps; None follows from the cases.
    learning_rate : float, default 0.04
        Adam's learning rate; the published recipe has its own, 0.01.
    max_steps : int or None, default None
        Longest sequence an expert generates; longer cases are averaged over blocks of time points.
        None is 64.
    align : {"auto", "start", "stretch"}, default "auto"
        How cases of unequal length are compared: from their start, each as far as it goes, or
        stretched to the median length of the training cases. ``"auto"`` takes what tells held-out
        training cases apart better; with one case a class it stretches.
    scaling : {"standard", "none"} or Preparation, default "standard"
        Standardise each channel (images: all together) by the training cases, or leave the values
        as they are. A fitted preparation (``other.preparation_``) is taken as it is.
    inversion : {"levenberg-marquardt", "adam"}, default "levenberg-marquardt"
        How codes are searched for; ``"adam"`` is the paper's.
    n_iterations : int or None, default None
        Most steps of that search; None is 20, or the paper's 50 for Adam.
    prior_strength : float, default 1.0
        Weight of the prior on codes, in units of the noise seen in held-out training cases
        (``metric_``'s); 0 lets codes roam freely.
    keep_cases : int, default 1000
        Training cases of a class that stay in the model, an even selection of more: to teach it
        further, to measure it anew, to show them beside others.
    n_jobs : int or None, default None
        Threads; None uses all cores. Within ``joblib.parallel_config(backend="loky")``,
        or ``"dask"`` or ``"ray"``, it is the most workers that train experts and judge cases at
        once, None all there are; results stay the same.
    checkpoint : str or None, default None
        Folder in which experts are kept as they finish. The same fit, begun again, finds them
        there. Remove it once the model is saved.
    random_state : int, RandomState or None, default None
        An int makes everything repeatable, bit for bit on one machine.
    verbose : bool, default False
        Show progress with the time left.

    Attributes
    ----------
    classes_ : array (n_classes,)
        Class labels, sorted.
    ensemble_ : Ensemble
        The experts, immutable.
    preparation_ : Preparation
        Scaling and grid, from the training cases.
    metric_ : Metric or JointMetric
        The metric, from the training cases.
    train_loss_ : array (n_classes,)
        Mean squared error of each expert over its training pairs, standardised units.
    hulls_ : tuple
        By class and by space of the metric, what the training cases span; () where the metric
        looks at residuals alone.
    held_out_ : HeldOut
        What held-out training cases scored: the yardstick of unknowns and of sets.
    cases_ : Kept
        Training cases that stay in the model.
    recipe_ : Recipe
        How experts are trained.
    kind_ : str
        The deformation used.
    sharpness_ : float
        Probabilities are proportional to ``invert(X).scores ** -sharpness_``.
    n_features_in_ : int
        Width of 2-D input; for other input the number of channels.
    fit_seconds_ : dict of float
        What the phases of the last ``fit`` took; not kept in files.

    References
    ----------
    M. Hobbhahn, M. V. Butz, S. Fabi, S. Otte, "Sequence Classification using Ensembles of Recurrent
    Generative Expert Modules", ESANN 2020.

    Examples
    --------
    >>> from egem import EGEMClassifier, few_shot_split, load_dataset
    >>> X, y = load_dataset("digits")
    >>> train, test = few_shot_split(y, k=4, seed=0)
    >>> clf = EGEMClassifier(n_updates=300, random_state=0).fit(X[train], y[train])
    >>> clf.score(X[test][:100], y[test][:100]) > 0.7
    True
    """

    def __init__(
        self,
        *,
        metric: Literal["auto", "features", "whitened", "mse"]
        | Representation
        | Metric
        | JointMetric = "auto",
        shrinkage: float | None = None,
        augment: Literal["auto"] | Kind = "auto",
        recipe: Literal["default", "published"] = "default",
        noise: tuple[float, float] = (0.0, 0.0),
        n_cells: int | None = None,
        codes: Codes = "auto",
        code_size: int | None = None,
        n_updates: int | None = None,
        learning_rate: float = 0.04,
        max_steps: int | None = None,
        align: Literal["auto", "start", "stretch"] = "auto",
        scaling: Literal["standard", "none"] | Preparation = "standard",
        inversion: Literal["levenberg-marquardt", "adam"] = "levenberg-marquardt",
        n_iterations: int | None = None,
        prior_strength: float = PRIOR_STRENGTH,
        keep_cases: int = 1000,
        n_jobs: int | None = None,
        checkpoint: str | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ):
        self.metric = metric
        self.shrinkage = shrinkage
        self.augment = augment
        self.recipe = recipe
        self.noise = noise
        self.n_cells = n_cells
        self.codes = codes
        self.code_size = code_size
        self.n_updates = n_updates
        self.learning_rate = learning_rate
        self.max_steps = max_steps
        self.align = align
        self.scaling = scaling
        self.inversion = inversion
        self.n_iterations = n_iterations
        self.prior_strength = prior_strength
        self.keep_cases = keep_cases
        self.n_jobs = n_jobs
        self.checkpoint = checkpoint
        self.random_state = random_state
        self.verbose = verbose

    @classmethod
    def paper(
        cls,
        dataset: Literal["characters", "mnist"],
        noise: tuple[float, float] = (0.0, 0.0),
        **parameters: Any,
    ) -> Self:
        """Return the published setting: architecture, training, loss and 50 Adam iterations.

        The weights are those of the lowest loss over all pairs, looked at every 100 updates (the
        paper's intention; its code kept the last). Sequences are taken as they are: standardise
        characters over the whole set and bring pixels to [0, 1] first, as ``load_dataset`` does.

        Parameters
        ----------
        dataset : {"characters", "mnist"}
            10 cells and 40,000 updates, or 20 cells and 20,000.
        noise : tuple of float, default (0.0, 0.0)
            Sd of the noise on codes and on sequences; (0, 0) is the table's *base*.
        **parameters
            Anything else of the constructor, for instance ``random_state``.

        Raises
        ------
        ValueError
            For another data set.
        """
        return cls(**(published_parameters(dataset, noise) | parameters))

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train one expert for each class and estimate the metric.

        Parameters
        ----------
        X : array (n_cases, n_channels, n_timepoints) or (n_cases, n_timepoints), or list
            Training cases; a list holds ``(n_channels, length_i)`` arrays. NaN is a missing value.
        y : array (n_cases,)
            Labels, all text or all integers. One class is allowed, and so is one case a class.

        Returns
        -------
        EGEMClassifier
            Itself.

        Raises
        ------
        ValueError
            For input that cannot be used; the message names the argument and the remedy.
        TrainingDiverged
            Where a class's expert reaches no finite loss.
        WorkerDied
            Where, on other processes, workers died twice of the same classes; names them.
        ClusterLost
            Where a cluster's scheduler does not answer any more.
        """
        check_parameters(self)
        phases = Phases("fit")
        with phases("prepare"):
            cases = self._cases(X, reset=True)
            y = as_labels(y, len(cases))
            check_spread(cases)
            classes, index = np.unique(y, return_inverse=True)
            kind = kind_of(self, cases)
            preparation = preparation_of(self, cases, index, kind)
            given, cases = cases, preparation.align(cases)
            batch = preparation.apply(cases)
            self._check_visible(batch)
            recipe = recipe_of(self, kind, batch, index)
            seed = seed_of(self.random_state)
            batches = [batch[index == c] for c in range(len(classes))]
        log.info("fit: %d classes, %d cases, %s", len(classes), len(cases), recipe)
        with phases("train"):
            trained = self._train(batches, classes.tolist(), recipe, preparation, seed)
        with phases("measure"):
            material = Material.of(cases, batch, index, kind, preparation, seed, self.n_jobs)
            measured = fit_metric(self.metric, self.shrinkage, material)
        self.classes_ = classes
        self.kind_ = kind
        self.recipe_ = recipe
        self.cases_ = keep(given, index, self.keep_cases)
        self.metric_, self.hulls_ = measured.metric, measured.hulls
        self.sharpness_ = measured.sharpness(index)
        self.ensemble_ = Ensemble(
            classes, tuple(trained), preparation, measured.residual, search_of(self), seed
        )
        with phases("compare"):
            self.held_out_ = as_experts_would(measured, self.ensemble_, material)
        self.fit_seconds_ = phases.seconds
        phases.log(log)
        return self

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to one safetensors file, whole or not at all.

        Parameters
        ----------
        path : path-like
            Where; an existing file is replaced.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        OSError
            Where the path cannot be written.
        """
        from egem.io.model_file import save

        check_is_fitted(self)
        save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, max_bytes: int | None = None) -> Self:
        """Read a model written by :meth:`save`, of this version or an earlier one.

        No code from the file is run, and what does not fit together is refused.

        Parameters
        ----------
        path : path-like
            The file.
        max_bytes : int or None, default None
            Largest file, and most memory that the model's decoded codes may take; None is
            ``EGEM_MAX_BYTES`` of the environment, or 2 GiB.

        Returns
        -------
        EGEMClassifier
            Gives the same losses, bit for bit on one machine.

        Raises
        ------
        FileNotFoundError
            Where there is no such file.
        ModelFileError
            Where it is truncated, corrupted, too large or not a model of this package.
        """
        from egem.io.model_file import load

        return load(cls, path, max_bytes)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        return tags
