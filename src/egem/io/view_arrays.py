"""Views and their linear experts as named arrays and JSON, for :mod:`egem.io.packing`."""

from typing import Any

import numpy as np

from egem.core.metric import Scatter
from egem.data.preparation import Coverage
from egem.model import Model
from egem.views.features import Bank, Convolutions, Layout
from egem.views.linear import LinearExpert, LocalExperts
from egem.views.linear_losses import LinearMetric
from egem.views.views import HeldOutLoss, View, Views

Arrays = dict[str, np.ndarray]


def pack_views(model: Model) -> tuple[Arrays, dict[str, Any] | None]:
    """Take the views and their linear experts apart."""
    if model.views is None:
        return {}, None
    arrays: Arrays = {}
    header = []
    for i, (view, experts) in enumerate(zip(model.views.linear, model.linear_experts, strict=True)):
        own, at = view.representation, f"view/{i}"
        if own is not None and not isinstance(own, Convolutions):
            raise ValueError(
                f"a model with your own view {type(own).__name__} cannot be saved: a file holds "
                "numbers, not code. Keep its training cases and fit again, or use views='auto'."
            )
        arrays[f"{at}/directions"] = view.scatter.directions
        arrays[f"{at}/variances"] = view.scatter.variances
        for c, local in enumerate(experts):
            for m, expert in enumerate(local):
                arrays |= {f"{at}/{c}/{m}/{name}": a for name, a in expert._asdict().items()}
        its: dict[str, Any] = {
            "name": view.name,
            "weight": view.weight,
            "held_out_loss": view.held_out_loss,
            "metrics": [list(m) for m in view.metrics],
            "n_experts": [len(local) for local in experts],
            "tail": float(view.scatter.tail),
            "mean_variance": float(view.scatter.mean_variance),
            "convolutions": None,
        }
        if own is not None:
            its["convolutions"] = {
                "along": own.layout.along,
                "length": int(own.layout.length),
                "n_banks": len(own.banks),
            }
            arrays |= {f"{at}/layout/{n}": getattr(own.layout, n) for n in ("mean", "scale")}
            arrays |= {f"{at}/{n}": getattr(own, n) for n in ("centre", "spread", "projection")}
            for b, bank in enumerate(own.banks):
                arrays |= {f"{at}/bank/{b}/{name}": a for name, a in bank._asdict().items()}
        header.append(its)
    coverage = model.views.coverage
    return arrays, {
        "linear": header,
        "recurrent_weight": model.views.recurrent_weight,
        "coverage": {"n_steps": int(coverage.n_steps), "missing": float(coverage.missing)},
    }


def unpack_views(
    arrays: Arrays, header: dict[str, Any] | None
) -> tuple[Views | None, tuple[tuple[LocalExperts, ...], ...]]:
    """Put the views and their linear experts together."""
    if header is None:
        return None, ()
    views, linear_experts = [], []
    for i, its in enumerate(header["linear"]):
        at = f"view/{i}"
        tail, variance = its["tail"], its["mean_variance"]
        scatter = Scatter(arrays[f"{at}/directions"], arrays[f"{at}/variances"], tail, variance)
        metrics = tuple(LinearMetric(*map(float, m)) for m in its["metrics"])
        typical = its["held_out_loss"] and HeldOutLoss(*map(float, its["held_out_loss"]))
        own = _unpack_convolutions(arrays, at, its["convolutions"])
        views.append(View(its["name"], own, scatter, metrics, float(its["weight"]), typical))
        linear_experts.append(
            tuple(
                # One by one, since the number may be wrong.
                tuple(
                    LinearExpert(*(arrays[f"{at}/{c}/{m}/{k}"] for k in LinearExpert._fields))
                    for m in range(n)
                )
                for c, n in enumerate(its["n_experts"])
            )
        )
    coverage = Coverage(**header["coverage"])
    views = Views(tuple(views), float(header["recurrent_weight"]), coverage)
    return views, tuple(linear_experts)


def _unpack_convolutions(arrays: Arrays, at: str, its: dict | None) -> Convolutions | None:
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
