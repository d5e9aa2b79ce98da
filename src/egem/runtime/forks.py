"""Processes in which JAX cannot run: forks of others that used it, or those without its device.

Threads do not survive a fork, and JAX then waits for its own for ever.
"""

import os

import jax

_used, _unusable = False, False


def claim_jax() -> None:
    """Note that this process uses JAX.

    Raises
    ------
    RuntimeError
        If it is a fork of a process that did, or JAX is set to devices that are not there.
    """
    global _used
    if _unusable:
        raise RuntimeError(
            "this process was forked from one that had used JAX, whose threads a fork does not "
            "have; start processes with multiprocessing.get_context('spawn') or 'forkserver', or "
            "by joblib's backend 'loky'. Only models without recurrent experts predict here."
        )
    if not _used:
        _check_devices()
    _used = True


def _check_devices() -> None:
    try:
        jax.devices()
    except (AssertionError, RuntimeError) as error:
        chosen = os.environ.get("JAX_PLATFORMS") or "the default"
        raise RuntimeError(
            f"JAX finds no device to compute on (JAX_PLATFORMS is {chosen}); unset JAX_PLATFORMS, "
            "or set it to cpu."
        ) from error


def _forked() -> None:
    global _unusable
    _unusable = _used


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
