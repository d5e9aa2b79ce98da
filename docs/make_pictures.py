"""The pictures of the documentation, drawn from real models.

    python docs/make_pictures.py [converge inverse compete explanations]

Writes into `docs/pictures`; without arguments all. Letters come from `EGEM_DATA_DIR`; where that is
not set, digits from a package take their place.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from PIL import Image

from egem import EGEMClassifier, few_shot_split, load_dataset
from egem.drawing import PALETTE
from egem.explanation_plot import explanation
from searching import Contest, model_to_draw, telling

OUT = Path(__file__).parent / "pictures"
TARGETS = {"U": "aym", "i": "274"}  # of the film; letters, or digits


class Ink(NamedTuple):
    """Colours of a picture on paper of one kind."""

    text: str
    quiet: str
    target: str
    code: tuple[str, ...]
    stroke: str
    win: str
    box: str


LIGHT = Ink("#1a1a1a", "#5a5a5a", "#d3d8dc", PALETTE, "#0072b2", "#0072b2", "#eef2f5")
DARK = Ink(
    "#e6e8ea",
    "#a9b0b6",
    "#4d565e",
    ("#5cb3ea", "#f0b43c", "#2fc79a", "#e39cc3", *PALETTE[4:]),
    "#7cc4f5",
    "#7cc4f5",
    "#2b333b",
)


class Cell(NamedTuple):
    """A place on a picture, in its own units, y upwards."""

    left: float
    bottom: float
    side: float


def blank(width: float, height: float, paper: str = "none", dpi: int = 100) -> tuple[Figure, Axes]:
    """Make a figure of that many hundredths of an inch, with one pair of axes over all of it."""
    figure = Figure((width / 100, height / 100), dpi=dpi, facecolor=paper)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.axis("off")
    return figure, axes


def draw(axes: Axes, case: np.ndarray, like: np.ndarray, cell: Cell, colour: str, **style) -> None:
    """Draw a stroke, or an image, in a cell, in the range of another case."""
    if len(case) != 2:
        shade = float(style.get("alpha", 1.0))
        inside = (cell.left, cell.left + cell.side, cell.bottom, cell.bottom + cell.side)
        axes.imshow(case.T, "gray_r", extent=inside, vmin=0, vmax=1, alpha=shade, zorder=2)
        axes.set_xlim(axes.get_xlim())
        return
    low, high = like.min(axis=1), like.max(axis=1)
    middle = (low + high)[:, None] / 2
    scale = 0.72 * cell.side / max(float((high - low).max()), 1e-9)
    at = np.array([[cell.left], [cell.bottom]]) + cell.side / 2 + scale * (case - middle)
    axes.plot(*at, color=colour, solid_capstyle="round", solid_joinstyle="round", **style)


def bars(axes: Axes, code: np.ndarray, n_cases: int, cell: Cell, height: float, ink: Ink) -> None:
    """Draw a code: an entry of each training case in its colour, then the bends."""
    step = cell.side / len(code)
    zero = cell.bottom + height * 0.3
    for i, value in enumerate(np.clip(code, -0.6, 1.3)):
        colour = ink.code[i] if i < n_cases else ink.quiet
        size = (0.74 * step, 0.5 * height * float(value))
        axes.add_patch(Rectangle((cell.left + (i + 0.13) * step, zero), *size, color=colour, lw=0))
    axes.plot([cell.left, cell.left + cell.side], [zero, zero], color=ink.quiet, lw=0.8)


def arrow(axes: Axes, start, end, ink: Ink, bend: float = 0.0, style: str = "-") -> None:
    """Draw an arrow."""
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=13,
            color=ink.quiet,
            lw=1.5,
            linestyle=style,
            connectionstyle=f"arc3,rad={bend}",
        )
    )


def box(axes: Axes, cell: Cell, height: float, words: str, ink: Ink, edge: str) -> None:
    """Draw the box of an expert."""
    shape = "round,pad=0,rounding_size=9"
    axes.add_patch(
        FancyBboxPatch(
            (cell.left, cell.bottom), cell.side, height, shape, fc=ink.box, ec=edge, lw=1.5
        )
    )
    middle = (cell.left + cell.side / 2, cell.bottom + height / 2)
    axes.text(*middle, words, ha="center", va="center", color=ink.text, size=12)


FRAMES, STEPS = 44, 7  # of one target
WIDE, TALL = 820, 330


def film(out: Path) -> None:
    """Animate experts that search for the codes of a few targets; those that lose fade."""
    clf, X, y = model_to_draw()
    wanted = np.array(list(TARGETS[clf.classes_.dtype.kind])).astype(clf.classes_.dtype)
    frames: list[Image.Image] = []
    for label in wanted:
        frames += _frames(clf, telling(clf, X, y, label))
    durations = ([700] + [55] * (FRAMES - 2) + [2200]) * len(wanted)
    style = {"save_all": True, "append_images": frames[1:], "duration": durations, "loop": 0}
    frames[0].save(out / "converge.webp", quality=72, method=6, **style)


def _frames(clf: EGEMClassifier, one: Contest) -> list[Image.Image]:
    far = np.linspace(0, 1, FRAMES)
    at = (STEPS - 1) * far**1.4
    before = np.minimum(at.astype(int), STEPS - 2)
    share = at - before
    codes = one.codes[:, before] * (1 - share)[:, None] + one.codes[:, before + 1] * share[:, None]
    scores = one.scores[:, before] * (1 - share) + one.scores[:, before + 1] * share
    imagined = [clf.ensemble_.imagine(e, each) for e, each in enumerate(codes)]
    chance = float(clf.predict_proba(one.target[None]).max())
    return [_frame(clf, one, imagined, scores, i, far[i], chance) for i in range(FRAMES)]


def _frame(clf, one: Contest, imagined, scores, i: int, far: float, chance: float) -> Image.Image:
    figure, axes = blank(WIDE, TALL, "white")
    ink, now = LIGHT, scores[:, i]
    best = int(now.argmin())
    draw(axes, one.target, one.target, Cell(14, 110, 160), "#8a949c", lw=7)
    axes.text(94, 292, "target", ha="center", va="center", size=12, color=ink.quiet)
    if far == 1:
        words = f"{clf.classes_[best]}, probability {chance:.2f}"
        axes.text(94, 86, words, ha="center", size=13, weight="bold", color=ink.win)
    for e, name in enumerate(clf.classes_):
        row, column = divmod(e, 5)
        cell = Cell(202 + column * 122, TALL - 30 - 112 - row * 160, 112)
        behind = float(np.log(now[e] / now[best]))
        shown = max(np.exp(-1.5 * far * behind), 0.07)
        won = e == best and far > 0.6
        draw(axes, one.target, one.target, cell, ink.target, lw=6, alpha=max(shown, 0.35))
        colour = ink.win if e == best else ink.text
        draw(axes, imagined[e][i], one.target, cell, colour, lw=2.6, alpha=shown)
        weight = "bold" if won else "normal"
        middle = cell.left + cell.side / 2
        axes.text(
            cell.left + 4,
            cell.bottom + cell.side + 4,
            str(name),
            size=12,
            color=ink.win if won else ink.quiet,
            weight=weight,
            alpha=max(shown, 0.4),
        )
        long = cell.side * float(now[e] / scores[:, 0].max())
        axes.add_patch(Rectangle((cell.left, cell.bottom - 9), cell.side, 6, color="#eceff1", lw=0))
        axes.add_patch(
            Rectangle((cell.left, cell.bottom - 9), long, 6, color=colour, alpha=max(shown, 0.3))
        )
        if won:
            axes.plot(
                [middle - 56, middle + 56, middle + 56, middle - 56, middle - 56],
                [cell.bottom - 14] * 2 + [cell.bottom + cell.side + 20] * 2 + [cell.bottom - 14],
                color=ink.win,
                lw=1.6,
            )
    figure.canvas.draw()  # pyright: ignore[reportAttributeAccessIssue]
    return Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3].copy())  # pyright: ignore[reportAttributeAccessIssue]


def inverse(out: Path) -> None:
    """Draw one expert that searches, from left to right."""
    clf, X, y = model_to_draw()
    label = _shown(clf)
    one = telling(clf, X, y, label)
    e = int(np.flatnonzero(clf.classes_ == label)[0])
    settled = int(np.argmax(one.scores[e] <= 1.02 * one.scores[e, -1]))
    steps = (0, 1, 2, max(settled, 3))
    imagined = clf.ensemble_.imagine(e, one.codes[e, list(steps)])
    for name, ink in (("light", LIGHT), ("dark", DARK)):
        figure, axes = blank(880, 470)
        for i, step in enumerate(steps):
            left = 20 + i * 222
            cell = Cell(left, 245, 170)
            draw(axes, one.target, one.target, cell, ink.target, lw=9)
            draw(axes, imagined[i], one.target, cell, ink.stroke, lw=3)
            middle = left + 85
            words = f"loss {one.scores[e, step]:.2g}"
            axes.text(middle, 436, words, ha="center", size=13, color=ink.text)
            box(axes, Cell(left + 15, 160, 140), 46, f"expert of “{label}”", ink, ink.quiet)
            arrow(axes, (middle, 210), (middle, 246), ink)
            bars(axes, one.codes[e, step], 4, Cell(left + 15, 44, 140), 90, ink)
            arrow(axes, (middle, 132), (middle, 158), ink)
            when = "code at the start" if not step else f"after step {step}"
            axes.text(middle, 18, when, ha="center", size=12, color=ink.quiet)
            if i + 1 < len(steps):
                start, end = (left + 172, 330), (left + 232, 106)
                arrow(axes, start, end, ink, -0.28, (0, (4, 3)))
                axes.text(left + 213, 316, "gradient", size=11, color=ink.quiet, rotation=0)
        _write(figure, out / f"inverse-{name}.svg")


def compete(out: Path) -> None:
    """Draw several experts beside each other, and what each makes of one target."""
    clf, X, y = model_to_draw()
    label = _shown(clf)
    one = telling(clf, X, y, label)
    own = int(np.flatnonzero(clf.classes_ == label)[0])
    order = np.argsort(one.scores[:, -1])
    rivals = np.sort(np.concatenate([order[:4], order[[6, -1]]]))
    for name, ink in (("light", LIGHT), ("dark", DARK)):
        figure, axes = blank(880, 430)
        draw(axes, one.target, one.target, Cell(8, 210, 130), ink.target, lw=9)
        axes.text(73, 180, "target", ha="center", size=13, color=ink.quiet)
        most = float(one.scores[rivals, -1].max())
        for i, e in enumerate(rivals):
            left, won = 160 + i * 120, e == own
            middle = left + 55
            score = float(one.scores[e, -1])
            colour = ink.win if won else ink.quiet
            axes.add_patch(Rectangle((left, 366), 110, 10, color=ink.box, lw=0))
            axes.add_patch(Rectangle((left, 366), 110 * score / most, 10, color=colour, lw=0))
            weight = "bold" if won else "normal"
            words = f"loss {score:.2g}"
            axes.text(middle, 390, words, ha="center", size=13, color=ink.text, weight=weight)
            draw(axes, one.target, one.target, Cell(left, 236, 112), ink.target, lw=7)
            imagined = clf.ensemble_.imagine(e, one.codes[e, -1:])[0]
            draw(axes, imagined, one.target, Cell(left, 236, 112), ink.stroke, lw=2.6)
            arrow(axes, (middle, 203), (middle, 234), ink)
            named = f"“{clf.classes_[e]}”"
            box(axes, Cell(left + 10, 156, 90), 44, named, ink, ink.win if won else ink.quiet)
            arrow(axes, (middle, 126), (middle, 153), ink)
            bars(axes, one.codes[e, -1], 4, Cell(left + 5, 40, 100), 84, ink)
        axes.text(520, 12, "the code that each expert found", ha="center", size=12, color=ink.quiet)
        _write(figure, out / f"compete-{name}.svg")


def _shown(clf: EGEMClassifier) -> object:
    """Return the class that the diagrams are about."""
    return "y" if clf.classes_.dtype.kind == "U" else 2


def _write(figure: Figure, path: Path) -> None:
    figure.savefig(path, transparent=True, metadata={"Date": None})


def explanations(out: Path) -> None:
    """Draw the explanations of the tutorial's first recording and of a digit."""
    for name, k_seed, which in (("BasicMotions", 0, 0), ("digits", 0, 0)):
        X, y = load_dataset(name)
        train, test = few_shot_split(y, k=4, seed=k_seed)
        clf = EGEMClassifier(random_state=0).fit([X[i] for i in train], y[train])
        figure = explanation(clf, clf.explain([X[test[which]]]), 0)
        figure.savefig(out / f"explanation-{name.lower()}.png", dpi=110)


PICTURES: dict[str, Callable[[Path], None]] = {
    "converge": film,
    "inverse": inverse,
    "compete": compete,
    "explanations": explanations,
}


def main() -> None:
    """Draw what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", nargs="*", choices=[[], *PICTURES], help="default all")
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to")
    arguments = parser.parse_args()
    arguments.out.mkdir(exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "egem"}):  # the same picture is the same file
        for name in arguments.which or PICTURES:
            PICTURES[name](arguments.out)
            print(name)


if __name__ == "__main__":
    main()
