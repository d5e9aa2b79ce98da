"""How the experts of a model are trained."""

from dataclasses import dataclass, field
from typing import Literal

from egem.core.config import TrainingConfig
from egem.core.decoder import Decoder
from egem.core.lstm import LSTMDecoder
from egem.data.augment import Kind

Codes = Literal["auto", "one-hot", "learned"]


@dataclass(frozen=True)
class Recipe:
    """Everything that training depends on, beside the cases, the label and the seed.

    Attributes
    ----------
    decoder : Decoder
        What is trained.
    config : TrainingConfig
        Gradient descent.
    augmentation : str
        Deformation of the training cases, see :mod:`egem.data.augment`.
    mixup : bool
        Whether pairs of training cases are mixed.
    codes : {"auto", "one-hot", "learned"}
        Codes of the training cases: one-hot (the paper's), or learned with the weights. ``"auto"``
        takes one-hot ones for classes of up to 8 cases, padded to a multiple of 4 entries.
    code_size : int
        Entries of a learned code.
    """

    decoder: Decoder = field(default_factory=LSTMDecoder)
    config: TrainingConfig = field(default_factory=TrainingConfig)
    augmentation: Kind = "none"
    mixup: bool = True
    codes: Codes = "auto"
    code_size: int = 8
