"""Forked processes: threads do not survive a fork, and JAX then waits for its own for ever."""

import os

_used, _lost = False, False


def claim_jax() -> None:
    """Note that this process uses JAX.

    Raises
    ------
    RuntimeError
        If it is a fork of a process that did.
    """
    global _used
    if _lost:
        raise RuntimeError(
            "this process was forked from one that had used JAX, whose threads a fork does not "
            "have; start processes with multiprocessing.get_context('spawn') or 'forkserver', or "
            "by joblib's backend 'loky'. Only models without recurrent experts predict here."
        )
    _used = True


def _forked() -> None:
    global _lost
    _lost = _used


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
