"""How the experts of a model are trained."""

from dataclasses import dataclass, field
from typing import Literal

from egem.core.config import TrainingConfig
from egem.core.decoder import Decoder
from egem.core.lstm import LSTMDecoder
from egem.data.augment import Augmentation

Codes = Literal["auto", "one-hot", "learned"]


@dataclass(frozen=True)
class Recipe:
    """Everything that training depends on, beside the cases, the label and the seed."""

    decoder: Decoder = field(default_factory=LSTMDecoder)  # what is trained
    config: TrainingConfig = field(default_factory=TrainingConfig)  # gradient descent
    augmentation: Augmentation = (
        "none"  # deformation of the training cases, see :mod:`egem.data.augment`
    )
    mixup: bool = True  # whether pairs of training cases are mixed
    # codes of the training cases: one-hot (the paper's), or learned with the weights. ``"auto"``
    # takes one-hot ones for classes of up to 8 cases, padded to a multiple of 4 entries
    codes: Codes = "auto"
    code_size: int = 8  # entries of a learned code
