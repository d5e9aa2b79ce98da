"""Bodies of the API's responses."""

from typing import Literal

from pydantic import BaseModel, Field

Change = Literal[
    "start", "train", "letters", "rename", "remove", "remove-case", "undo", "load", "fit"
]


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
    progress: float = Field(ge=0.0, le=1.0)
    seconds_left: float | None


class Curve(BaseModel):
    """A drawing or a decoded one, in the page's coordinates."""

    x: list[float]
    y: list[float]
    lifts: list[int] = []


class Series(BaseModel):
    """A sequence of other data; null is a missing value."""

    channels: list[list[float | None]]


class Mistake(BaseModel):
    """A misclassified test case."""

    case: int
    true: str
    predicted: str
    series: Series
    imagined: Series = Field(description="Reconstruction by the predicted class.")
    imagined_true: Series = Field(description="Reconstruction by the true class.")


class FitResult(BaseModel):
    """Test results of a model fitted to data."""

    dataset_id: str
    accuracy: float
    baseline: float = Field(description="Accuracy of the nearest neighbour.")
    n_test: int
    n_train: int
    k: int | None
    classes: list[str]
    n_mistakes: int
    mistakes: list[Mistake] = Field(description="Up to 12.")


class State(BaseModel):
    """The state of a workspace."""

    version: int = Field(description="Increases with every change.")
    kind: Literal["strokes", "series"] | None
    title: str
    channels: int
    classes: list[ClassSummary]
    busy: Task | None
    failure: Problem | None = Field(description="Why the last change failed, until the next.")
    can_undo: bool
    last_change: str | None
    letters_available: bool
    fit: FitResult | None


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


class Preview(BaseModel):
    """A case of an uploaded file, thinned."""

    label: str | None
    channels: list[list[float | None]]


class Dataset(BaseModel):
    """Summary of an uploaded file."""

    dataset_id: str
    name: str
    n_cases: int
    n_channels: int
    lengths: tuple[int, int]
    classes: list[str] | None = Field(description="null without labels.")
    preview: list[Preview]
