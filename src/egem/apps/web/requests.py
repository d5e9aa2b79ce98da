"""Bodies of the API's requests."""

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from egem.apps.web.errors import ApiError

MAX_COORDINATE = 1e6  # of a stroke; lengths of paths must stay finite
MAX_LABEL_LENGTH = 40
MAX_POINTS = 10_000  # of a stroke
MAX_STROKES = 64  # of a training request
MAX_CODES = 64  # decoded in one request
MAX_EDITED, MAX_RECOGNISED = 2000, 32  # recordings of one request

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
# Validation stops at the first error: a million wrong entries must not make a million errors.
Numbers = Annotated[list[Number], Field(max_length=MAX_POINTS, fail_fast=True)]
Coordinate = Annotated[Number, Field(ge=-MAX_COORDINATE, le=MAX_COORDINATE)]
Coordinates = Annotated[
    list[Coordinate], Field(min_length=1, max_length=MAX_POINTS, fail_fast=True)
]
Indices = Annotated[
    list[Annotated[int, Field(strict=True, ge=0)]], Field(max_length=MAX_POINTS, fail_fast=True)
]


def check_label(label: str) -> None:
    """Refuse a label that the page cannot display.

    Raises
    ------
    ApiError
        With what is allowed.
    """
    invalid = label in (".", "..") or not label.isprintable() or label != label.strip()
    if invalid or not 0 < len(label) <= MAX_LABEL_LENGTH:
        raise ApiError(
            422,
            f"The label {label[:60]!r} is not allowed.",
            f"Use 1 to {MAX_LABEL_LENGTH} printable characters, without blanks at the ends.",
        )


def _checked(label: str) -> str:
    try:
        check_label(label)
    except ApiError as error:
        raise ValueError(f"{error.problem}; {error.remedy}") from None
    return label


Label = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=MAX_LABEL_LENGTH),
    AfterValidator(_checked),
    Field(description="Name of a class: printable, without blanks at its ends."),
]


class Request(BaseModel):
    """A request body; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class Stroke(Request):
    """A drawing: positions of the pen; x to the right, y down, in any unit."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"x": [0.2, 0.5, 0.8, 0.5], "y": [0.7, 0.2, 0.7, 0.6], "lifts": [3]}]
        }
    )

    x: Coordinates
    y: Coordinates
    t: Numbers | None = Field(default=None, description="Seconds; ignored.")
    lifts: Indices = Field(default=[], description="Points at which the pen was put down again.")

    @model_validator(mode="after")
    def _check_lengths(self) -> "Stroke":
        n = len(self.x)
        if len(self.y) != n or (self.t is not None and len(self.t) != n):
            raise ValueError("x, y and t differ in length; send one of each for every point")
        if any(b <= a for a, b in zip([0, *self.lifts], [*self.lifts, n], strict=True)):
            raise ValueError(
                "lifts must increase from 1 to the last point; send where the pen came down"
            )
        return self


class StartRequest(Request):
    """What to start with."""

    content: Literal["nothing", "letters"] = Field(alias="with", examples=["nothing"])


class TrainRequest(Request):
    """Examples of one class."""

    label: Label = Field(examples=["zigzag"])
    strokes: list[Stroke] = Field(min_length=1, max_length=MAX_STROKES, fail_fast=True)


class RenameRequest(Request):
    """A new name for a class."""

    to: Label = Field(examples=["lightning"])


class RemoveCaseRequest(Request):
    """A drawing to remove from a class."""

    case: Annotated[int, Field(strict=True, ge=0)] = Field(
        description="Number of the drawing among those of the class.", examples=[0]
    )


class ClassifyRequest(Request):
    """A finished drawing."""

    stroke: Stroke


class LiveRequest(Request):
    """A drawing so far."""

    id: int
    stroke: Stroke
    done: bool = False


class ImagineRequest(Request):
    """Points of the code plane of a class."""

    at: list[Annotated[list[Number], Field(min_length=2, max_length=2)]] = Field(
        min_length=1, max_length=MAX_CODES, examples=[[[0.0, 0.0], [0.5, -0.5]]]
    )


Numbered = Annotated[
    list[Annotated[int, Field(strict=True, ge=0, lt=2**31)]],
    Field(min_length=1, fail_fast=True, description="Numbers of recordings."),
]
TimePoint = Annotated[int, Field(strict=True, ge=0, lt=2**31)]


class EditRequest(Request):
    """Changes to recordings; fields that are left out stay as they are."""

    recordings: Annotated[Numbered, Field(max_length=MAX_EDITED)] = Field(examples=[[0, 1]])
    label: Label | None = Field(default=None, description="null takes the label away.")
    start: TimePoint = Field(default=0, description="First time point that counts.")
    end: TimePoint = Field(default=0, description="The time point after the last that counts.")

    @property
    def changes(self) -> dict[str, str | int | None]:
        """The fields that were sent."""
        return self.model_dump(exclude_unset=True, exclude={"recordings"})


class RecogniseRequest(Request):
    """Recordings to classify."""

    recordings: Annotated[Numbered, Field(max_length=MAX_RECOGNISED)] = Field(examples=[[0]])


class TeachRequest(Request):
    """The class of a recording, from which the model learns."""

    recording: TimePoint = Field(description="Its number.", examples=[0])
    label: Label = Field(examples=["wave"])
