"""Objects that keep what they have worked out, but do not hand it on."""

from dataclasses import fields
from typing import Any


class Cached:
    """A dataclass with cached properties: its pickle does not tell whether they were asked for."""

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
