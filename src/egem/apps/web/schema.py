"""What the API takes and gives."""

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from egem.apps.web.models import LONGEST_LABEL, check_label
from egem.apps.web.trouble import Trouble

MOST_POINTS = 10_000  # of a stroke
MOST_STROKES = 64  # taught at a time
MOST_PLACES = 64  # of a code space, imagined at a time

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
# The first error of a list ends it, or a million wrong entries would make a million errors.
Numbers = Annotated[list[Number], Field(max_length=MOST_POINTS, fail_fast=True)]
Counts = Annotated[
    list[Annotated[int, Field(strict=True, ge=0)]], Field(max_length=MOST_POINTS, fail_fast=True)
]


def _name(label: str) -> str:
    try:
        check_label(label)
    except Trouble as trouble:
        raise ValueError(f"{trouble.what}; {trouble.remedy}") from None
    return label


Label = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=LONGEST_LABEL),
    AfterValidator(_name),
    Field(description="Name of a class: what can be seen, without blanks at its ends."),
]


class Sent(BaseModel):
    """What a client sends: nothing unknown in it."""

    model_config = ConfigDict(extra="forbid")


class Stroke(Sent):
    """A drawing: where the pen was; x to the right, y down, in any unit."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"x": [0.2, 0.5, 0.8, 0.5], "y": [0.7, 0.2, 0.7, 0.6], "lifts": [3]}]
        }
    )

    x: Numbers = Field(min_length=1)
    y: Numbers = Field(min_length=1)
    t: Numbers | None = Field(default=None, description="Seconds; does not count.")
    lifts: Counts = Field(default=[], description="Points at which the pen was put down again.")

    @model_validator(mode="after")
    def _agree(self) -> "Stroke":
        n = len(self.x)
        if len(self.y) != n or (self.t is not None and len(self.t) != n):
            raise ValueError("x, y and t differ in length; send one of each for every point")
        if any(b <= a for a, b in zip([0, *self.lifts], [*self.lifts, n], strict=True)):
            raise ValueError(
                "lifts do not rise from 1 to the last point; send where the pen came down"
            )
        return self


class StartBody(Sent):
    """How to begin."""

    what: Literal["nothing", "letters"] = Field(alias="with", examples=["nothing"])


class TeachBody(Sent):
    """Examples of one class."""

    label: Label = Field(examples=["zigzag"])
    strokes: list[Stroke] = Field(min_length=1, max_length=MOST_STROKES, fail_fast=True)


class RenameBody(Sent):
    """A class's other name."""

    to: Label = Field(examples=["lightning"])


class ForgetBody(Sent):
    """A drawing that a class is to forget."""

    case: Annotated[int, Field(strict=True, ge=0)] = Field(
        description="Number of the drawing among those of the class.", examples=[0]
    )


class RecogniseBody(Sent):
    """A finished drawing."""

    stroke: Stroke


class LiveQuestion(Sent):
    """A drawing so far."""

    id: int
    stroke: Stroke
    done: bool = False


class ImagineBody(Sent):
    """Places in the code space of a class."""

    at: list[Annotated[list[Number], Field(min_length=2, max_length=2)]] = Field(
        min_length=1, max_length=MOST_PLACES, examples=[[[0.0, 0.0], [0.5, -0.5]]]
    )


class FitBody(Sent):
    """How to fit to data."""

    k: Annotated[int, Field(strict=True, ge=1, le=1000)] | None = Field(
        default=None, description="Random training cases of a class; null is all but a fifth."
    )
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**31)] = 0


class Ailment(BaseModel):
    """What was wrong, and what helps."""

    what: str
    remedy: str


class Refusal(BaseModel):
    """Every error."""

    error: Ailment


