"""Compiled programs, kept in the user's cache folder so that the next process starts warm.

`EGEM_COMPILED` in the environment names another folder, or is `off`. What a user has told JAX about
its compilation cache (`JAX_COMPILATION_CACHE_DIR`) is left as it is. The folder holds at most 256
MB; the programs used longest ago make room.
"""

import hashlib
import logging
import os
import platform
from functools import cache
from pathlib import Path

import jax
from platformdirs import user_cache_path

MOST_BYTES = 2**28
QUICKEST = 0.1  # seconds of compilation below which a program is not worth a file


@cache
def keep_compiled() -> Path | None:
    """Let JAX keep compiled programs from now on; returns where, or None where it does not."""
    asked = os.environ.get("EGEM_COMPILED", "")
    if asked == "off" or jax.config.jax_compilation_cache_dir:  # pyright: ignore[reportAttributeAccessIssue]
        return None
    folder = (Path(asked) if asked else user_cache_path("egem") / "compiled") / _machine()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            return None
    except OSError:  # no home, or a full or read-only one: programs are compiled every time
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_compilation_cache_max_size", MOST_BYTES)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", QUICKEST)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    logging.getLogger(__name__).debug("compiled programs are kept in %s", folder)
    return folder


def _machine() -> str:
    """Name what programs are compiled for: homes are shared between machines."""
    about = [platform.machine(), platform.processor(), jax.__version__]
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        about += [line for line in lines if line.startswith(("flags", "Features"))][:1]
    except OSError:
        pass
    return hashlib.sha256("\n".join(about).encode()).hexdigest()[:12]
