"""Few-shot splits into training and test cases."""

import zlib
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int


class FewShotSplit(NamedTuple):
    """Indices of training and test cases, ascending."""

    train: Int[np.ndarray, " n_train"]
    test: Int[np.ndarray, " n_test"]


def few_shot_split(y: Any, k: int | None, seed: int) -> FewShotSplit:
    """Hold out a fifth of each class, and draw k training cases per class from the rest.

    The draw of a class depends only on the seed, its label and its number of cases. The test cases
    do not depend on k, and the training cases of a smaller k are among those of a larger one.

    Parameters
    ----------
    y : array (n_cases,)
        Labels.
    k : int or None
        Training cases per class; None takes all that are not held out.
    seed : int
        Not negative.

    Returns
    -------
    FewShotSplit
        ``train`` and ``test``, ascending indices; ``test`` holds floor(n / 5) of a class of n
        cases.

    Raises
    ------
    ValueError
        If a class has fewer than 5 cases, or fewer than k that are not held out.

    Examples
    --------
    >>> train, test = few_shot_split(["a"] * 10 + ["b"] * 7, k=2, seed=0)
    >>> len(train), len(test)
    (4, 3)
    """
    labels = np.asarray(y)
    if labels.ndim != 1 or not len(labels):
        raise ValueError(f"y must hold one label per case; it has shape {labels.shape}.")
    if k is not None and k < 1:
        raise ValueError(f"k must be at least 1, or None for all training cases, not {k}.")
    train, test = [], []
    for label in np.unique(labels):
        cases = np.flatnonzero(labels == label)
        n_test = len(cases) // 5
        n_train = len(cases) - n_test if k is None else k
        if not n_test or n_test + n_train > len(cases):
            raise ValueError(
                f"class {str(label)!r} has {len(cases)} cases, of which a fifth ({n_test}) is held "
                f"out: too few to test on and to draw {n_train} training cases from; "
                + ("lower k, " if n_test else "")
                + "leave the class out, or give more of its cases."
            )
        drawn = class_generator(seed, label).permutation(cases)
        test.append(drawn[:n_test])
        train.append(drawn[n_test:][:n_train])
    return FewShotSplit(np.sort(np.concatenate(train)), np.sort(np.concatenate(test)))


def class_generator(seed: int, label: Any) -> np.random.Generator:
    """Return the random number generator of a class; other classes cannot change its numbers."""
    return np.random.default_rng([seed, zlib.crc32(str(label).encode())])
