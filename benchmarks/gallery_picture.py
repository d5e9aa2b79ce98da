"""A picture of some classes for the gallery, on no background, for light and dark pages."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from egem import EGEMClassifier
from egem.viz.sequences import drawing_of
from splits import Split

MAX_CLASSES, MAX_CHANNELS = 4, 2
TRAINING, UNSEEN, MADE, TEXT = "#a0a0a0", "#2b8fd0", "#e08a00", "#808080"
WIDE, HIGH = 2.0, 1.25  # inches of a panel


def draw(clf: EGEMClassifier, cases: Split, X_test: list, y_test: np.ndarray, path: Path) -> None:
    """Draw the training cases of some classes, a case of each and its reconstruction."""
    classes = clf.classes_
    shown = classes[np.linspace(0, len(classes) - 1, min(len(classes), MAX_CLASSES)).astype(int)]
    targets = [X_test[np.flatnonzero(y_test == label)[0]] for label in shown]
    found = clf.predict(targets)
    made = [clf.reconstruct([x], label)[0] for x, label in zip(targets, shown, strict=True)]
    drawing = drawing_of(clf.augmentation_, list(cases.X))
    n_rows = min(np.shape(cases.X[0])[0], MAX_CHANNELS) if drawing == "lines" else 1
    figure = Figure((len(shown) * WIDE, n_rows * HIGH + 0.3), layout="constrained")
    sharey = "row" if drawing == "lines" else "none"
    grid = figure.subplots(n_rows, len(shown), squeeze=False, sharey=sharey)
    for column, (label, target, sequence) in enumerate(zip(shown, targets, made, strict=True)):
        training = [x for x, c in zip(cases.X, cases.y, strict=True) if c == label]
        hit = "" if found[column] == label else f" \u2717 {found[column]}"
        grid[0, column].set_title(f"{label}{hit}", size=9, color=TEXT)
        for channel, axes in enumerate(grid[:, column]):
            if drawing == "image":
                _images(axes, training[0], target, sequence)
            elif drawing == "pen":
                _paths(axes, training, target, sequence)
            else:
                _lines(axes, training, target, sequence[:, : np.shape(target)[1]], channel)
    with mpl.rc_context({"svg.hashsalt": "gallery", "svg.fonttype": "none", "path.simplify": True}):
        figure.savefig(path, transparent=True, metadata={"Date": None})


def _images(axes: Axes, *images: np.ndarray) -> None:
    """Draw a training case, the unseen case and its reconstruction side by side."""
    gap = np.full((1, np.shape(images[0])[1]), np.nan)
    rows = [row for image in images for row in (gap, np.asarray(image))]
    axes.imshow(np.concatenate(rows[1:]).T, cmap="cividis")
    axes.set_axis_off()


def _paths(axes: Axes, training: list, target, made) -> None:
    for x, colour, width in [*((x, TRAINING, 0.6) for x in training), (target, UNSEEN, 1.8)]:
        axes.plot(*np.asarray(x, float), color=colour, linewidth=width)
    axes.plot(*made, color=MADE, linewidth=1.3)
    axes.set_aspect("equal", "datalim")
    axes.set_axis_off()


def _lines(axes: Axes, training: list, target, made, channel: int) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(color=TRAINING, linewidth=0.5)
    for x in training:
        axes.plot(_thinned(x[channel]), color=TRAINING, linewidth=0.6)
    axes.plot(_thinned(target[channel]), color=UNSEEN, linewidth=1.6)
    axes.plot(_thinned(made[channel]), color=MADE, linewidth=1.3)


def _thinned(x, most: int = 200) -> np.ndarray:
    """Average blocks, so that a long sequence is no heavier than a short one."""
    x = np.asarray(x, float)
    block = max(len(x) // most, 1)
    return x[: len(x) // block * block].reshape(-1, block).mean(axis=1)
