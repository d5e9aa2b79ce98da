"""Errors of the server's disk."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from egem.apps.web.errors import ApiError

log = logging.getLogger(__name__)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Convert errors of the disk to API errors."""
    try:
        yield
    except OSError as error:
        log.exception("a workspace cannot be written")
        raise ApiError(
            507,
            f"The change cannot be stored: {error.strerror}.",
            "Free space on the server's disk, then try again.",
        ) from error
