"""How large what is read may be, so that a small file cannot fill the memory."""

import os

from egem.errors import TooLarge

MAX_BYTES = 2**31


def most_bytes(max_bytes: int | None) -> int:
    """Return a limit: the one given, or ``EGEM_MAX_BYTES`` of the environment, or 2 GiB.

    Raises
    ------
    ValueError
        Where it is no positive whole number.

    >>> most_bytes(1000)
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
    """Refuse what is over the limit.

    Raises
    ------
    TooLarge
        Saying so, and what to do.
    """
    if size > limit:
        raise TooLarge(
            f"{what} {size:,} bytes, over the limit of {limit:,}; if you trust the file, raise "
            "max_bytes, or EGEM_MAX_BYTES in the environment"
        )
