"""The published experiments, see :func:`egem.apps.paper.reproduce.reproduce`."""

from egem.apps.paper.reproduce import Outcome, reproduce

__all__ = ["Outcome", "reproduce"]
