"""Events in recorded and in live streams, found with a workspace's model."""

from copy import copy
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float

from egem.apps.web.errors import ApiError
from egem.apps.web.models.inspection import series
from egem.apps.web.models.recordings import Recordings, for_model
from egem.apps.web.models.snapshot import Snapshot
from egem.apps.web.models.verdicts import classifier_of_recordings
from egem.apps.web.stream_messages import (
    Event,
    RecordedStream,
    StreamAnswer,
    StreamKind,
    StreamRequest,
    UnderWay,
)
from egem.classifier import EGEMClassifier
from egem.data.cases import Case
from egem.data.normal_form import path_length
from egem.stream import spotter as library
from egem.stream.spotter import Spotter

MAX_EXAMPLES = 4  # of a class that streams are compared with
MAX_ALL = 48  # of all classes, where each has one
SIZE = 0.7  # of drawings in a stream, which share the pad, over that of single ones
MAX_BLOCK_STEPS = 2000  # of one message; a step is what the spotter takes at a time
MAX_STEPS = 60_000  # of a recording
N_DRAWN = 4000  # points of a displayed recording

_spotters: WeakKeyDictionary[Snapshot, dict[StreamKind, Spotter]] = WeakKeyDictionary()


def spotter_of(snapshot: Snapshot, kind: StreamKind) -> Spotter:
    """Return a spotter for a new stream; drawings are always compared as ``"pen"``.

    Its examples are at most ``MAX_EXAMPLES`` cases of each class, evenly chosen.

    Raises
    ------
    ApiError
        If there is no class, or its cases cannot be found in a stream.
    """
    kind = "pen" if snapshot.kind == "strokes" else kind
    known = _spotters.setdefault(snapshot, {})
    if kind not in known:
        try:
            known[kind] = Spotter(_examples(snapshot), kind)
        except (ValueError, ArithmeticError) as error:
            raise ApiError.of(error) from error
    spotter = copy(known[kind])  # which shares what it compares with
    spotter.reset()
    return spotter


def _examples(snapshot: Snapshot) -> EGEMClassifier:
    """Fit a classifier to examples in the units of the stream."""
    if not snapshot.labels:
        raise ApiError(409, "There are no classes yet.", "Train one, then begin the stream.")
    n = max(1, min(MAX_EXAMPLES, MAX_ALL // len(snapshot.labels)))
    cases, labels = [], []
    for label in snapshot.labels:
        everything = snapshot.cases(label)
        if snapshot.kind == "strokes":
            everything = [SIZE * np.array([d.x, d.y]) for d in snapshot.drawings_of(label)]
        which = np.linspace(0, len(everything) - 1, min(n, len(everything))).astype(int)
        cases += [everything[i] for i in which]
        labels += [label] * len(which)
    clf = EGEMClassifier(views=("linear",), augment="none", n_jobs=1, random_state=0)
    return clf.fit(cases, labels)


class LiveStream:
    """A stream that is pushed block by block."""

    def __init__(self, spotter: Spotter):
        self.spotter = spotter
        self.begun = False
        self._last: Float[np.ndarray, "c 1"] | None = None  # complete frame
        self._when: list[float] = []  # time of the last frame, where it has times

    def push(self, request: StreamRequest) -> StreamAnswer:
        """Take frames; return the events that are now certain, and what is under way.

        Raises
        ------
        ApiError
            If they do not continue the stream; none of them is then taken.
        """
        found = []
        if request.channels and request.channels[0]:
            x, times = np.array(request.channels, float), request.times
            n_channels = len(self.spotter.recogniser.mean)
            if len(x) != n_channels:
                raise ApiError(
                    422,
                    f"The frames have {len(x)} channels, the model has {n_channels}.",
                    "Send one list of values for each channel of the model.",
                )
            path = x if self._last is None else np.concatenate([self._last, x], axis=1)
            n_steps = _n_steps(self.spotter, path, [*self._when, *(times or ())])
            if n_steps > MAX_BLOCK_STEPS:
                raise ApiError(
                    422,
                    f"These frames lead {n_steps:,.0f} steps on; {MAX_BLOCK_STEPS:,} are allowed.",
                    "Send smaller blocks, or begin a new stream after a jump.",
                )
            try:
                found = self.spotter.push(x, times)
            except ValueError as error:
                raise ApiError.of(error) from error
            complete = path[:, ~np.isnan(path).any(axis=0)]
            self._last = complete[:, -1:] if complete.size else None
            self._when, self.begun = [] if times is None else times[-1:], True
        if request.end:
            found = found + self.spotter.flush()
        under_way = None if request.end else self._under_way()
        return StreamAnswer(
            id=request.id, events=[_event(each) for each in found], under_way=under_way
        )

    def _under_way(self) -> UnderWay | None:
        found = self.spotter.partial()
        if found is None:
            return None
        label, probability = max(found.probabilities.items(), key=lambda pair: pair[1])
        channels = np.round(found.rest, 5).tolist()
        return UnderWay(label=str(label), probability=probability, channels=channels)


def spot(snapshot: Snapshot, recordings: Recordings, kind: StreamKind) -> RecordedStream:
    """Find the events of a recording.

    Raises
    ------
    ApiError
        If there is no model of recordings, several recordings or a long one, or its channels are
        not those of the model.
    """
    clf = classifier_of_recordings(snapshot)
    one, *others = recordings.all
    if others:
        raise ApiError(
            422,
            f"{recordings.title} holds {len(recordings.all):,} recordings.",
            "Send one recording at a time, without labels of its parts.",
        )
    case: Case = for_model(clf, recordings, [0])[0]
    spotter = spotter_of(snapshot, kind)
    n_steps = _n_steps(spotter, case, [0.0, case.shape[1] - 1.0])
    if n_steps > MAX_STEPS:
        raise ApiError(
            413,
            f"The recording is {n_steps:,.0f} steps long; {MAX_STEPS:,} are allowed here.",
            "Send a part of it, or use egem spot on the command line.",
        )
    try:
        events = spotter.spot(case)
    except ValueError as error:
        raise ApiError.of(error) from error
    names = clf.channel_names_ or recordings.channels
    return RecordedStream(
        name=one.name,
        kind=spotter.recogniser.kind,
        channels=names or [f"channel {c + 1}" for c in range(len(case))],
        step=recordings.step,
        series=series(case, N_DRAWN),
        notes=list(recordings.notes),
        events=[_event(each, recordings.step or 1.0) for each in events],
    )


def _n_steps(spotter: Spotter, x: Float[np.ndarray, "c n"], times: list[float]) -> float:
    """Return about how many steps a stretch takes: a jump in place or time takes many."""
    r = spotter.recogniser
    if r.along_path:
        return path_length(x) / r.quantum
    return (times[-1] - times[0] if times else x.shape[1]) / r.quantum


def _event(event: library.Event, step: float = 1.0) -> Event:
    return Event(
        label=str(event.label),
        start=round(step * event.start, 9),
        end=round(step * event.end, 9),
        emitted=round(step * event.emitted, 9),
        probability=event.probability,
        p_value=event.p_value,
    )
