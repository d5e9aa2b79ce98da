"""A joint metric as named arrays and a JSON header, for :mod:`egem.io.model_file`."""

from typing import Any

import numpy as np

from egem.data.preparation import Whole
from egem.ensemble.features import Bank, Convolutions, Layout
from egem.ensemble.joint import JointMetric
from egem.ensemble.linear import Candidate, Hull, Pieces
from egem.ensemble.metric import Metric, Scatter
from egem.ensemble.views import Space, Usual

Arrays = dict[str, np.ndarray]


def pack_joint(
    metric: JointMetric, hulls: tuple[tuple[Pieces, ...], ...]
) -> tuple[Arrays, dict[str, Any]]:
    """Take a joint metric and the classes' hulls apart.

    Returns
    -------
    arrays : dict of array
        Names begin with the number of the space.
    header : dict
        What is no array.

    Raises
    ------
    ValueError
        Where a space's representation is the user's own, whose code no file can hold.
    """
    arrays: Arrays = {}
    header = []
    for i, (space, found) in enumerate(zip(metric.spaces, metric.representations, strict=True)):
        if found is not None and not isinstance(found, Convolutions):
            raise ValueError(
                f"a model whose metric is your own {type(found).__name__} cannot be saved: a file "
                "holds numbers, not code. Keep its training cases and fit again, or use metric="
                "'auto'."
            )
        at = f"space/{i}"
        arrays[f"{at}/directions"] = space.scatter.directions
        arrays[f"{at}/variances"] = space.scatter.variances
        for c, of in enumerate(hulls):
            for m, piece in enumerate(of[i]):
                place = _place(at, c, m)
                arrays |= {f"{place}/{name}": a for name, a in piece._asdict().items()}
        its: dict[str, Any] = {
            "name": space.name,
            "weight": space.weight,
            "usual": space.usual,
            "candidates": [list(c) for c in space.candidates],
            "n_pieces": [len(of[i]) for of in hulls],
            "tail": float(space.scatter.tail),
            "mean_variance": float(space.scatter.mean_variance),
            "convolutions": None,
        }
        if found is not None:
            its["convolutions"] = {
                "along": found.layout.along,
                "length": int(found.layout.length),
                "n_banks": len(found.banks),
            }
            arrays |= {f"{at}/layout/{n}": getattr(found.layout, n) for n in ("mean", "scale")}
            arrays |= {f"{at}/{n}": getattr(found, n) for n in ("centre", "spread", "projection")}
            for b, bank in enumerate(found.banks):
                arrays |= {f"{at}/bank/{b}/{name}": a for name, a in bank._asdict().items()}
        header.append(its)
    arrays = {name: np.ascontiguousarray(a) for name, a in arrays.items()}
    whole = {"n_steps": int(metric.whole.n_steps), "missing": float(metric.whole.missing)}
    return arrays, {"imagined": metric.imagined, "spaces": header, "whole": whole}


def unpack_joint(
    arrays: Arrays, header: dict[str, Any], residual: Metric, n_classes: int
) -> tuple[JointMetric, tuple[tuple[Pieces, ...], ...]]:
    """Put together what :func:`pack_joint` took apart."""
    spaces, representations = [], []
    hulls: list[list[Pieces]] = [[] for _ in range(n_classes)]
    for i, its in enumerate(header["spaces"]):
        at = f"space/{i}"
        scatter = Scatter(
            arrays[f"{at}/directions"],
            arrays[f"{at}/variances"],
            its["tail"],
            its["mean_variance"],
        )
        candidates = tuple(Candidate(*map(float, c)) for c in its["candidates"])
        usual = its.get("usual") and Usual(*map(float, its["usual"]))
        spaces.append(Space(its["name"], scatter, candidates, float(its["weight"]), usual))
        n_pieces = its.get("n_pieces", [1] * n_classes)  # one a class before format 4
        for c, (of, n) in enumerate(zip(hulls, n_pieces, strict=True)):
            places = (_place(at, c, m) for m in range(n))  # one by one: n may be a lie
            of.append(
                tuple(Hull(*(arrays[f"{p}/{name}"] for name in Hull._fields)) for p in places)
            )
        representations.append(_convolutions(arrays, at, its["convolutions"]))
    whole = Whole(**header.get("whole", {"n_steps": 1, "missing": 1.0}))
    joint = JointMetric(
        residual, tuple(spaces), tuple(representations), float(header["imagined"]), whole
    )
    return joint, tuple(map(tuple, hulls))


def _place(at: str, c: int, piece: int) -> str:
    """Name a hull of a class; the first is where there was but one before format 4."""
    return f"{at}/hull/{c}/{piece}" if piece else f"{at}/hull/{c}"


def _convolutions(arrays: Arrays, at: str, its: dict[str, Any] | None) -> Convolutions | None:
    if its is None:
        return None
    mean, scale = arrays[f"{at}/layout/mean"], arrays[f"{at}/layout/scale"]
    return Convolutions(
        Layout(its["along"], mean, scale, int(its["length"])),
        tuple(
            Bank(*(arrays[f"{at}/bank/{b}/{name}"] for name in Bank._fields))
            for b in range(int(its["n_banks"]))
        ),
        *(arrays[f"{at}/{name}"] for name in ("centre", "spread", "projection")),
    )
