"""Draw the documentation's pictures from fitted models.

    python docs/make_pictures.py [converge inverse compete explanations]

Writes into `docs/pictures`, without arguments all. Letters come from `EGEM_DATA_DIR`; if it is not
set, digits take their place. Explanations are photographed in Debian's `chromium`.
"""

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from egem import EGEMClassifier, few_shot_split, load_dataset
from egem.viz.explanation_page import explanation_page
from searching import Searches, imagine, longest_searches, model_to_draw
from sketching import DARK, LIGHT, Cell, Frame, arrow, bars, blank, box, draw

OUT = Path(__file__).parent / "pictures"
TARGETS = {"U": "aym", "i": "274"}  # of the film; letters, or digits

FRAMES, STEPS = 44, 7  # of one target
WIDE, TALL = 820, 330


def film(out: Path) -> None:
    """Animate all experts' searches for the codes of a few targets; those of high loss fade."""
    clf, X, y = model_to_draw()
    wanted = np.array(list(TARGETS[clf.classes_.dtype.kind])).astype(clf.classes_.dtype)
    frames: list[Image.Image] = []
    for label in wanted:
        frames += _frames(clf, longest_searches(clf, X, y, label))
    durations = ([700] + [55] * (FRAMES - 2) + [2200]) * len(wanted)
    style = {"save_all": True, "append_images": frames[1:], "duration": durations, "loop": 0}
    frames[0].save(out / "converge.webp", quality=72, method=4, **style)


def _frames(clf: EGEMClassifier, searches: Searches) -> list[Image.Image]:
    far = np.linspace(0, 1, FRAMES)
    at = (STEPS - 1) * far**1.4
    before = np.minimum(at.astype(int), STEPS - 2)
    part = at - before
    codes = searches.codes[:, before] + part[:, None] * np.diff(searches.codes, axis=1)[:, before]
    scores = searches.scores[:, before] + part * np.diff(searches.scores, axis=1)[:, before]
    imagined = [imagine(clf, e, each) for e, each in enumerate(codes)]
    frame = Frame.around(np.stack([searches.target, *(each[0] for each in imagined)]), 0.01)
    chance = float(clf.predict_proba(searches.target[None]).max())
    names = [str(name) for name in clf.classes_]
    pictures = []
    for i in range(FRAMES):
        figure, axes = blank(WIDE, TALL, "white")
        made = [each[i] for each in imagined]
        _draw_moment(axes, frame, searches, names, made, scores[:, i] / scores[:, 0].max(), far[i])
        if i + 1 == FRAMES:
            words = f"probability {chance:.2f}"
            axes.text(94, 62, words, ha="center", size=12, color=LIGHT.best)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        pictures.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy()))
    return pictures


def _draw_moment(
    axes: Axes,
    frame: Frame,
    searches: Searches,
    names: list[str],
    imagined: list[np.ndarray],
    scores: Float[np.ndarray, " e"],
    far: float,
) -> None:
    """Draw all experts' sequences at one moment, ``far`` (0 to 1) of the way to the end."""
    ink, best, decided = LIGHT, int(scores.argmin()), far > 0.6
    draw(axes, searches.target, frame, Cell(14, 120, 160), "#77828b", lw=6)
    axes.text(94, 296, "target", ha="center", va="center", size=12, color=ink.quiet)
    if decided:
        words = f"prediction: {names[best]}"
        axes.text(94, 88, words, ha="center", size=14, weight="bold", color=ink.best)
    for e, name in enumerate(names):
        row, column = divmod(e, 5)
        cell = Cell(202 + column * 122, TALL - 26 - 116 - row * 161, 116)
        won = e == best and decided
        shown = max(float(np.exp(-1.0 * far * np.log(scores[e] / scores[best]))), 0.16)
        colour = ink.best if won else "#33424e"
        draw(axes, searches.target, frame, cell, ink.target, lw=5.5, alpha=max(shown, 0.4))
        draw(axes, imagined[e], frame, cell, colour, lw=2.6, alpha=shown)
        style = {"size": 12, "color": colour, "alpha": max(shown, 0.45)}
        top = cell.bottom + cell.side
        axes.text(cell.left + 5, top + 3, name, weight="bold" if won else "normal", **style)
        strip = {"alpha": max(shown, 0.35), "lw": 0}
        begin = cell.left, cell.bottom - 8
        axes.add_patch(Rectangle(begin, cell.side, 6, color="#e8ecef", lw=0))
        axes.add_patch(Rectangle(begin, cell.side * float(scores[e]), 6, color=colour, **strip))
        if won:
            corner, size = (cell.left - 3, cell.bottom - 12), (cell.side + 6, cell.side + 31)
            axes.add_patch(Rectangle(corner, *size, fill=False, ec=ink.best, lw=1.6))


