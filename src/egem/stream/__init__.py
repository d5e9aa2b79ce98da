"""Streams: events found and named while they happen, from a few examples of each class."""
