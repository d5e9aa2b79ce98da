"""Errors of the API: each names the problem and a remedy."""

from collections.abc import Sequence
from typing import Any

from fastapi import HTTPException


class ApiError(HTTPException):
    """A request that cannot be served.

    Parameters
    ----------
    status : int
        HTTP status.
    problem : str
        What is wrong.
    remedy : str
        What to do about it.
    """

    def __init__(self, status: int, problem: str, remedy: str):
        super().__init__(status, problem)
        self.problem = problem
        self.remedy = remedy

    @staticmethod
    def of(error: Exception) -> "ApiError":
        """Convert an error of the library, whose messages read "problem; remedy"."""
        problem, _, remedy = str(error).partition("; ")
        return ApiError(422, sentence(problem), sentence(remedy or "check the data sent"))

    def as_json(self) -> dict[str, dict[str, str]]:
        """Return the body of the response."""
        return {"error": {"problem": self.problem, "remedy": self.remedy}}


def validation_error(errors: Sequence[Any]) -> ApiError:
    """Convert the first of pydantic's validation errors."""
    first = errors[0]
    place = ".".join(str(part) for part in first["loc"] if part != "body")
    problem, _, remedy = first["msg"].removeprefix("Value error, ").partition("; ")
    return ApiError(
        422,
        f"{place}: {problem}." if place else sentence(problem),
        sentence(remedy or "see /openapi.json for the format"),
    )


def internal_error(error: Exception) -> ApiError:
    """Describe an error of the server itself."""
    return ApiError(
        500,
        f"An internal error occurred on the server ({type(error).__name__}).",
        "Try something else; the model is unchanged.",
    )


def sentence(text: str) -> str:
    """Begin with a capital and end with a full stop.

    >>> sentence("give two channels")
    'Give two channels.'
    """
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
