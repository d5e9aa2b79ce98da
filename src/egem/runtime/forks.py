"""Forked processes: threads do not survive a fork, and JAX then waits for its own for ever."""

import os

_used, _unusable = False, False


def claim_jax() -> None:
    """Note that this process uses JAX.

    Raises
    ------
    RuntimeError
        If it is a fork of a process that did.
    """
    global _used
    if _unusable:
        raise RuntimeError(
            "this process was forked from one that had used JAX, whose threads a fork does not "
            "have; start processes with multiprocessing.get_context('spawn') or 'forkserver', or "
            "by joblib's backend 'loky'. Only models without recurrent experts predict here."
        )
    _used = True


def _forked() -> None:
    global _unusable
    _unusable = _used


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
