"""Pictures of sequences: examples with their codes, the search, the loss over a square of codes."""

import io
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from PIL import Image

from egem.viz.sequences import Drawing, draw_case, scale_of
from egem.viz.style import (
    FAINT,
    INK,
    LOSS_COLOURS,
    PALETTE,
    QUIET,
    SMALL,
    TEXT,
    WRONG,
    bare,
    new_figure,
)

Arrays = Mapping[str, np.ndarray]
CELL, NAMES = 1.3, 0.3  # inches: a case, and the names of rows
FRAMES = (*range(0, 20), *range(20, 51, 2))  # iterations of the animation
PEN_OR_IMAGE: dict[str, Drawing] = {"characters": "pen", "mnist": "image"}


def drawn_as(problem: str, n_channels: int) -> Drawing:
    """Return how a problem's sequences are drawn; a substitute's are neither pen nor image."""
    drawn = PEN_OR_IMAGE[problem]
    return drawn if n_channels == {"pen": 2, "image": 28}.get(drawn) else "lines"


def example_rows(arrays: Arrays, problem: str, title: str, of: int | None = None) -> Figure:
    """Draw one class as published: training sequences, targets, reconstructions, codes.

    Parameters
    ----------
    arrays : mapping
        As :mod:`egem.apps.paper.egem_rows` keeps them.
    problem : str
        ``"characters"`` or ``"mnist"``.
    title : str
        The noise setting.
    of : int, optional
        Number of the class; None takes the one with the most mixed codes among those whose targets
        are all recognised.
    """
    classes = arrays["classes"]
    if of is None:
        of = _example_class(arrays)
    mine = arrays["target_class"] == of
    training = arrays["training"][arrays["training_class"] == of]
    targets, decoded = arrays["target"][mine], arrays["reconstruction"][mine]
    codes, recognised = arrays["codes"][mine], arrays["recognised"][mine]
    drawn = drawn_as(problem, training.shape[1])
    scale = scale_of([*training, *targets], drawn)
    n = max(len(training), len(targets))
    figure, body = new_figure(
        n * CELL + NAMES,
        3.4 * CELL + 0.4,
        f"Reconstructions by the expert of “{classes[of]}”",
        f"{title}. Below each: the weight of each training sequence in the code.",
    )
    grid = body.subplots(4, n, squeeze=False, height_ratios=[1, 1, 1, 0.35])
    rows = (
        ("training", training),
        ("target", targets),
        ("reconstruction", decoded),
        ("code", codes),
    )
    for panels, (name, cases) in zip(grid, rows, strict=True):
        panels[0].set_ylabel(name, size=SMALL, color=QUIET)
        for axes in panels[len(cases) :]:
            axes.set_axis_off()
        for i, (axes, case) in enumerate(zip(panels, cases, strict=False)):
            if name == "code":
                _draw_code(axes, case)
                continue
            draw_case(axes, case, scale)
            if name == "training":
                axes.spines["bottom"].set(color=PALETTE[i], linewidth=3)
            if name == "target" and recognised[i] != of:
                bare(axes, WRONG, 2)
    return figure


def _draw_code(axes: Axes, code: np.ndarray) -> None:
    bare(axes, None)
    axes.bar(range(len(code)), code, 0.75, color=PALETTE[: len(code)])
    axes.set(xlim=(-0.5, len(code) - 0.5), ylim=(0, 1))
    axes.set_xticks(range(len(code)), [f"{weight:.2f}" for weight in code])
    axes.tick_params(length=0, labelsize=SMALL - 1, labelcolor=INK, pad=1)


def _example_class(arrays: Arrays) -> int:
    largest = np.sort(arrays["codes"], axis=1)[:, -1]
    of = arrays["target_class"]
    right = arrays["recognised"] == of
    score = {c: right[of == c].mean() - 0.1 * largest[of == c].mean() for c in np.unique(of)}
    return int(max(score, key=score.__getitem__))


