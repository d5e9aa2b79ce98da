"""Objects that keep what they have worked out, but do not hand it on."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any, Generic, TypeVar

Made = TypeVar("Made")


class Cached:
    """A dataclass with cached properties: its pickle does not tell whether they were asked for."""

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]


class Last(Generic[Made]):
    """What was made last, at hand as long as the same is asked for."""

    def __init__(self) -> None:
        self._kept: tuple[Any, Made] | None = None

    def get(self, key: Any, make: Callable[[], Made]) -> Made:
        """Return what was made for an equal key, or make it; threads may both make it."""
        kept = self._kept
        if kept is None or kept[0] != key:
            kept = self._kept = key, make()
        return kept[1]
