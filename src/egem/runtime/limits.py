"""Limits on the size of what is read, so that a small file cannot exhaust memory."""

import os

from egem.errors import TooLarge

MAX_BYTES = 2**31


def byte_limit(max_bytes: int | None) -> int:
    """Return the limit given, else ``EGEM_MAX_BYTES`` of the environment, else 2 GiB.

    Raises ValueError if the limit is not a positive whole number.

    >>> byte_limit(1000)
    1000
    """
    limit = os.environ.get("EGEM_MAX_BYTES", MAX_BYTES) if max_bytes is None else max_bytes
    try:
        number = int(limit)
    except (TypeError, ValueError):
        number = 0
    if number < 1 or isinstance(limit, float):
        name = "EGEM_MAX_BYTES" if max_bytes is None else "max_bytes"
        raise ValueError(f"{name} must be a positive whole number of bytes, not {limit!r}.")
    return number


def check_size(what: str, size: int, limit: int) -> None:
    """Raise :class:`~egem.errors.TooLarge` if ``size`` bytes exceed the limit.

    >>> check_size("data.npz: array X takes", 5, limit=8)
    """
    if size > limit:
        raise TooLarge(
            f"{what} {size:,} bytes, over the limit of {limit:,}; if you trust the file, raise "
            "max_bytes, or EGEM_MAX_BYTES in the environment"
        )
