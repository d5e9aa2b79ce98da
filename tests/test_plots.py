"""The pictures: what is drawn where, and what is refused. How they look is for eyes."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from egem import EGEMClassifier, load_dataset
from egem.viz.plots import loss_heatmap, reconstruction_rows
from egem.viz.style import save, text_width


@pytest.fixture(scope="module")
def digits():
    X, y = load_dataset("digits")
    few = np.concatenate([np.flatnonzero(y == c)[:7] for c in range(3)])
    X, y = X[few], np.array(["nil", "one", "two"])[y[few]]
    train = np.arange(len(y)) % 7 < 3
    clf = EGEMClassifier(augment="image", n_updates=400, n_cells=8, random_state=0)
    clf.fit(X[train], y[train])
    return clf, X[train], y[train], X[~train], y[~train]


def axes_named(figure: Figure, start: str) -> list:
    return [a for a in figure.axes if str(a.get_label()).startswith(start)]


def texts(figure: Figure) -> list[str]:
    return [t.get_text() for t in figure.texts]


def test_rows_show_training_targets_and_what_was_imagined(digits):
    clf, X_train, y_train, X, y = digits
    figure = reconstruction_rows(clf, X_train, y_train, X, y, n_columns=3)
    assert len(axes_named(figure, "training ")) == 9
    for row in ("target", "imagined", "code"):
        assert len(axes_named(figure, f"{row} ")) == 9
    shown = axes_named(figure, "imagined two 1")[0].images[0].get_array()
    target = X[np.flatnonzero(y == "two")[1]]
    np.testing.assert_allclose(shown, clf.reconstruct(target[None], label="two")[0].T, atol=1e-5)


def test_rows_say_what_each_target_was_taken_for(digits):
    clf, X_train, y_train, X, y = digits
    figure = reconstruction_rows(clf, X_train, y_train, X, y, labels=["one"], n_columns=4)
    taken_for = clf.predict(X[y == "one"])
    expected = [f"{t} {'✓' if t == 'one' else '✗'}" for t in taken_for]
    assert [t for t in texts(figure) if t[-1] in "✓✗"] == expected


def test_a_code_is_drawn_in_the_order_of_the_training_cases(digits):
    clf, X_train, y_train, X, y = digits
    figure = reconstruction_rows(clf, X_train, y_train, X, y, n_columns=3)
    inversion = clf.invert(X)
    for e, label in enumerate(clf.classes_):
        # A case's one-hot code says which entry of a code is its weight.
        entry = clf.ensemble_.trained[e].codes[:, :3].argmax(axis=1)
        for i, case in enumerate(np.flatnonzero(y == label)[:3]):
            bars = axes_named(figure, f"code {label} {i}")[0].patches
            weights = [bar.get_height() for bar in bars]
            np.testing.assert_allclose(weights[:3], inversion.codes[case, e, entry], atol=1e-6)


def test_pen_strokes_and_series_are_drawn_as_such():
    time = np.linspace(0, 1, 30)
    rng = np.random.default_rng(0)
    slopes = rng.normal(size=(12, 1))
    X = np.stack([np.sin(4 * time + slopes), np.cos(4 * time) * (1 + slopes)], axis=1)
    y = np.arange(12) % 2
    for cases, drawn in ((X, "collections"), (X[:, 0], "lines")):
        clf = EGEMClassifier(n_updates=20, n_cells=4, random_state=0).fit(cases[:6], y[:6])
        figure = reconstruction_rows(clf, cases[:6], y[:6], cases[6:], y[6:])
        assert all(getattr(a, drawn) for a in axes_named(figure, "target "))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": ["nine"]}, "y_test holds no case of class 'nine'"),
        ({"n_columns": 0}, "n_columns"),
        ({"y_train": np.array(["one"] * 9), "labels": ["one"]}, "fitted with"),
    ],
)
def test_rows_refuse_what_cannot_be_drawn(digits, change, words):
    clf, X_train, y_train, X, y = digits
    given = {"y_train": y_train} | change
    with pytest.raises(ValueError, match=words):
        reconstruction_rows(clf, X_train, given.pop("y_train"), X, y, **given)


def test_heat_map_frames_the_lowest_of_each_row():
    losses = np.array([[1.0, 3.0], [1.0, 2.0], [5.0, 4.0], [2.0, 9.0]])
    figure = loss_heatmap(losses, np.array(["a", "a", "b", "b"]), np.array(["a", "b"]))
    axes = axes_named(figure, "means")[0]
    frames = {p.get_label(): (p.get_x() + 0.45, p.get_y() + 0.45) for p in axes.patches}
    assert frames == {"own": (0.0, 0.0), "other": (0.0, 1.0)}
    assert sorted(t.get_text() for t in axes.texts) == ["1.00", "2.50", "3.50", "6.50"]
    assert any(t.startswith("1 of 2 classes") for t in texts(figure))


def test_heat_map_refuses_shapes_that_do_not_match():
    with pytest.raises(ValueError, match=r"\(3, 2\)"):
        loss_heatmap(np.ones((2, 2)), np.array([0, 1, 1]), np.array([0, 1]))
    with pytest.raises(ValueError, match="no case"):
        loss_heatmap(np.ones((1, 2)), np.array([7]), np.array([0, 1]))


@pytest.mark.parametrize("n_classes", [1, 2, 26, 120])
def test_heat_map_names_never_leave_the_page(n_classes, tmp_path):
    rng = np.random.default_rng(0)
    classes = np.array([f"class number {c}" for c in range(n_classes)])
    losses = rng.random((n_classes, n_classes)) + 0.1
    figure = loss_heatmap(losses, classes, classes)
    save(figure, tmp_path / "map.png")
    width, height = figure.canvas.get_width_height()
    for words in figure.findobj(lambda a: hasattr(a, "get_text") and a.get_text()):
        if not words.get_visible():
            continue
        box = words.get_window_extent()
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height


def test_text_is_measured_in_inches():
    from matplotlib.font_manager import FontProperties

    font = FontProperties(size=10)
    assert text_width("mm", font) == pytest.approx(2 * text_width("m", font), rel=0.1)
    assert 0.05 < text_width("m", font) < 0.2
