"""Settings of training and of the search for codes."""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Array

# Arrays are NumPy's between compiled calls, and JAX's inside them.
AnyArray: TypeAlias = Array | np.ndarray


@dataclass(frozen=True)
class TrainingConfig:
    """How an expert is trained.

    Attributes
    ----------
    n_updates : int
        Gradient steps.
    batch_size : int
        Training pairs in a step.
    learning_rate : float
        Adam's, at the start.
    cosine : bool
        Whether the rate decays to zero along a cosine, or is constant.
    clip : float or None
        Largest gradient norm.
    code_noise, value_noise : float
        Standard deviation of Gaussian noise on codes and on sequences (paper, section 3).
    clip_codes : bool
        Whether noisy codes are clipped to [0, 1], as in the paper.
    """

    n_updates: int = 3000
    batch_size: int = 16
    learning_rate: float = 0.04
    cosine: bool = True
    clip: float | None = 1.0
    code_noise: float = 0.0
    value_noise: float = 0.0
    clip_codes: bool = False


@dataclass(frozen=True)
class SearchConfig:
    """How codes are searched for.

    Attributes
    ----------
    max_steps : int
        Largest number of steps of a search.
    prior_weight : float
        Weight of the prior on codes; 0 leaves codes free.
    bounds : tuple of float
        Smallest and largest entry of a code.
    """

    max_steps: int = 20
    prior_weight: float = 1.0
    bounds: tuple[float, float] = (-math.inf, math.inf)
