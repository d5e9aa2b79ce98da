"""Bodies of the API's responses."""

from typing import Literal

from pydantic import BaseModel, Field

Change = Literal[
    "start", "train", "letters", "rename", "remove", "remove-case", "undo", "load", "fit", "teach"
]
Stage = Literal["preparing", "training", "checking"]


class Problem(BaseModel):
    """What is wrong, and what to do about it."""

    problem: str
    remedy: str


class ErrorResponse(BaseModel):
    """Every error."""

    error: Problem


ERRORS: dict[int | str, dict] = {
    code: {"model": ErrorResponse, "description": description}
    for code, description in {
        400: "The request cannot be read.",
        401: "The token is missing.",
        403: "The request comes from another page or another host name.",
        404: "There is no such resource.",
        409: "The model in its current state does not allow that.",
        413: "The content is too large.",
        415: "Files of that kind are not supported.",
        422: "The content is invalid.",
        429: "There are too many requests.",
        503: "The server is busy.",
        507: "The server has no space left.",
    }.items()
}


class ClassSummary(BaseModel):
    """A class of the model."""

    label: str
    n_cases: int
    loss: float = Field(description="Of its expert over its training pairs, standardised.")


class Task(BaseModel):
    """The change in progress."""

    what: Change
    label: str | None
    stage: Stage = Field(description="Checking comes last; it compares held-out cases.")
    progress: float | None = Field(
        ge=0.0, le=1.0, description="Of the stage; null where it is not known."
    )
    seconds_left: float | None = Field(description="Of the stage.")


class Curve(BaseModel):
    """A drawing or a decoded one, in the page's coordinates."""

    x: list[float]
    y: list[float]
    lifts: list[int] = []


class Series(BaseModel):
    """A sequence of other data, thinned; null is a missing value."""

    n_timepoints: int = Field(description="Before it was thinned.")
    channels: list[list[float | None]]


class Mistake(BaseModel):
    """A misclassified test case."""

    name: str
    true: str
    predicted: str
    series: Series
    imagined: Series = Field(description="Reconstruction by the predicted class.")
    imagined_true: Series = Field(description="Reconstruction by the true class.")


class ClassTest(BaseModel):
    """How a class was learned and tested."""

    label: str
    n_train: int
    n_test: int = Field(description="A fifth of classes of at least five recordings.")
    n_right: int = Field(description="Of the tested ones.")


class CrossValidation(BaseModel):
    """Training cases classified while they were left out of training."""

    n: int = Field(description="0 where no class has two recordings.")
    n_right: int


class FitResult(BaseModel):
    """Test results of a model fitted to recordings."""

    dataset_id: str
    accuracy: float | None = Field(description="On held-out recordings; null without any.")
    baseline: float | None = Field(description="Accuracy of the nearest neighbour.")
    n_test: int
    n_train: int
    n_unlabelled: int = Field(description="Recordings without a label, which are not learned.")
    n_taught: int = Field(default=0, description="Recordings learned since.")
    cross_validation: CrossValidation
    classes: list[ClassTest]
    n_mistakes: int
    mistakes: list[Mistake] = Field(description="Up to 12.")


class DatasetVersion(BaseModel):
    """Which recordings are stored."""

    dataset_id: str
    revision: int


class State(BaseModel):
    """The state of a workspace."""

    version: int = Field(description="Increases with every change.")
    kind: Literal["strokes", "series"] | None
    title: str
    channels: int
    channel_names: list[str] | None = Field(description="null for drawings, or without names.")
    step: float | None = Field(description="Time between two points, where it is known.")
    classes: list[ClassSummary]
    busy: Task | None
    failure: Problem | None = Field(description="Why the last change failed, until the next.")
    can_undo: bool
    last_change: str | None
    letters_available: bool
    fit: FitResult | None
    data: DatasetVersion | None = Field(description="The uploaded recordings; null without any.")


class RankedClass(BaseModel):
    """The result of one class for a drawing."""

    label: str
    probability: float
    loss: float
    score: float = Field(description="Classes are ranked by it, the lowest first.")
    imagined: Curve = Field(description="Reconstruction of the drawing and its continuation.")
    ahead_from: int = Field(description="First point of the continuation ahead of the pen.")


class Heat(BaseModel):
    """Distribution of the best class's loss along the drawing."""

    x: list[float]
    y: list[float]
    share: list[float]


class Neighbour(BaseModel):
    """A training case with a similar code."""

    label: str
    case: int


class Verdict(BaseModel):
    """The classification of a drawing."""

    done: bool
    unknown: bool | None = Field(description="null for an unfinished drawing.")
    p_value: float | None = Field(description="P-value of a known class; low means unknown.")
    ranking: list[RankedClass] = Field(description="The best five.")
    heat: Heat | None
    neighbours: list[Neighbour]


class Cases(BaseModel):
    """The training cases of a class."""

    cases: list[Curve | Series]


class Direction(BaseModel):
    """The displayed range along a direction of the code space."""

    low: float
    high: float


class CodePoint(BaseModel):
    """The code of a training case in the plane."""

    at: tuple[float, float]
    case: int


class CodePlane(BaseModel):
    """The two main directions of the codes of a class."""

    directions: tuple[Direction, Direction]
    centre: tuple[float, float]
    points: list[CodePoint]


class Imagined(BaseModel):
    """Sequences decoded at points of the code plane."""

    imagined: list[Curve | Series]


class Confusion(BaseModel):
    """A training case that is misclassified when held out."""

    true: str
    predicted: str
    case: int


class Confusions(BaseModel):
    """Confusion matrix of held-out training cases: true classes in rows."""

    labels: list[str]
    matrix: list[list[int]]
    pairs: list[Confusion]


class Recording(BaseModel):
    """A recording."""

    name: str
    label: str | None = Field(description="Class for which it is learned; null is not learned.")
    told: str | None = Field(description="Label in its file, where it was sent to be recognised.")
    new: bool = Field(description="Whether it was sent to be recognised.")
    start: int = Field(description="First time point that counts.")
    end: int = Field(description="The time point after the last that counts.")
    n_timepoints: int
    channels: list[list[float | None]] = Field(description="All of it, thinned.")


class Dataset(BaseModel):
    """The recordings of a workspace."""

    dataset_id: str
    revision: int
    name: str
    n_cases: int
    n_channels: int
    lengths: tuple[int, int]
    classes: list[str] = Field(description="Labels in use.")
    channels: list[str]
    ranges: list[tuple[float, float]] = Field(description="Smallest and largest value by channel.")
    step: float | None = Field(description="Time between two points, where it is known.")
    notes: list[str] = Field(description="What was understood or left out in the last files.")
    recordings: list[Recording]


class Likelihood(BaseModel):
    """The probability of a class."""

    label: str
    probability: float


class RecordingVerdict(BaseModel):
    """The classification of a recording."""

    recording: int = Field(description="Its number.")
    unknown: bool | None = Field(description="null where no training case was held out.")
    p_value: float = Field(description="P-value of a known class; low means unknown.")
    ranking: list[Likelihood] = Field(description="The best five.")
    series: Series = Field(description="The part that counts, thinned.")
    imagined: list[Series] = Field(description="Reconstructions by the first and second class.")


class Verdicts(BaseModel):
    """Classifications of recordings."""

    channels: list[str]
    verdicts: list[RecordingVerdict]