def inverse(out: Path) -> None:
    """Draw the search of one expert, from left to right."""
    clf, X, y = model_to_draw()
    label = _shown(clf)
    searches = longest_searches(clf, X, y, label)
    e = int(np.flatnonzero(clf.classes_ == label)[0])
    settled = int(np.argmax(searches.scores[e] <= 1.02 * searches.scores[e, -1]))
    steps = (0, 1, 2, max(settled, 3))
    imagined = imagine(clf, e, searches.codes[e, list(steps)])
    frame = Frame.around(np.stack([searches.target, *imagined]), 0.0)
    for name, ink in (("light", LIGHT), ("dark", DARK)):
        figure, axes = blank(880, 470)
        for i, step in enumerate(steps):
            left = 20 + i * 222
            cell = Cell(left, 245, 170)
            draw(axes, searches.target, frame, cell, ink.target, lw=9)
            draw(axes, imagined[i], frame, cell, ink.stroke, lw=3)
            middle = left + 85
            words = f"loss {searches.scores[e, step]:.2g}"
            axes.text(middle, 436, words, ha="center", size=13, color=ink.text)
            box(axes, Cell(left + 32, 160, 112), 46, f"expert “{label}”", ink, ink.quiet)
            arrow(axes, (middle, 210), (middle, 246), ink)
            bars(axes, searches.codes[e, step], 4, Cell(left + 22, 44, 132), 90, ink)
            arrow(axes, (middle, 132), (middle, 158), ink)
            when = "code at the start" if not step else f"after step {step}"
            axes.text(middle, 18, when, ha="center", size=12, color=ink.quiet)
            if i + 1 < len(steps):
                start, end = (left + 170, 318), (left + 238, 84)
                arrow(axes, start, end, ink, 0.3, dashed=True)
                axes.text(left + 186, 300, "gradient", size=11, color=ink.quiet)
        _write(figure, out / f"inverse-{name}.svg")


def compete(out: Path) -> None:
    """Draw the reconstructions of one target by several experts, with codes and losses."""
    clf, X, y = model_to_draw()
    label = _shown(clf)
    searches = longest_searches(clf, X, y, label)
    own = int(np.flatnonzero(clf.classes_ == label)[0])
    order = np.argsort(searches.scores[:, -1])
    shown = np.sort(np.concatenate([order[:4], order[[6, -1]]]))
    imagined = [imagine(clf, e, searches.codes[e, -1:])[0] for e in shown]
    frame = Frame.around(np.stack([searches.target, *imagined]), 0.0)
    for name, ink in (("light", LIGHT), ("dark", DARK)):
        figure, axes = blank(880, 430)
        draw(axes, searches.target, frame, Cell(8, 210, 130), ink.target, lw=9)
        axes.text(73, 180, "target", ha="center", size=13, color=ink.quiet)
        most = float(searches.scores[shown, -1].max())
        for i, e in enumerate(shown):
            left, won = 160 + i * 120, e == own
            middle = left + 55
            score = float(searches.scores[e, -1])
            colour = ink.best if won else ink.quiet
            axes.add_patch(Rectangle((left, 366), 110, 10, color=ink.box, lw=0))
            axes.add_patch(Rectangle((left, 366), 110 * score / most, 10, color=colour, lw=0))
            weight = "bold" if won else "normal"
            words = f"loss {score:.2g}"
            axes.text(middle, 390, words, ha="center", size=13, color=ink.text, weight=weight)
            draw(axes, searches.target, frame, Cell(left, 236, 112), ink.target, lw=7)
            draw(axes, imagined[i], frame, Cell(left, 236, 112), ink.stroke, lw=2.6)
            arrow(axes, (middle, 203), (middle, 234), ink)
            named = f"“{clf.classes_[e]}”"
            box(axes, Cell(left + 10, 156, 90), 44, named, ink, ink.best if won else ink.quiet)
            arrow(axes, (middle, 126), (middle, 153), ink)
            bars(axes, searches.codes[e, -1], 4, Cell(left + 5, 40, 100), 84, ink)
        axes.text(520, 12, "the code found for each expert", ha="center", size=12, color=ink.quiet)
        _write(figure, out / f"compete-{name}.svg")


def _shown(clf: EGEMClassifier) -> object:
    """Return the class of the diagrams."""
    return "y" if clf.classes_.dtype.kind == "U" else 2


def _write(figure: Figure, path: Path) -> None:
    figure.savefig(path, transparent=True, metadata={"Date": None})


def explanations(out: Path) -> None:
    """Photograph the explanations of the tutorial's first recording and of a digit."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 760, "height": 800}, device_scale_factor=1.5)
        for name in ("BasicMotions", "digits"):
            X, y = load_dataset(name)
            train, test = few_shot_split(y, k=4, seed=0)
            clf = EGEMClassifier(random_state=0).fit([X[i] for i in train], y[train])
            page.set_content(explanation_page(clf, [X[test[0]]], name=name))
            page.evaluate(
                "document.querySelectorAll('h1, h1 ~ p:not(h2 ~ p)').forEach(e => e.remove())"
            )
            page.locator("main").screenshot(path=out / f"explanation-{name.lower()}.png")
        browser.close()


PICTURES: dict[str, Callable[[Path], None]] = {
    "converge": film,
    "inverse": inverse,
    "compete": compete,
    "explanations": explanations,
}


def main() -> None:
    """Draw the pictures named on the command line."""
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
