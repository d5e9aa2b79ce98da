"""Codes: those that training begins with, and what an expert knows of them when it is done."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32

from egem.calibration.folds import evenly
from egem.data.augment import Pool
from egem.data.preparation import Batch, canonical_order
from egem.ensemble.decoder import Expert
from egem.ensemble.recipe import Recipe
from egem.runtime.arrays import AnyArray
from egem.runtime.batching import bucket
from egem.runtime.linalg import svd

MOST_ONE_HOT = 8  # cases of a class up to which each gets a code direction of its own
BOOK_SIZE = 64
PLAIN_BOOK_SIZE = 128  # of an expert that was shown no blends: its starts have to be made up
# Prices of a code's entries in the prior, as precisions. One-hot codes spread by 0.4 and training
# bends by 1; both are priced higher, since what a test case needs of them is less.
ONE_HOT_PRECISION = 10.0
BEND_PRECISION = 10.0
LEAST_SPREAD = 0.03  # of a learned entry: one that is the same for all cases says little


class Trained(NamedTuple):
    """One class's expert with what the inversion needs to know of its codes.

    Attributes
    ----------
    expert : Expert
        The decoder's parameters.
    codes : array (n_cases, code_size)
        Codes of the training cases, in the order the cases were given.
    code_mean, code_precision : array (code_size,)
        The prior on codes: independent normals.
    book : array (n_book, code_size)
        Codes to start inversions from.
    loss : float
        Mean squared error over the training pairs, in standardised units.
    n_bends : int
        Entries at the end of a code that bend the sequence, see :mod:`egem.data.augment`.
    """

    expert: Expert
    codes: Float32[np.ndarray, "n_cases code_size"]
    code_mean: Float32[np.ndarray, " code_size"]
    code_precision: Float32[np.ndarray, " code_size"]
    book: Float32[np.ndarray, "n_book code_size"]
    loss: float
    n_bends: int


def _is_one_hot(n_cases: int, recipe: Recipe) -> bool:
    return recipe.codes == "one-hot" or (recipe.codes == "auto" and n_cases <= MOST_ONE_HOT)


def case_size(n_cases: int, recipe: Recipe) -> int:
    """Entries of the codes of a class of so many cases, without bends."""
    if not _is_one_hot(n_cases, recipe):
        return recipe.code_size
    return bucket(n_cases, 4) if recipe.pad_codes else n_cases


def case_codes(batch: Batch, recipe: Recipe) -> tuple[Float32[np.ndarray, "n k"], bool]:
    """Return first codes of a class's cases and whether they are to be learned.

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


def pair_codes(table: Float[AnyArray, "n k"], pairs: Pool) -> Float[Array, "m k_and_coordinates"]:
    """Codes of training pairs: the blend of the two cases' codes, then the deformation."""
    share = pairs.share[:, None]
    blend = share * table[pairs.first] + (1.0 - share) * table[pairs.second]
    return jnp.concatenate([blend, pairs.bend], axis=1)


def finished(
    expert: Expert,
    table: Float32[np.ndarray, "n_rows case_size"],
    pairs: Pool,
    learned: bool,
    batch: Batch,
    loss: float,
) -> Trained:
    """Lay down the prior and the code book of a trained expert.

    Parameters
    ----------
    expert : Expert
        Its weights.
    table : array (n_rows, case_size)
        Codes of its cases in their canonical order, then idle rows.
    pairs : Pool
        What it was shown.
    learned : bool
        Whether its codes were learned.
    batch : Batch
        Its cases.
    loss : float
        Its training loss.

    Returns
    -------
    Trained
    """
    n, n_entries = batch.n_cases, table.shape[1]
    n_pairs, n_bends = pairs.bend.shape
    table = table[:n]
    codes = np.zeros((n, n_entries + n_bends), np.float32)
    codes[:, :n_entries] = table
    mean = codes.mean(axis=0)  # before reordering: a sum must not depend on the cases' order
    codes[canonical_order(batch)] = codes.copy()
    book = np.asarray(pair_codes(table, pairs), np.float32)
    # The cases first, evenly thinned where they are too many, then blends and deformations.
    cases = evenly(n, BOOK_SIZE)
    book = book[np.concatenate([cases, np.arange(n, n_pairs)])[:BOOK_SIZE]]
    if n_pairs == n and not learned:
        further = np.zeros((PLAIN_BOOK_SIZE - len(book), book.shape[1]), np.float32)
        further[0, :n] = 1.0 / n
        further[1:, :n] = np.random.default_rng(n).dirichlet(np.ones(n), len(further) - 1)
        book = np.concatenate([book, further])
    book = book[np.arange(max(BOOK_SIZE, len(book))) % len(book)]
    precision = np.full(mean.shape, BEND_PRECISION, np.float32)
    precision[:n_entries] = (
        1.0 / np.maximum(table.std(axis=0), LEAST_SPREAD) ** 2 if learned else ONE_HOT_PRECISION
    )
    return Trained(expert, codes, mean, precision, book, loss, n_bends)


def code_size(trained: Trained) -> int:
    """Length of an expert's codes."""
    return trained.codes.shape[1]


def count_parameters(trained: Trained) -> int:
    """Number of weights of an expert."""
    return sum(leaf.size for leaf in trained.expert)
