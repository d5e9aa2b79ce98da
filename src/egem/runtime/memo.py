"""Memoised values of objects, which pickles leave out."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class Cached:
    """A dataclass with cached properties, of which only the fields are pickled."""

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]


class Last(Generic[Value]):
    """The value computed last; unlike ``lru_cache(maxsize=1)``, keys need no hash."""

    def __init__(self) -> None:
        self._item: tuple[Any, Value] | None = None

    def get(self, key: Any, compute: Callable[[], Value]) -> Value:
        """Return the last value if its key equals ``key``; otherwise compute one.

        Threads may compute the same value twice; none of them waits.
        """
        item = self._item
        if item is None or item[0] != key:
            item = self._item = key, compute()
        return item[1]
