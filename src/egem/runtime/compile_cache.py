"""JAX's compilation cache, in the user's cache folder, so that new processes start warm.

``EGEM_COMPILED`` in the environment names another folder, or is ``off``. A cache that the user has
configured (``JAX_COMPILATION_CACHE_DIR``) is left alone. The folder holds at most 256 MB; programs
that have not been used for longest are removed first.
"""

import hashlib
import logging
import os
import platform
from functools import cache
from pathlib import Path

import jax
from platformdirs import user_cache_path

MAX_BYTES = 2**28
MIN_SECONDS = 0.1  # programs that compile faster are not cached


@cache
def enable_compile_cache() -> Path | None:
    """Let JAX cache compiled programs, and return the folder.

    Returns None if the cache is off, configured by the user, or cannot be written.
    """
    chosen = os.environ.get("EGEM_COMPILED", "")
    if chosen == "off" or jax.config.jax_compilation_cache_dir:  # pyright: ignore[reportAttributeAccessIssue]
        return None
    folder = (Path(chosen) if chosen else user_cache_path("egem") / "compiled") / _machine_id()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # no home folder, or one that is full or read-only
        return None
    if not os.access(folder, os.W_OK):
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_compilation_cache_max_size", MAX_BYTES)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", MIN_SECONDS)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    logging.getLogger(__name__).debug("compiled programs are cached in %s", folder)
    return folder


def _machine_id() -> str:
    """Return a digest of the JAX version and the CPU: machines may share a home folder."""
    facts = [platform.machine(), platform.processor(), jax.__version__]
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        facts += [line for line in lines if line.startswith(("flags", "Features"))][:1]
    except OSError:
        pass
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]
