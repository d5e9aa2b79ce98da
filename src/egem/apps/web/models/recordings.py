"""The recordings of a workspace: labelled ones to learn from, others to recognise."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from egem.apps.web import responses
from egem.apps.web.errors import ApiError
from egem.apps.web.models.inspection import series
from egem.apps.web.models.snapshot import MAX_CLASSES
from egem.classifier import EGEMClassifier
from egem.data.cases import Case
from egem.data.sequences import Named

MAX_RECORDINGS = 2000
MAX_VALUES = 4_000_000
MAX_CHANNELS = 100
MIN_POINTS = 2  # of a trimmed recording
MIN_DRAWN, MAX_DRAWN = 40, 200  # points of a displayed recording
DRAWN_VALUES = 60_000  # of all displayed recordings, where there are enough points for each


class Recording(NamedTuple):
    """A recording, its label and which part of it counts.

    Attributes
    ----------
    name : str
        From its file.
    values : array (n_channels, n_timepoints)
        All of it.
    start, end : int
        First time point that counts, and the one after the last.
    label : str or None
        Class for which it is learned; None is not learned.
    told : str or None
        Label in its file, where it was uploaded to be recognised.
    new : bool
        Whether it was uploaded to be recognised.
    """

    name: str
    values: Case
    start: int
    end: int
    label: str | None
    told: str | None = None
    new: bool = False

    @property
    def case(self) -> Case:
        """The part that counts."""
        return self.values[:, self.start : self.end]


@dataclass(frozen=True, eq=False)
class Recordings:
    """All recordings of a workspace; immutable.

    Attributes
    ----------
    dataset_id : str
        Changes when recordings are added.
    title : str
        Name of the file or folder.
    channels : list of str or None
        Names of the channels.
    step : float or None
        Time between two points.
    notes : tuple of str
        What was understood or left out while the files were read.
    all : tuple of Recording
        The recordings.
    revision : int
        Increases with every edit.
    """

    dataset_id: str
    title: str
    channels: list[str] | None
    step: float | None
    notes: tuple[str, ...]
    all: tuple[Recording, ...]
    revision: int = 0

    @property
    def learned(self) -> list[int]:
        """Numbers of the labelled recordings."""
        return [i for i, each in enumerate(self.all) if each.label is not None]

    @property
    def recognised(self) -> list[int]:
        """Numbers of the recordings that are classified: new ones, and those without a label."""
        return [i for i, each in enumerate(self.all) if each.new or each.label is None]

    @property
    def classes(self) -> list[str]:
        """The labels."""
        return sorted({each.label for each in self.all if each.label is not None})

    def check(self, numbers: Sequence[int]) -> None:
        """Refuse numbers without a recording.

        Raises
        ------
        ApiError
            With the numbers there are.
        """
        for i in numbers:
            if i >= len(self.all):
                raise ApiError(
                    404, f"There is no recording {i}.", f"They are 0 to {len(self.all) - 1}."
                )

    def edited(self, numbers: Sequence[int], changes: dict) -> "Recordings":
        """Change label, start or end of some recordings.

        Raises
        ------
        ApiError
            If there is no such recording, too little of it is left, or there are too many labels.
        """
        self.check(numbers)
        everything = list(self.all)
        for i in numbers:
            one = everything[i]._replace(**changes)
            n = one.values.shape[1]
            if not 0 <= one.start <= one.end - min(MIN_POINTS, n) or one.end > n:
                raise ApiError(
                    422,
                    f"{one.name} cannot be cut to {one.start}:{one.end}; it has {n} time points.",
                    f"Keep at least {MIN_POINTS} of them.",
                )
            everything[i] = one
        new = replace(self, all=tuple(everything), revision=self.revision + 1)
        if len(new.classes) > MAX_CLASSES:
            raise ApiError(422, f"There are {len(new.classes)} labels.", f"Use {MAX_CLASSES}.")
        return new

    def extended(self, more: "Recordings") -> "Recordings":
        """Add recordings of the same channels, under the id of ``more``.

        Raises
        ------
        ApiError
            If the channels are others, or there are too many recordings.
        """
        arrays = [each.values for each in more.all]
        named = matched(self.channels, len(self.all[0].values), more.channels, arrays)
        moved = tuple(
            each._replace(values=case) for each, case in zip(more.all, named, strict=True)
        )
        both = replace(
            self,
            dataset_id=more.dataset_id,
            notes=more.notes,
            all=(*self.all, *moved),
            revision=self.revision + 1,
        )
        check_sizes([each.values for each in both.all])
        return both

    def summary(self) -> responses.Dataset:
        """Describe the recordings for the page."""
        cases = [each.values for each in self.all]
        n_channels = len(cases[0])
        n_points = DRAWN_VALUES // (len(cases) * n_channels)
        n_points = min(max(n_points, MIN_DRAWN), MAX_DRAWN)
        lengths = [case.shape[1] for case in cases]
        return responses.Dataset(
            dataset_id=self.dataset_id,
            revision=self.revision,
            name=self.title,
            n_cases=len(cases),
            n_channels=n_channels,
            lengths=(min(lengths), max(lengths)),
            classes=self.classes,
            channels=self.channels or [f"channel {c + 1}" for c in range(n_channels)],
            ranges=[_range([case[c] for case in cases]) for c in range(n_channels)],
            step=self.step,
            notes=list(self.notes),
            recordings=[
                responses.Recording(
                    name=each.name,
                    label=each.label,
                    told=each.told,
                    new=each.new,
                    start=each.start,
                    end=each.end,
                    n_timepoints=each.values.shape[1],
                    channels=series(each.values, n_points).channels,
                )
                for each in self.all
            ],
        )

    def details(self) -> bytes:
        """Serialise everything but the values as JSON."""
        rows = [each._replace(values=each.values.shape[1]) for each in self.all]  # type: ignore[arg-type]
        return json.dumps(
            {
                "dataset_id": self.dataset_id,
                "title": self.title,
                "channels": self.channels,
                "step": self.step,
                "notes": self.notes,
                "revision": self.revision,
                "all": rows,
            }
        ).encode()

    def values(self) -> bytes:
        """Serialise the values."""
        out = io.BytesIO()
        np.save(out, np.concatenate([each.values for each in self.all], axis=1))
        return out.getvalue()

    @staticmethod
    def of(details: bytes, values: bytes) -> "Recordings":
        """Read what :meth:`details` and :meth:`values` wrote."""
        read = json.loads(details)
        rows = [Recording(*row) for row in read.pop("all")]
        joined = np.load(io.BytesIO(values), allow_pickle=False)
        lengths = [int(row.values) for row in rows]  # type: ignore[arg-type]
        parts = np.split(joined, np.cumsum(lengths)[:-1], axis=1)
        every = tuple(row._replace(values=part) for row, part in zip(rows, parts, strict=True))
        return Recordings(**read | {"notes": tuple(read["notes"]), "all": every})


def matched(
    wanted: list[str] | None, n_channels: int, own: list[str] | None, cases: list[Case]
) -> list[Case]:
    """Put the channels of cases into the order of ``wanted``.

    Raises
    ------
    ApiError
        If there are other channels.
    """
    if cases and len(cases[0]) != n_channels:
        raise ApiError(
            422,
            f"The recordings have {len(cases[0])} channels, those before have {n_channels}.",
            "Use recordings of the same channels.",
        )
    if wanted is None or own is None or wanted == own:
        return cases
    try:
        return list(Named(cases, None, channels=own).with_channels(wanted).X)
    except ValueError as error:
        raise ApiError(
            422,
            f"The channels are {', '.join(own)}, but those before are {', '.join(wanted)}.",
            "Use recordings of the same channels, or rename columns.",
        ) from error


def for_model(clf: EGEMClassifier, recordings: Recordings, numbers: Sequence[int]) -> list[Case]:
    """Return cases with the channels of a model in their order.

    Raises
    ------
    ApiError
        If there is no such recording, or its channels are not those of the model.
    """
    recordings.check(numbers)
    cases = [recordings.all[i].case for i in numbers]
    names, n_channels = clf.channel_names_, clf.preparation_.n_channels
    return matched(names, n_channels, recordings.channels, cases)


def check_sizes(cases: list[Case]) -> None:
    """Refuse more than the page can show.

    Raises
    ------
    ApiError
        With the limits.
    """
    n_values = sum(case.size for case in cases)
    if n_values > MAX_VALUES or len(cases[0]) > MAX_CHANNELS or len(cases) > MAX_RECORDINGS:
        raise ApiError(
            413,
            f"There are {n_values:,} values in {len(cases):,} recordings of {len(cases[0])} "
            "channels.",
            f"Use at most {MAX_VALUES:,} values, {MAX_RECORDINGS:,} recordings and "
            f"{MAX_CHANNELS} channels, or egem fit for more.",
        )


def _range(rows: list[np.ndarray]) -> tuple[float, float]:
    """Return the smallest and the largest value of a channel; equal ones are set apart."""
    seen = np.concatenate(rows)
    seen = seen[~np.isnan(seen)]
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 0.0)
    return (low, high) if high > low else (low - 1.0, high + 1.0)
