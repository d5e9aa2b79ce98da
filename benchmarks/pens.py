"""Pen movements for the page: real ones where they are at hand, others drawn by a formula."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from egem import load_dataset

if TYPE_CHECKING:
    from playwright.sync_api import FloatRect

Movement = Float[np.ndarray, "2 n"]  # x right, y down, fitted into the unit square
PAD = 0.6, 0.2  # size of a movement laid on the pad, and where it begins
N_POINTS = 28  # of a symbol's movement, for want of other wishes


def letters(label: str, n: int, skip: int = 0) -> list[Movement]:
    """Real letters, as people wrote them on a tablet, every fifth point."""
    X, y = load_dataset("characters", raw=True)
    chosen = [case for case, name in zip(X, y, strict=True) if name == label][skip : skip + n]
    return [written(case, every=5) for case in chosen]


def written(velocities: Float[np.ndarray, "2 n"], every: int) -> Movement:
    """Return where a recorded pen went (its y is up), at some of its points."""
    return fitted(np.cumsum(velocities, axis=1)[:, ::every] * [[1], [-1]])


def symbols(name: str, n: int, skip: int = 0, n_points: int = N_POINTS) -> list[Movement]:
    """Symbols no alphabet has, each time drawn a little differently."""
    draw = {"zigzag": _zigzag, "spiral": _spiral, "eight": _eight}[name]
    rng = np.random.default_rng(len(name))
    movements = [fitted(_by_hand(draw(np.linspace(0, 1, n_points)), rng)) for _ in range(skip + n)]
    return movements[skip:]


def fitted(points: Movement) -> Movement:
    """Fit points into the middle of the unit square."""
    low, high = points.min(axis=1, keepdims=True), points.max(axis=1, keepdims=True)
    return 0.5 + (points - (low + high) / 2) / (high - low).max()


def _zigzag(t: Float[np.ndarray, " n"]) -> Movement:
    corners = np.array([[0, 1, 0.25, 1.25, 0.5, 1.5], [0, 0.1, 0.5, 0.6, 1, 1.1]])
    return np.stack([np.interp(5 * t, np.arange(6), row) for row in corners])


def _spiral(t: Float[np.ndarray, " n"]) -> Movement:
    return (1 - 0.8 * t) * np.stack([np.cos(4 * np.pi * t), np.sin(4 * np.pi * t)])


def _eight(t: Float[np.ndarray, " n"]) -> Movement:
    return np.stack([np.sin(4 * np.pi * t), -1.6 * np.cos(2 * np.pi * t)])


def _by_hand(points: Movement, rng: np.random.Generator) -> Movement:
    """Turn, slant and stretch, and let the hand stray smoothly."""
    turn, slant = rng.normal(0, [0.12, 0.1])
    stretch = np.diag(np.exp(rng.normal(0, 0.12, 2)))
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    phases = np.linspace(0, 2 * np.pi, points.shape[1])
    stray = sum(
        rng.normal(0, 0.03, (2, 1)) * np.sin(k * phases + rng.uniform(0, 6)) for k in (1, 2, 3)
    )
    return rotation @ stretch @ np.array([[1, slant], [0, 1]]) @ points + stray


def stroke_of(movement: Movement, share: float = 1.0) -> dict[str, list[float]]:
    """Lay the first part of a movement on the pad, as the API takes it."""
    n = max(int(share * movement.shape[1]), 2)
    x, y = np.round(PAD[0] * movement[:, :n] + PAD[1], 4).tolist()
    return {"x": x, "y": y}


def draw(page, pad: str, movement: Movement, *, part: float = 1.0, finish: bool = True) -> None:
    """Draw with the mouse in the middle of a pad, all of a movement or its first part.

    Where ``finish`` is set the pen is lifted, and Enter says that the drawing is complete, which
    saves the second that the pad would wait.
    """
    page.locator(pad).scroll_into_view_if_needed()
    box = page.locator(pad).bounding_box()
    places = onto(movement, box)[: max(int(part * movement.shape[1]), 2)]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place)
    if finish:
        page.mouse.up()
        page.keyboard.press("Enter")


def onto(movement: Movement, box: "FloatRect", size: float = 0.6) -> list[tuple[float, float]]:
    """Lay a movement in the middle of a box, ``size`` of its height or width large."""
    side = size * min(box["width"], box["height"])
    left = box["x"] + (box["width"] - side) / 2
    top = box["y"] + (box["height"] - side) / 2
    return [(left + side * float(x), top + side * float(y)) for x, y in movement.T]


def train(page, label: str, movements: list[Movement]) -> None:
    """Draw examples on the training view, name them, and wait until the class exists."""
    for movement in movements:
        draw(page, "#train-pad", movement)
    page.fill("#class-name", label)
    page.click("#train-go")
    page.wait_for_selector(f'#classes > li[data-label="{label}"]', state="attached")


def verdict(page) -> str:
    """The name of the verdict on the drawing that was just completed."""
    page.wait_for_selector("#verdict:not(.pending) .name")
    return page.text_content("#verdict .name")
