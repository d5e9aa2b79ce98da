"""The published experiments, from one command: see :func:`egem.paper.reproduce.reproduce`."""

from .reproduce import Outcome, reproduce

__all__ = ["Outcome", "reproduce"]
