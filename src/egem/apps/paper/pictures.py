"""Pictures of sequences: examples with their codes, the search, the loss over a square of codes."""

import io
from collections.abc import Mapping

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from PIL import Image

from egem.viz.style import (
    FAINT,
    INK,
    LOSS_COLOURS,
    PALETTE,
    QUIET,
    SMALL,
    TEXT,
    WRONG,
    Drawn,
    bare,
    draw_case,
    scale_of,
    sheet,
)

Arrays = Mapping[str, np.ndarray]
CELL, GAP = 1.25, 0.12
FRAMES = (*range(0, 20), *range(20, 51, 2))  # iterations of the animation
PEN_OR_IMAGE: dict[str, Drawn] = {"characters": "pen", "mnist": "image"}


def drawn_as(problem: str, n_channels: int) -> Drawn:
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
    n, step, names = max(len(training), len(targets)), CELL + GAP, 1.15
    page = sheet(
        names + n * step,
        3 * step + 0.75,
        f"Reconstructions by the expert of “{classes[of]}”",
        f"{title}. Below each: the weight of each training sequence in the code.",
    )
    rows = (("training", training), ("target", targets), ("reconstruction", decoded))
    for r, (name, cases) in enumerate(rows):
        page.text(0, r * step + CELL / 2, name, color=QUIET)
        for i, case in enumerate(cases):
            axes = page.axes(names + i * step, r * step, CELL, CELL)
            draw_case(axes, case, scale)
            if name == "training":
                axes.spines["bottom"].set(color=PALETTE[i], linewidth=3)
            if name == "target" and recognised[i] != of:
                bare(axes, WRONG, 2)
    page.text(0, 3 * step + 0.2, "code", color=QUIET)
    for i, code in enumerate(codes):
        left = names + i * step
        axes = page.axes(left, 3 * step, CELL, 0.4)
        bare(axes, None)
        axes.bar(range(len(code)), code, 0.75, color=PALETTE[: len(code)])
        axes.set_xlim(-0.5, len(code) - 0.5)
        axes.set_ylim(0, 1)
        for k, weight in enumerate(code):
            at = left + (k + 0.5) * CELL / len(code)
            page.text(at, 3 * step + 0.52, f"{weight:.2f}", SMALL - 1, ha="center")
    return page.figure


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
        pictures.append(Image.open(buffer).convert("P", palette=Image.Palette.ADAPTIVE, colors=48))
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
    across, cell = (5, 0.95) if len(classes) <= 10 else (7, 0.95)
    down = -(-len(classes) // across)
    page = sheet(
        1.9 + across * (cell + GAP),
        down * (cell + 0.32),
        f"The search of all experts for the code of a “{classes[own]}”",
        f"{title}. Iteration {iteration}; frame: lowest loss.",
    )
    axes = page.axes(0, 0.25, 1.5, 1.5)
    draw_case(axes, target, scale)
    page.text(0.75, 0.12, "target", color=QUIET, ha="center")
    lowest = int(losses[iteration].argmin())
    for e, name in enumerate(classes):
        row, column = divmod(e, across)
        left, top = 1.9 + column * (cell + GAP), row * (cell + 0.32)
        axes = page.axes(left, top + 0.22, cell, cell)
        draw_case(axes, np.asarray(arrays["film"][e, iteration], np.float32), scale)
        bare(axes, (PALETTE[2] if lowest == own else WRONG) if e == lowest else FAINT, 2.2)
        words = f"{name}  {losses[iteration, e]:.3f}"
        weight = "bold" if e == lowest else "normal"
        page.text(left + cell / 2, top + 0.11, words, SMALL, ha="center", weight=weight)
    return page.figure


def latent_squares(arrays: Arrays) -> Figure:
    """Draw the loss over the codes of a generator of two classes, for growing noise (Part I)."""
    losses, axis, pair = arrays["loss"], arrays["axis"], arrays["pair"]
    side, names = 1.55, 1.0
    step = side + 0.22
    page = sheet(
        names + len(losses) * step,
        len(pair) * step + 0.45,
        f"Loss over the codes between “{pair[0]}” and “{pair[1]}”",
        "Loss of one target of each class over the two-dimensional code; dark is low. Circle: the "
        "class's own code; cross: where the search ends.",
    )
    norm = LogNorm(max(float(losses.min()), 1e-4), float(np.quantile(losses, 0.98)))
    for r, label in enumerate(pair):
        page.text(0, 0.3 + r * step + side / 2, f"target “{label}”", TEXT, color=INK)
        for i, noise in enumerate(arrays["noise"]):
            axes = page.axes(names + i * step, 0.3 + r * step, side, side)
            extent = (axis[0], axis[-1], axis[0], axis[-1])
            picture = {"origin": "lower", "cmap": LOSS_COLOURS, "norm": norm, "extent": extent}
            axes.imshow(losses[i, r], **picture)
            own = np.eye(2)[r]
            axes.plot(*own, "o", mfc="none", mec=WRONG, mew=1.6, ms=9)
            axes.plot(*arrays["found"][i, r], "x", color=WRONG, mew=1.8, ms=7)
            bare(axes)
            if r == 0:
                at = names + i * step + side / 2
                page.text(at, 0.14, f"noise {noise:g}", TEXT, ha="center", color=QUIET)
    page.text(names, 0.3 + len(pair) * step, f"across: weight of “{pair[0]}”", SMALL, color=QUIET)
    return page.figure
