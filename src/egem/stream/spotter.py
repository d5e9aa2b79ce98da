"""The spotter: frames in, events out."""

from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from egem.classifier import EGEMClassifier
from egem.data.cases import Case
from egem.data.normal_form import Kind
from egem.stream.bound import Bound
from egem.stream.candidates import Candidate, Span, overlaps
from egem.stream.partial import Partial, partial
from egem.stream.recogniser import Recogniser
from egem.stream.tracker import Arrays, Tracker
from egem.stream.windows import Window


class Event(NamedTuple):
    """Something that was found.

    Attributes
    ----------
    label : str or int
        Its class.
    start, end : float
        When it began and ended: the numbers of frames, counted from 0, or ``times``.
    emitted : float
        The frame after which it was returned, in the same unit.
    probability : float
        That of the class among all classes.
    p_value : float
        Share of invented members of known classes that fit no better.
    """

    label: Any
    start: float
    end: float
    emitted: float
    probability: float
    p_value: float


class Spotter:
    """Finds and names events in a stream, from the examples that a classifier was fitted to.

    Continuous dynamic programming aligns every example with the stream. Windows that fit are scored
    by their distance to the examples in a normal form (:func:`egem.normalise`), and of those that
    overlap the best is an event; linear experts give its probability. The bound on scores derives
    from deformed copies of the examples; :meth:`calibrate` sets it by real background.

    Parameters
    ----------
    clf : EGEMClassifier
        A fitted classifier. Its training cases are the examples, in the units of the stream.
    kind : {"auto", "pen", "motion", "series"}, default "auto"
        The normal form; ``"auto"`` takes ``"pen"`` for two channels, else ``"series"``.

    Examples
    --------
    >>> import numpy as np
    >>> from egem import EGEMClassifier, Spotter
    >>> t = np.linspace(0, 2 * np.pi, 40)
    >>> circle, eight = np.stack([np.cos(t), np.sin(t)]), np.stack([np.sin(t), np.sin(2 * t)])
    >>> clf = EGEMClassifier(views=("linear",), random_state=0)
    >>> spotter = Spotter(clf.fit([circle, eight], ["circle", "eight"]), kind="pen")
    >>> stream = np.concatenate([np.zeros((2, 30)), eight, np.zeros((2, 30))], axis=1)
    >>> [(e.label, e.start, e.end) for e in spotter.push(stream)]
    [('eight', 32.0, 68.0)]
    """

    def __init__(self, clf: EGEMClassifier, kind: Kind | Literal["auto"] = "auto"):
        self.recogniser = _recogniser(clf, kind)
        self.bound = Bound.invented(self.recogniser)
        self.reset()

    def reset(self) -> None:
        """Forget the stream, not the bound."""
        self._tracker = Tracker(self.recogniser)

    def push(self, frames: ArrayLike, times: ArrayLike | None = None) -> list[Event]:
        """Take frames; return the events that are now certain.

        The events of a stream do not depend on the blocks in which it is pushed.

        Parameters
        ----------
        frames : array (n_channels,) or (n_channels, n_frames)
            One frame or several, in the units of the examples. Frames with NaN count as dropped.
        times : float or array (n_frames,) or None, default None
            When each frame was taken, increasing; None counts frames. For ``"series"`` the unit is
            that of the classifier's ``time_step_``, which files give it, or else the time between
            two points of the examples.

        Raises
        ------
        ValueError
            For frames of another number of channels, infinite values, or times that do not
            increase.
        """
        tracker = self._tracker
        block, when = self._checked(frames, times)
        tracker.unit = 1.0 if times is None else self.recogniser.time_step
        events = []
        for windows, rests in tracker.follow(block, when):
            tracker.candidates.pending += self._judged(windows)
            events += self._release(rests)
        return events

    def partial(self) -> Partial | None:
        """Return what is under way: a probability for each class, and how it would go on.

        None where no quarter of an example fits what came last, or the stream rests. It costs about
        as much as a step, and no event depends on it.
        """
        return partial(self.recogniser, self._tracker)

    def flush(self) -> list[Event]:
        """Return the events that further frames might still have changed."""
        tracker = self._tracker
        tracker.candidates.pending += self._judged(tracker.windows.rest())
        return self._release(rests=True)

    def replace(self, clf: EGEMClassifier) -> list[Event]:
        """Go on with another classifier, such as one with a class more or fewer.

        Times and the count of frames go on. Examples are aligned from the next frame on: a movement
        under way is not found, so replace while the stream rests. The bound is as far from the
        default for the new examples as it was from the default for those before.

        Parameters
        ----------
        clf : EGEMClassifier
            A fitted classifier of sequences with as many channels.

        Returns
        -------
        list of Event
            What :meth:`flush` returns of the stream so far.

        Raises
        ------
        ValueError
            For another number of channels. The spotter is as it was.
        """
        n, n_new = len(self.recogniser.mean), clf.preparation_.n_channels
        if n != n_new:
            raise ValueError(
                f"clf has {n_new} channels and the stream has {n}; begin another Spotter."
            )
        recogniser = Recogniser(clf, self.recogniser.kind)
        bound = self.bound.carried_over(self.recogniser, recogniser)
        events = self.flush()
        self.recogniser, self.bound = recogniser, bound
        self._tracker.begin(recogniser)
        return events

    def spot(self, stream: ArrayLike, times: ArrayLike | None = None) -> list[Event]:
        """Return all events of a recorded stream, an array (n_channels, n_frames)."""
        self.reset()
        return self.push(stream, times) + self.flush()

    def calibrate(
        self,
        background: ArrayLike,
        false_alarms_per_hour: float = 6.0,
        times: ArrayLike | None = None,
        rate: float | None = None,
    ) -> Self:
        """Set the bound by a recorded stream in which nothing happens that is to be found.

        Parameters
        ----------
        background : array (n_channels, n_frames)
            The stream, as long as possible: at least the time between two false alarms.
        false_alarms_per_hour : float, default 6
            How many to allow.
        times : array (n_frames,) or None, default None
            In seconds; or else give ``rate``.
        rate : float or None, default None
            Frames a second.
        """
        if (times is None) == (rate is None):
            raise ValueError("calibrate needs the stream's pace: give either times or rate.")
        self.reset()
        block, when = self._checked(background, times)
        clock = when / rate if times is None else np.asarray(times, float)
        scored: list[tuple[float, Span]] = []
        for windows, _ in self._tracker.follow(block, when):
            scored += [(self._score(w)[0], (w.first, w.last)) for w in windows]
        apart: dict[Span, float] = {}
        for score, span in sorted(scored):
            if not overlaps(span, apart):
                apart[span] = score
        seconds = clock[-1] - clock[0]
        n = false_alarms_per_hour * seconds / 3600
        self.bound = self.bound.for_rate(list(apart.values()), n)
        self.reset()
        return self

    @property
    def state(self) -> Arrays:
        """What the spotter knows of the stream, as arrays; their sizes are bounded."""
        bound = {"bound": np.array(self.bound.score), "members": self.bound.members}
        return bound | self._tracker.arrays

    @classmethod
    def from_state(
        cls, clf: EGEMClassifier, state: Arrays, kind: Kind | Literal["auto"] = "auto"
    ) -> Self:
        """Go on from a :attr:`state`, with the classifier and kind of the spotter it is from."""
        self = cls.__new__(cls)  # no need to set a bound
        self.recogniser = _recogniser(clf, kind)
        self.bound = Bound(float(state["bound"]), np.array(state["members"]))
        self.reset()
        self._tracker.restore(state)
        return self

    def _checked(self, frames: ArrayLike, times: ArrayLike | None) -> tuple[Any, Any]:
        block, c = np.asarray(frames, float), len(self.recogniser.mean)
        block = block[:, None] if block.ndim == 1 else block
        if block.ndim != 2 or len(block) != c:
            raise ValueError(
                f"frames has shape {np.shape(frames)}; give ({c},) or ({c}, n_frames), as the "
                f"examples have {c} channel{'s' * (c != 1)}."
            )
        if np.isinf(block).any():
            raise ValueError("frames holds an infinite value; give NaN where it is missing.")
        n = block.shape[1]
        if times is None:
            when = np.arange(n, dtype=float) + self._tracker.n_frames
        else:
            when = np.atleast_1d(np.asarray(times, float)) / self.recogniser.time_step
        increasing = (when[:1] > self._tracker.now).all() and (when[1:] > when[:-1]).all()
        if when.shape != (n,) or not increasing:
            raise ValueError(
                f"times must be {n} numbers that increase, also beyond those of the last push; "
                "leave out frames that come twice."
            )
        return block, when

    def _score(self, window: Window) -> tuple[float, Case]:
        """Return a window's score, and its points."""
        cut = self._tracker.windows.cut(window)
        return self.recogniser.score(cut, window.template, window.cost), cut

    def _judged(self, windows: list[Window]) -> list[Candidate]:
        """Return the windows whose score is within the bound, with their class's probability."""
        out, at, r = [], self._tracker.windows, self.recogniser
        for window in windows:
            score, cut = self._score(window)
            if score <= self.bound.score:
                owner = int(r.owners[window.template])
                span = window.first, window.last, at.time(window.first), at.time(window.last + 1)
                out.append(Candidate(score, owner, *span, r.probability(cut, owner)))
        return out

    def _release(self, rests: bool) -> list[Event]:
        tracker, events = self._tracker, []
        at, unit = tracker.windows, tracker.unit
        for c in tracker.candidates.release(at.n_steps, rests, at.longest):
            label, p = self.recogniser.classes[int(c.owner)].item(), self.bound.p_value(c.score)
            start, end, now = (unit * time for time in (c.start, c.end, tracker.now))
            events.append(Event(label, start, end, now, c.probability, p))
        return events


def _recogniser(clf: EGEMClassifier, kind: Kind | Literal["auto"]) -> Recogniser:
    if kind == "auto":
        kind = "pen" if clf.preparation_.n_channels == 2 else "series"
    return Recogniser(clf, kind)
