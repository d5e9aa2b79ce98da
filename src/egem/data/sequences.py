"""The forms that data take: sequences, labels, and the names a file gives them."""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Shaped

# An array (n_cases, n_channels, n_timepoints), or a list of (n_channels, length_i) where lengths
# differ. Which of them depends on the data; as a union, no type checker would let X[index] pass.
Sequences: TypeAlias = Any
Labels: TypeAlias = Shaped[np.ndarray, " n_cases"]


class Named(NamedTuple):
    """Sequences with the names that a file gives them.

    Attributes
    ----------
    X : array (n_cases, n_channels, n_timepoints), or list of array (n_channels, length_i)
        The sequences.
    y : array (n_cases,) or None
        Labels.
    cases : list or None
        Names of the cases, text or numbers; None where they have none.
    channels : list of str or None
        Names of the channels.
    step : float or None
        Time between two points, where all cases are evenly spaced by it.
    summary : str or None
        What was understood of the file, in a line.
    """

    X: Sequences
    y: Labels | None
    cases: list[Any] | None = None
    channels: list[str] | None = None
    step: float | None = None
    summary: str | None = None

    def with_channels(self, names: list[str] | None) -> "Named":
        """Put the channels into the order of ``names``, where both are known.

        Raises
        ------
        ValueError
            If there are other channels.
        """
        if names is None or self.channels is None or names == self.channels:
            return self
        if sorted(names) != sorted(self.channels):
            raise ValueError(
                f"it has {len(self.channels)} channels, {', '.join(self.channels)}, but the model "
                f"was fitted to {', '.join(names)}; rename, add or leave out columns."
            )
        order = [self.channels.index(name) for name in names]
        return self._replace(X=stack([x[order] for x in self.X]), channels=names)


def stack(cases: list[np.ndarray]) -> Sequences:
    """Stack cases of one length into an array; leave others a list."""
    return np.stack(cases) if len({x.shape for x in cases}) == 1 else cases


def precision(*dtypes: np.dtype) -> type[np.floating]:
    """Return float32 where no dtype is finer, otherwise float64."""
    return np.float32 if all(d in (np.float32, np.float16) for d in dtypes) else np.float64
