"""How an expert is trained."""

from dataclasses import dataclass
from typing import Literal

from egem.data.augment import Kind

Codes = Literal["auto", "one-hot", "learned"]


@dataclass(frozen=True)
class Recipe:
    """How an expert is trained; the defaults are this project's, :meth:`published` the paper's.

    Attributes
    ----------
    n_cells : int
        LSTM cells.
    n_updates : int
        Gradient steps.
    batch_size : int
        Pairs of code and sequence in a step.
    learning_rate : float
        Adam's, at the start.
    cosine : bool
        Whether the rate decays to zero along a cosine.
    clip : float or None
        Largest gradient norm of an expert.
    published_init : bool
        PyTorch's default initialisation as it is.
    kind : str
        Deformation of the cases, see :mod:`egem.data.augment`.
    blend : bool
        Whether to mix pairs of cases.
    code_noise, value_noise : float
        Sd of Gaussian noise on codes (the paper's are then clipped to [0, 1]) and on sequences.
    codes : {"auto", "one-hot", "learned"}
        Codes of training cases: one-hot (the paper's), or small ones that are learned with the
        weights; ``"auto"`` takes one-hot ones up to 8 cases.
    code_size : int
        Entries of a learned code.
    pad_codes : bool
        Whether one-hot codes get idle entries, so that classes of 2, 3 and 4 cases share a shape.
    """

    n_cells: int = 16
    n_updates: int = 3000
    batch_size: int = 16
    learning_rate: float = 0.04
    cosine: bool = True
    clip: float | None = 1.0
    published_init: bool = False
    kind: Kind = "none"
    blend: bool = True
    code_noise: float = 0.0
    value_noise: float = 0.0
    codes: Codes = "auto"
    code_size: int = 8
    pad_codes: bool = True

    @staticmethod
    def published(
        n_cells: int, n_updates: int, learning_rate: float, noise: tuple[float, float]
    ) -> "Recipe":
        """Return the paper's recipe: one pair a step, a constant rate, nothing added but noise."""
        return Recipe(
            n_cells=n_cells,
            n_updates=n_updates,
            batch_size=1,
            learning_rate=learning_rate,
            cosine=False,
            clip=None,
            published_init=True,
            blend=False,
            code_noise=noise[0],
            value_noise=noise[1],
            codes="one-hot",
            pad_codes=False,
        )
