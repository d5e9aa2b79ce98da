"""The spotter: frames in, events out."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from egem.classifier import EGEMClassifier
from egem.data.normal_form import Kind
from egem.stream.bound import Bound
from egem.stream.recogniser import Recogniser
from egem.stream.windows import Window, Windows

HOLD = 4  # steps for which a better candidate is waited for
REST = 8  # frames without a step after which nothing is waited for
OVERLAP = 0.1  # share of the shorter one that two events may have in common


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


class _Candidate(NamedTuple):
    """A window that may still be replaced by a better one that overlaps it."""

    score: float
    owner: float
    first: float  # steps
    last: float
    start: float  # times
    end: float
    probability: float


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
        self._steps, self._windows = self.recogniser.steps(), Windows(self.recogniser)
        self._n_frames, self._n_still, self._now = 0, 0, -np.inf
        self._pending: list[_Candidate] = []
        self._recent: list[tuple[float, float]] = []  # first and last step of events

    def push(self, frames: ArrayLike, times: ArrayLike | None = None) -> list[Event]:
        """Take frames; return the events that are now certain.

        The events of a stream do not depend on the blocks in which it is pushed.

        Parameters
        ----------
        frames : array (n_channels,) or (n_channels, n_frames)
            One frame or several, in the units of the examples. Frames with NaN count as dropped.
        times : float or array (n_frames,) or None, default None
            When each frame was taken, increasing; None counts frames. For ``"series"`` the unit is
            the time between two points of the examples.

        Raises
        ------
        ValueError
            For frames of another number of channels, infinite values, or times that do not
            increase.
        """
        block, when = self._checked(frames, times)
        events = []
        for candidates, rests in self._candidates(block, when, self.bound.score):
            self._pending += candidates
            events += self._release(rests)
        return events

    def flush(self) -> list[Event]:
        """Return the events that further frames might still have changed."""
        self._pending += self._judged(self._windows.rest(), self.bound.score)
        return self._release(rests=True)

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
        seconds = when[-1] - when[0] if rate is None else len(when) / rate
        found = [c for candidates, _ in self._candidates(block, when, np.inf) for c in candidates]
        apart: list[_Candidate] = []
        for c in sorted(found):
            if not any(_overlap((c.first, c.last), (o.first, o.last)) > OVERLAP for o in apart):
                apart.append(c)
        n = false_alarms_per_hour * seconds / 3600
        self.bound = self.bound.for_rate([c.score for c in apart], n)
        self.reset()
        return self

    @property
    def state(self) -> dict[str, Float[np.ndarray, "..."]]:
        """What the spotter knows of the stream, as arrays; their sizes are bounded."""
        steps, windows = self._steps, self._windows
        aligned = windows.alignment
        return {
            "bound": np.array(self.bound.score),
            "members": self.bound.members,
            "counts": np.array([self._n_frames, self._n_still, windows.n_steps, self._now]),
            "point": np.append(steps.point, steps.when),
            "points": np.column_stack([windows.points, windows.times]),
            "ends": np.vstack([windows.ends, windows.starts]),
            "alignments": np.stack([aligned.total, aligned.weight, aligned.start]),
            "pending": np.array(self._pending).reshape(-1, len(_Candidate._fields)),
            "recent": np.array(self._recent).reshape(-1, 2),
        }

    @classmethod
    def from_state(
        cls,
        clf: EGEMClassifier,
        state: dict[str, Float[np.ndarray, "..."]],
        kind: Kind | Literal["auto"] = "auto",
    ) -> Self:
        """Go on from a :attr:`state`, with the classifier and kind of the spotter it is from."""
        self = cls.__new__(cls)  # no need to set a bound
        self.recogniser = _recogniser(clf, kind)
        self.bound = Bound(float(state["bound"]), np.array(state["members"]))
        self.reset()
        steps, windows = self._steps, self._windows
        own = {name: np.shape(value) for name, value in self.state.items()}
        for name in ("points", "alignments"):
            if np.shape(state[name]) != own[name]:
                raise ValueError(
                    f"state: {name} has shape {np.shape(state[name])}, and this classifier's "
                    f"spotter has {own[name]}; give the classifier and kind it was saved with."
                )
        self._n_frames, self._n_still, windows.n_steps = map(int, state["counts"][:3])
        self._now = float(state["counts"][3])
        steps.point, steps.when = np.array(state["point"][:-1]), float(state["point"][-1])
        windows.points = np.array(state["points"][:, :-1])
        windows.times = np.array(state["points"][:, -1])
        windows.ends, windows.starts = np.array(state["ends"][:2]), state["ends"][2].astype(int)
        total, weight, start = state["alignments"]
        aligned = windows.alignment
        aligned.total, aligned.weight = np.array(total), np.array(weight)
        aligned.start = start.astype(int)
        self._pending = [_Candidate(*row) for row in state["pending"].tolist()]
        self._recent = [(first, last) for first, last in state["recent"].tolist()]
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
        when = np.arange(n) + self._n_frames if times is None else np.atleast_1d(times)
        when = np.asarray(when, float)
        increasing = (when[:1] > self._now).all() and (when[1:] > when[:-1]).all()
        if when.shape != (n,) or not increasing:
            raise ValueError(
                f"times must be {n} numbers that increase, also beyond those of the last push; "
                "leave out frames that come twice."
            )
        return block, when

    def _candidates(
        self, block: Any, when: Any, bound: float
    ) -> Iterator[tuple[list[_Candidate], bool]]:
        """Yield what each step or rest proposes, and whether it is a rest."""
        missing = np.isnan(block).any(axis=0)
        for frame, time, drop in zip(block.T, when.tolist(), missing.tolist(), strict=True):
            self._now = time
            self._n_frames += 1
            self._n_still += 1
            first = np.isnan(self._steps.when)
            for step in () if drop else self._steps.to(np.array(frame), time):
                self._n_still = 0
                yield self._judged(self._windows.advance(step), bound), False
            if first and not drop:
                self._windows.begin(frame, time)
            if self._n_still == REST:
                yield self._judged(self._windows.rest(), bound), True

    def _judged(self, windows: list[Window], bound: float) -> list[_Candidate]:
        """Return the windows whose score is within a bound, with the probability of their class."""
        out, at, r = [], self._windows, self.recogniser
        for window in windows:
            owner, cut = int(r.owners[window.template]), at.cut(window)
            score = r.score(cut, window.template, window.cost)
            if score <= bound:
                span = window.first, window.last, at.time(window.first), at.time(window.last + 1)
                out.append(_Candidate(score, owner, *span, r.probability(cut, owner)))
        return out

    def _release(self, rests: bool) -> list[Event]:
        """Return candidates that no better one can replace any more, the best first."""
        now, events, waiting = self._windows.n_steps, [], []
        if not self._pending:
            return events
        for c in sorted(self._pending):
            span = c.first, c.last
            if any(_overlap(span, other) > OVERLAP for other in self._recent):
                continue
            if not rests and c.last + HOLD >= now:
                waiting.append(c)
            elif not any(_overlap(span, (o.first, o.last)) > OVERLAP for o in waiting):
                self._recent.append(span)
                label, p = self.recogniser.classes[int(c.owner)].item(), self.bound.p_value(c.score)
                events.append(Event(label, c.start, c.end, self._now, c.probability, p))
        self._pending = waiting
        oldest = now - self._windows.longest
        self._recent = [span for span in self._recent if span[1] >= oldest]
        return events


def _recogniser(clf: EGEMClassifier, kind: Kind | Literal["auto"]) -> Recogniser:
    if kind == "auto":
        kind = "pen" if clf.preparation_.n_channels == 2 else "series"
    return Recogniser(clf, kind)


def _overlap(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Return the common part of two spans of steps, as a share of the shorter one."""
    return (min(a[1], b[1]) - max(a[0], b[0]) + 1) / (min(a[1] - a[0], b[1] - b[0]) + 1)
