"""Refusals: what was wrong, and what helps."""

from fastapi import HTTPException


class Trouble(HTTPException):
    """A request that is refused.

    Parameters
    ----------
    status : int
        HTTP status.
    what : str
        What was wrong.
    remedy : str
        What helps.
    """

    def __init__(self, status: int, what: str, remedy: str):
        super().__init__(status, what)
        self.what = what
        self.remedy = remedy

    @staticmethod
    def of(error: Exception) -> "Trouble":
        """Turn what the library raises into a refusal; its messages name trouble and remedy."""
        what, _, remedy = str(error).partition("; ")
        return Trouble(422, sentence(what), sentence(remedy or "look at what was sent"))

    def as_json(self) -> dict[str, dict[str, str]]:
        """Lay it out as every error of the API."""
        return {"error": {"what": self.what, "remedy": self.remedy}}


def sentence(words: str) -> str:
    """Begin with a capital and end with a full stop.

    >>> sentence("give two channels")
    'Give two channels.'
    """
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."
