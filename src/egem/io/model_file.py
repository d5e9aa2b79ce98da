"""Models as files: one safetensors file, arrays beside a JSON header, with a checksum.

Nothing in a file is ever run: arrays are raw numbers, the header is JSON, and both are checked
before they are used.
"""

import errno
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from egem import __version__
from egem.core.decoder import Decoder
from egem.errors import ModelFileError, TooLarge
from egem.io.packing import Arrays, pack, pack_parameters, unpack, unpack_parameters
from egem.io.schema import check_fitted, check_model
from egem.model import Model
from egem.runtime.files import atomic_write, byte_limit, check_size, checksum
from egem.runtime.numerics import own_numerics
from egem.settings import check_parameters

FORMAT = 1
FITTED = ("n_features_in_", "feature_names_in_", "time_step_", "channel_names_")  # beside the model
_KEY = "egem"

log = logging.getLogger(__name__)


def save(
    model: Model,
    parameters: Mapping[str, Any],
    fitted: Mapping[str, Any],
    path: str | os.PathLike[str],
) -> None:
    """Write a model, with the parameters and other fitted attributes of its estimator.

    The file is written under a temporary name, flushed, and renamed.

    Raises
    ------
    ValueError
        Where a view is the user's own, whose code no file can hold, or a parameter was set to what
        means nothing.
    OSError
        Where the folder does not exist or cannot be written.
    """
    from safetensors.numpy import save as to_bytes

    check_parameters(parameters)  # which may have been set after fit
    arrays, header = pack(model)
    header["parameters"] = pack_parameters(parameters, model.seed)
    header["fitted"] = {k: v if v is None else np.asarray(v).tolist() for k, v in fitted.items()}
    header |= {"format": FORMAT, "version": __version__}
    header["checksum"] = checksum(arrays, header)
    content = to_bytes(arrays, metadata={_KEY: json.dumps(header)})
    target = Path(path)
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        with atomic_write(target) as file:
            file.write(content)
    except OSError as error:
        raise type(error)(
            error.errno,
            f"the model cannot be written ({error.strerror}); give a path in an existing folder "
            "that you may write to",
            str(target),
        ) from error
    log.info("wrote %s: %d classes, %d bytes", target, len(model.classes), len(content))


def load(
    path: str | os.PathLike[str], decoder: Decoder | None = None, max_bytes: int | None = None
) -> tuple[Model, dict[str, Any], dict[str, Any]]:
    """Read a model written by :func:`save`, and its estimator's parameters and attributes.

    Parameters
    ----------
    path : path-like
        The file.
    decoder : Decoder or None, default None
        The model's decoder, where it is the user's own.
    max_bytes : int or None, default None
        Largest file, and most memory of a model's decoded codebooks; None is ``EGEM_MAX_BYTES`` of
        the environment, or 2 GiB.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ModelFileError
        Where it is truncated, corrupted, foreign, too large, or of another format.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such model file; check its name and folder.")
    limit, size = byte_limit(max_bytes), path.stat().st_size
    try:
        check_size("it holds", size, limit)
        with own_numerics():
            arrays, header = _read(path)
            model = unpack(arrays, header, decoder)
            parameters = unpack_parameters(header["parameters"], model)
            check_parameters(parameters)
            fitted = header["fitted"]
            check_model(model, limit)
            check_fitted(fitted)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error
    except TooLarge as error:
        raise ModelFileError(f"{path}: {error}.") from error
    except Exception as error:  # whatever a damaged file brings about is one trouble to the user
        raise ModelFileError(
            f"{path}: this is not a whole egem model ({type(error).__name__}: {error}); it may be "
            "truncated, corrupted or of another program. Save the model anew."
        ) from error
    log.info("read %s: %d classes, %d bytes", path, len(model.classes), size)
    names = fitted.pop("feature_names_in_")
    if names is not None:
        fitted["feature_names_in_"] = np.array(names, object)
    return model, parameters, fitted


def _read(path: Path) -> tuple[Arrays, dict[str, Any]]:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
        if _KEY not in metadata:
            raise ModelFileError("a safetensors file, but not an egem model.")
        header = json.loads(metadata[_KEY])
        if header["format"] != FORMAT:
            raise ModelFileError(
                f"written by egem {header['version']} in format {header['format']}; this egem "
                f"({__version__}) reads format {FORMAT}. Update egem, or save the model anew."
            )
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if header.pop("checksum") != checksum(arrays, header):
        raise ValueError("its checksum does not match its content")
    return arrays, header
