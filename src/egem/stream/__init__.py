"""Streams: events found and named while they happen."""

from egem.stream.spotter import Event, Spotter, spot

__all__ = ["Event", "Spotter", "spot"]