REFUSALS: dict[int | str, dict] = {
    code: {"model": Refusal, "description": words}
    for code, words in {
        400: "What was sent cannot be read.",
        401: "The token is missing.",
        403: "Another page or another host name asks.",
        404: "There is no such thing.",
        409: "The model as it is does not allow that.",
        413: "That is too much.",
        415: "Files of that kind are not read.",
        422: "What was sent makes no sense.",
        429: "That is too often.",
        503: "The server is busy.",
        507: "The server has no room.",
    }.items()
}


class Known(BaseModel):
    """A class."""

    label: str
    n_cases: int
    loss: float = Field(description="Of its expert over its training pairs, standardised.")


class Busy(BaseModel):
    """Work under way."""

    what: Literal["start", "teach", "letters", "rename", "remove", "forget", "undo", "model", "fit"]
    label: str | None
    progress: float = Field(ge=0.0, le=1.0)
    seconds_left: float | None


class Drawn(BaseModel):
    """A drawing or an imagination of one, in the page's coordinates."""

    x: list[float]
    y: list[float]
    lifts: list[int] = []


class Series(BaseModel):
    """A sequence of other data; null is a missing value."""

    channels: list[list[float | None]]


class Mistake(BaseModel):
    """A test case taken for another class."""

    case: int
    true: str
    predicted: str
    series: Series
    imagined: Series = Field(description="By the expert of the class it was taken for.")
    imagined_true: Series = Field(description="By the expert of its own class.")


class FitResult(BaseModel):
    """How well a model fitted to data does on the cases held out."""

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
    """Everything about a workspace."""

    version: int = Field(description="Grows with every change.")
    kind: Literal["strokes", "series"] | None
    title: str
    channels: int
    classes: list[Known]
    busy: Busy | None
    failure: Ailment | None = Field(description="Why the last work failed, until the next.")
    can_undo: bool
    undo_what: str | None
    letters_available: bool
    fit: FitResult | None


class Ranked(BaseModel):
    """What one expert makes of a drawing."""

    label: str
    probability: float
    loss: float
    score: float = Field(description="What decides; the lowest wins.")
    imagined: Drawn = Field(description="Lies over the drawing and ahead of it.")
    ahead_from: int = Field(description="First point of the imagination ahead of the pen.")


class Heat(BaseModel):
    """Where along the drawing the winner's loss lies."""

    x: list[float]
    y: list[float]
    share: list[float]


class Near(BaseModel):
    """A training case whose code is near."""

    label: str
    case: int


class Verdict(BaseModel):
    """What the experts make of a drawing."""

    done: bool
    unknown: bool | None = Field(description="null while it cannot be told.")
    novelty: float | None = Field(description="P-value of being of a known class; low is unknown.")
    ranking: list[Ranked] = Field(description="The best five.")
    heat: Heat | None
    near: list[Near]


class Cases(BaseModel):
    """The training cases of a class."""

    cases: list[Drawn | Series]


class Direction(BaseModel):
    """A direction of a code space, and the range of it worth looking at."""

    low: float
    high: float


class Placed(BaseModel):
    """A training case's place in the code space."""

    at: tuple[float, float]
    case: int


class Codes(BaseModel):
    """The two main directions of the codes of a class."""

    directions: tuple[Direction, Direction]
    centre: tuple[float, float]
    points: list[Placed]


class Imagined(BaseModel):
    """What an expert imagines at places of its code space."""

    imagined: list[Drawn | Series]


class Confused(BaseModel):
    """A training case that, held out, is taken for another class."""

    true: str
    predicted: str
    case: int


class Confusions(BaseModel):
    """Held-out training cases: true classes in rows, predicted in columns."""

    labels: list[str]
    matrix: list[list[int]]
    pairs: list[Confused]


class Preview(BaseModel):
    """A case of an uploaded file, thinned."""

    label: str | None
    channels: list[list[float | None]]


class Uploaded(BaseModel):
    """What an uploaded file holds."""

    dataset_id: str
    name: str
    n_cases: int
    n_channels: int
    lengths: tuple[int, int]
    classes: list[str] | None = Field(description="null without labels.")
    preview: list[Preview]
