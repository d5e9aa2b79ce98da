"""How experts are trained, the codes training starts from, and what is known of them afterwards."""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from jaxtyping import Float32

from egem.core.config import TrainingConfig
from egem.core.decoder import Decoder
from egem.core.inversion import Expert
from egem.core.lstm import LSTMDecoder
from egem.core.training import Pairs, pair_codes
from egem.data.augment import Augmentation
from egem.data.preparation import Batch, canonical_order
from egem.runtime.batching import bucket, evenly
from egem.runtime.linalg import svd

Codes = Literal["auto", "one-hot", "learned"]


MAX_ONE_HOT = 8  # cases of a class up to which each gets a code direction of its own
CODEBOOK_SIZE = 64
PLAIN_CODEBOOK_SIZE = 128  # of an expert trained without mixup: its starts are drawn here
# Precisions of the prior. One-hot codes have a standard deviation of 0.4 and the warps of training
# one of 1; the prior is narrower, since test cases need less of either.
ONE_HOT_PRECISION = 10.0
WARP_PRECISION = 10.0
MIN_SPREAD = 0.03  # of a learned entry, which may be the same for all cases


@dataclass(frozen=True)
class Recipe:
    """Everything that training depends on, beside the cases, the label and the seed."""

    decoder: Decoder = field(default_factory=LSTMDecoder)  # what is trained
    config: TrainingConfig = field(default_factory=TrainingConfig)  # gradient descent
    augmentation: Augmentation = "none"  # deformation of the training cases
    mixup: bool = True  # whether pairs of training cases are mixed
    # codes of the training cases: one-hot (the paper's), or learned with the weights. ``"auto"``
    # takes one-hot ones for classes of up to 8 cases, padded to a multiple of 4 entries
    codes: Codes = "auto"
    code_size: int = 8  # entries of a learned code


class TrainedExpert(NamedTuple):
    """One class's decoder parameters with the prior on its codes."""

    params: Any  # the decoder's parameters
    # codes of the training cases, in the order the cases were given
    codes: Float32[np.ndarray, "n_cases code_size"]
    code_mean: Float32[np.ndarray, " code_size"]  # the prior on codes: independent normals
    code_precision: Float32[np.ndarray, " code_size"]  # the prior on codes: independent normals
    codebook: Float32[np.ndarray, "n_codes code_size"]  # codes that searches start from
    loss: float  # mean squared error over the training pairs, in standardised units
    n_warps: int  # entries at the end of a code that are coordinates of a deformation

    @property
    def expert(self) -> Expert:
        """What the search needs."""
        return Expert(self.params, self.code_mean, self.code_precision)

    @property
    def code_size(self) -> int:
        """Entries of a code."""
        return self.codes.shape[1]

    @property
    def n_parameters(self) -> int:
        """Number of weights."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.params))


def _is_one_hot(n_cases: int, recipe: Recipe) -> bool:
    return recipe.codes == "one-hot" or (recipe.codes == "auto" and n_cases <= MAX_ONE_HOT)


def case_size(n_cases: int, recipe: Recipe) -> int:
    """Return the entries of the codes of a class of so many cases, without warps."""
    if not _is_one_hot(n_cases, recipe):
        return recipe.code_size
    return n_cases if recipe.codes == "one-hot" else bucket(n_cases, 4)


def case_codes(batch: Batch, recipe: Recipe) -> tuple[Float32[np.ndarray, "n k"], bool]:
    """Return first codes of a class's cases, and whether they are to be learned.

    Learned codes start from the standardised principal component scores of the cases.
    """
    n, size = batch.n_cases, case_size(batch.n_cases, recipe)
    if _is_one_hot(n, recipe):
        return np.eye(n, size, dtype=np.float32), False
    flat = batch.values.reshape(n, -1).astype(np.float64)
    flat -= flat.mean(axis=0)
    u, s, vt = svd(flat)
    kept = min(size, len(s))
    u = u[:, :kept] * np.sign(vt[:kept, np.abs(vt[:kept]).argmax(axis=1)].diagonal())
    codes = np.zeros((n, size), np.float32)
    codes[:, :kept] = u * np.sqrt(n) * (s[:kept] > 1e-6 * max(s[0], 1e-12))
    return codes, True


def with_prior(
    params: Any,
    case_codes: Float32[np.ndarray, "n_rows case_size"],
    pairs: Pairs,
    learned: bool,
    batch: Batch,
    loss: float,
) -> TrainedExpert:
    """Give trained parameters their prior on codes and their codebook.

    ``case_codes`` are those of the cases in their canonical order, then padding.
    """
    n, n_entries = batch.n_cases, case_codes.shape[1]
    n_pairs, n_warps = pairs.warp.shape
    case_codes = case_codes[:n]
    codes = np.zeros((n, n_entries + n_warps), np.float32)
    codes[:, :n_entries] = case_codes
    mean = codes.mean(axis=0)  # before reordering: a sum must not depend on the cases' order
    codes[canonical_order(batch)] = codes.copy()
    codebook = np.asarray(pair_codes(case_codes, pairs), np.float32)
    # The cases first, evenly thinned where they are too many, then mixtures and deformations.
    cases = evenly(n, CODEBOOK_SIZE)
    codebook = codebook[np.concatenate([cases, np.arange(n, n_pairs)])[:CODEBOOK_SIZE]]
    if n_pairs == n and not learned:
        further = np.zeros((PLAIN_CODEBOOK_SIZE - len(codebook), codebook.shape[1]), np.float32)
        further[0, :n] = 1.0 / n
        further[1:, :n] = np.random.default_rng(n).dirichlet(np.ones(n), len(further) - 1)
        codebook = np.concatenate([codebook, further])
    codebook = codebook[np.arange(max(CODEBOOK_SIZE, len(codebook))) % len(codebook)]
    precision = np.full(mean.shape, WARP_PRECISION, np.float32)
    precision[:n_entries] = (
        1.0 / np.maximum(case_codes.std(axis=0), MIN_SPREAD) ** 2 if learned else ONE_HOT_PRECISION
    )
    return TrainedExpert(params, codes, mean, precision, codebook, loss, n_warps)
