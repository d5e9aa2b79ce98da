"""What clients and the server send each other about streams."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from egem.apps.web.requests import Number, Request
from egem.apps.web.responses import Series

MAX_FRAMES = 500  # of one message
MAX_CHANNELS = 100
MAX_VALUE = 1e12

StreamKind = Literal["auto", "pen", "motion", "series"]
Value = Annotated[Number, Field(ge=-MAX_VALUE, le=MAX_VALUE)]
Values = Annotated[list[Value | None], Field(max_length=MAX_FRAMES, fail_fast=True)]
Times = Annotated[list[Value], Field(max_length=MAX_FRAMES, fail_fast=True)]


class StreamRequest(Request):
    """The next frames of a live stream."""

    id: int
    channels: list[Values] = Field(
        default=[], max_length=MAX_CHANNELS, fail_fast=True, description="null is a missing value."
    )
    times: Times | None = Field(default=None, description="Increasing; null counts frames.")
    end: bool = Field(default=False, description="Whether the stream ends with these frames.")

    @model_validator(mode="after")
    def _check_lengths(self) -> "StreamRequest":
        lengths = {len(row) for row in self.channels}
        if len(lengths) > 1 or (self.times is not None and {len(self.times)} != (lengths or {0})):
            raise ValueError("channels and times differ in length; send one value for every frame")
        return self


class Event(BaseModel):
    """Something that was found in a stream."""

    label: str
    start: float = Field(description="In the unit of the stream's times.")
    end: float
    emitted: float = Field(description="Time of the frame after which it was certain.")
    probability: float = Field(description="Of its class among all classes.")
    p_value: float = Field(description="Share of invented members of the class that fit no better.")


class UnderWay(BaseModel):
    """What is under way, and how it would go on."""

    label: str = Field(description="The likeliest class.")
    probability: float
    channels: list[list[float]] = Field(description="The rest of it, from the latest frame on.")


class StreamAnswer(BaseModel):
    """What the next frames of a live stream led to."""

    id: int
    events: list[Event] = Field(description="Those that are now certain.")
    under_way: UnderWay | None


class RecordedStream(BaseModel):
    """A recording, and the events in it."""

    name: str
    kind: Literal["pen", "motion", "series"] = Field(description="How windows were compared.")
    channels: list[str]
    step: float | None = Field(description="Time between two points, where it is known.")
    series: Series
    notes: list[str] = Field(description="What was understood or left out in the file.")
    events: list[Event] = Field(
        description="By the time at which they were certain. Times begin with 0 and have the "
        "file's unit; without a step they count time points."
    )