def film(arrays: Arrays, problem: str, title: str) -> bytes:
    """Animate all experts searching for one target, as a GIF.

    Parameters
    ----------
    arrays : mapping
        With ``film`` and its companions.
    problem, title : str
        As for :func:`example_rows`.
    """
    frames = [_frame(arrays, problem, title, i) for i in FRAMES]
    pictures = []
    for figure in frames:
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=72)
        pictures.append(Image.open(buffer).convert("RGB").quantize(48))
    buffer = io.BytesIO()
    pictures[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=[600] + [120] * (len(pictures) - 2) + [3000],
        loop=0,
    )
    return buffer.getvalue()


def _frame(arrays: Arrays, problem: str, title: str, iteration: int) -> Figure:
    classes, losses = arrays["classes"], arrays["film_losses"]
    own = int(arrays["film_class"])
    target = arrays["film_target"]
    drawn = drawn_as(problem, target.shape[0])
    scale = scale_of([target, *arrays["training"]], drawn)
    across = 5 if len(classes) <= 10 else 7
    down, cell = -(-len(classes) // across), 1.07
    figure, body = new_figure(
        1.8 + across * cell,
        down * (cell + 0.25),
        f"The search of all experts for the code of a “{classes[own]}”",
        f"{title}. Iteration {iteration}; frame: lowest loss.",
    )
    left, right = body.subfigures(1, 2, squeeze=False, width_ratios=[1.8, across * cell])[0]
    axes = left.subplots()
    draw_case(axes, target, scale)
    axes.set_anchor("N")
    axes.set_title("target", size=TEXT, color=QUIET)
    lowest = int(losses[iteration].argmin())
    panels = np.ravel(right.subplots(down, across, squeeze=False))
    for axes in panels[len(classes) :]:
        axes.set_axis_off()
    for e, (axes, name) in enumerate(zip(panels, classes, strict=False)):
        draw_case(axes, np.asarray(arrays["film"][e, iteration], np.float32), scale)
        bare(axes, (PALETTE[2] if lowest == own else WRONG) if e == lowest else FAINT, 2.2)
        weight = "bold" if e == lowest else "normal"
        axes.set_title(f"{name}  {losses[iteration, e]:.3f}", size=SMALL, weight=weight, pad=3)
    return figure


def latent_squares(arrays: Arrays) -> Figure:
    """Draw the loss over the codes of a generator of two classes, for growing noise (Part I)."""
    losses, axis, pair = arrays["loss"], arrays["axis"], arrays["pair"]
    side = 1.75
    figure, body = new_figure(
        len(losses) * side + NAMES,
        len(pair) * side + 0.5,
        f"The loss over the square of codes between “{pair[0]}” and “{pair[1]}”",
        "Loss of one target of each class over the two-dimensional code; dark is low. Circle: the "
        "class's own code; cross: where the search ends.",
    )
    norm = LogNorm(max(float(losses.min()), 1e-4), float(np.quantile(losses, 0.98)))
    grid = body.subplots(len(pair), len(losses), squeeze=False)
    for r, (panels, label) in enumerate(zip(grid, pair, strict=True)):
        panels[0].set_ylabel(f"target “{label}”", size=TEXT, color=INK)
        for i, (axes, noise) in enumerate(zip(panels, arrays["noise"], strict=True)):
            extent = (axis[0], axis[-1], axis[0], axis[-1])
            picture = {"origin": "lower", "cmap": LOSS_COLOURS, "norm": norm, "extent": extent}
            axes.imshow(losses[i, r], **picture)
            own = np.eye(2)[r]
            axes.plot(*own, "o", mfc="none", mec=WRONG, mew=1.6, ms=9)
            axes.plot(*arrays["found"][i, r], "x", color=WRONG, mew=1.8, ms=7)
            bare(axes)
            if r == 0:
                axes.set_title(f"noise {noise:g}", size=TEXT, color=QUIET)
    body.supxlabel(f"across: weight of “{pair[0]}”", size=SMALL, color=QUIET)
    return figure
