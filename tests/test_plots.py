"""Figures and pages: what is drawn where, and what is refused."""

import re
from copy import copy

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from egem import EGEMClassifier, Training
from egem.evaluate import evaluate
from egem.viz.evaluation_page import evaluation_page
from egem.viz.explanation_page import explanation, explanation_page
from egem.viz.heatmap import loss_heatmap
from egem.viz.html import Picture, Table, as_html, as_markdown, escaped
from egem.viz.multiples import Layer, multiples
from egem.viz.reconstruction_plot import reconstruction_rows
from egem.viz.sequences import drawing_of
from egem.viz.style import save
from helpers import QUICK


@pytest.fixture(scope="module")
def few(digits):
    """A model of three digits, with three training and four test cases a class."""
    X_train, y_train, X, y = digits
    names = np.array(["nil", "one", "two"])
    train = np.concatenate([np.flatnonzero(y_train == c)[:3] for c in range(3)])
    test = np.concatenate([np.flatnonzero(y == c)[:4] for c in range(3)])
    X_train, y_train = X_train[train], names[y_train[train]]
    training = Training(n_updates=400)
    clf = EGEMClassifier(**QUICK | {"training": training}, augment="image").fit(X_train, y_train)
    return clf, X_train, y_train, X[test], names[y[test]]


def panels(figure: Figure, start: str) -> list[Axes]:
    """Return the axes, insets too, whose label starts so."""
    return figure.findobj(lambda a: isinstance(a, Axes) and str(a.get_label()).startswith(start))


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_rows_show_training_cases_targets_and_reconstructions(few):
    clf, X_train, y_train, X, y = few
    figure = reconstruction_rows(clf, X_train, y_train, X, y, n_columns=3)
    for row in ("training", "target", "reconstruction", "code"):
        assert len(panels(figure, f"{row} ")) == 9
    shown = panels(figure, "reconstruction two 1")[0].images[0].get_array()
    target = X[np.flatnonzero(y == "two")[1]]
    np.testing.assert_allclose(shown, clf.reconstruct(target[None], label="two")[0].T, atol=1e-5)


def test_the_predicted_class_stands_below_each_target(few):
    clf, X_train, y_train, X, y = few
    figure = reconstruction_rows(clf, X_train, y_train, X, y, labels=["one"], n_columns=4)
    predicted = clf.predict(X[y == "one"])
    expected = [f"{label} {'✓' if label == 'one' else '✗'}" for label in predicted]
    assert [panel.get_xlabel() for panel in panels(figure, "target ")] == expected


def test_bars_of_a_code_are_in_the_order_of_the_training_cases(few):
    clf, X_train, y_train, *_ = few
    figure = reconstruction_rows(clf, X_train, y_train, X_train, y_train, n_columns=3)
    own = []
    for label in clf.classes_:
        for i in range(3):  # a training case has the largest weight in its own code, as a rule
            bars = panels(figure, f"code {label} {i}")[0].patches
            own.append(np.argmax([bar.get_height() for bar in bars]) == i)
    assert np.mean(own) > 0.7


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": ["nine"]}, "y_test holds no case of class 'nine'"),
        ({"n_columns": 0}, "n_columns"),
        ({"y_train": np.array(["one"] * 9), "labels": ["one"]}, "fitted with"),
    ],
)
def test_rows_refuse_what_cannot_be_drawn(few, change, words):
    clf, X_train, y_train, X, y = few
    given = {"y_train": y_train} | change
    with pytest.raises(ValueError, match=words):
        reconstruction_rows(clf, X_train, given.pop("y_train"), X, y, **given)


@pytest.mark.parametrize("model", ["digit_model", "wave_model", "paper_model"])
def test_an_explanation_shows_the_case_two_experts_and_the_nearest_training_cases(
    model, digits, waves, request
):
    clf = request.getfixturevalue(model)
    X = (waves if model == "wave_model" else digits)[2]
    found = clf.explain(X[:2], n_experts=2, n_near=3)
    content = explanation(clf, found, 1).content
    first, second = map(str, found.labels[1])
    assert content.count(f'aria-label="training case of {first}"') == 3
    if drawing_of(clf.augmentation_, [X[1]]) == "lines":
        for channel in ("channel 1", "channel 2"):
            words = f"{channel}: the case and its reconstructions by the experts of "
            assert f'aria-label="{words}{first} and {second}"' in content
    else:
        for label in (first, second):
            assert f'aria-label="reconstruction by the expert of {label}"' in content
    assert f"fits {first} better" in content and f"fits {second} better" in content
    with pytest.raises(ValueError, match="0 to 1"):
        explanation(clf, found, 2)


def test_a_page_of_recordings_has_channel_names_and_seconds_and_no_external_reference(
    wave_model, waves
):
    X, y = waves[2], waves[3]
    clf = copy(wave_model)
    clf.channel_names_, clf.time_step_ = ["<b>force</b>", "angle & turn"], 0.1
    page = explanation_page(clf, X, y, max_cases=2, name="<script>")
    assert "&lt;b&gt;force&lt;/b&gt;" in page and "angle &amp; turn" in page
    assert "<b>force" not in page and "<script" not in page
    # 12 to 24 points, a tenth of a second apart
    assert re.search(r"[12](\.\d)? s</span>", page) and "points</span>" not in page
    assert not re.search(r"https?:|<link|<img|src=|url\(", page)
    assert "prefers-color-scheme: dark" in page and "width=device-width" in page
    assert page.count("<svg") == page.count('role="img"')
    clf.time_step_ = None
    assert "points</span>" in explanation_page(clf, X, max_cases=1)
    clf.channel_names_ = ["pen x", "pen y"]
    assert "reconstruction by" in explanation_page(clf, X, max_cases=1)


def test_gaps_and_single_points_are_drawn(wave_model, waves):
    case = np.array(waves[2][0])
    case[0, 3:] = np.nan
    case[1, 1::2] = np.nan
    page = explanation_page(wave_model, [case, case[:, :1]])
    assert page.count("<h2>") == 2 and ">nan" not in page and "nan " not in page


@pytest.mark.parametrize("n_channels", [3, 40])
def test_of_many_channels_those_are_drawn_in_which_the_reconstructions_differ(n_channels):
    case = np.random.default_rng(0).normal(size=(n_channels, 30))
    other = case.copy()
    other[-1] += 1
    layers = [Layer(case, "case"), Layer(case, "first"), Layer(other, "second")]
    names = [f"sensor {c}" for c in range(n_channels)]
    drawn = multiples(layers, names, None, "words", np.linspace(-1, 1, 30))
    assert f"sensor {n_channels - 1}: words" in drawn
    assert ("and 28 more channels" in drawn) == (n_channels == 40)
    assert drawn.count('class="channel"') == min(n_channels, 12)


@pytest.mark.parametrize(
    ("augmentation", "shape", "drawing"),
    [
        ("image", (8, 8), "image"),
        ("pen", (2, 30), "pen"),
        ("pen", (3, 30), "lines"),
        ("series", (2, 30), "lines"),
        ("none", (2, 30), "pen"),
        ("none", (1, 30), "lines"),
    ],
)
def test_cases_are_drawn_as_the_model_augments_them(augmentation, shape, drawing):
    assert drawing_of(augmentation, [np.zeros(shape)]) == drawing


def test_heat_map_frames_the_lowest_of_each_row():
    losses = np.array([[1.0, 3.0], [1.0, 2.0], [5.0, 4.0], [2.0, 9.0]])
    figure = loss_heatmap(losses, np.array(["a", "a", "b", "b"]), np.array(["a", "b"]))
    axes = panels(figure, "means")[0]
    frames = {p.get_label(): (p.get_x() + 0.45, p.get_y() + 0.45) for p in axes.patches}
    assert frames == {"own": (0.0, 0.0), "other": (0.0, 1.0)}
    assert sorted(t.get_text() for t in axes.texts) == ["1.00", "2.50", "3.50", "6.50"]
    assert any(words.startswith("1 of 2 classes") for words in texts(figure))


def test_heat_map_refuses_shapes_that_do_not_match():
    with pytest.raises(ValueError, match=r"\(3, 2\)"):
        loss_heatmap(np.ones((2, 2)), np.array([0, 1, 1]), np.array([0, 1]))
    with pytest.raises(ValueError, match="no case"):
        loss_heatmap(np.ones((1, 2)), np.array([7]), np.array([0, 1]))


@pytest.mark.parametrize("n_classes", [1, 2, 26, 120])
def test_no_text_of_a_heat_map_leaves_the_figure(n_classes, tmp_path):
    rng = np.random.default_rng(0)
    classes = np.array([f"class number {c}" for c in range(n_classes)])
    losses = rng.random((n_classes, n_classes)) + 0.1
    figure = loss_heatmap(losses, classes, classes)
    save(figure, tmp_path / "map.png")
    width, height = figure.canvas.get_width_height()
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text():
            box = text.get_window_extent()
            assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


def test_an_explanation_page_marks_wrong_predictions_and_shows_them_first(digit_model, digits):
    X, y = digits[2][:9], digits[3][:9].copy()
    y[4] = 77
    page = explanation_page(digit_model, X, y, max_cases=2, name="a<b")
    assert page.count("<h2>") == 2 and "http" not in page
    assert page.index("Case 4") < page.index("the true class is 77")
    assert "a&lt;b" in page
    assert "Case 8" in explanation_page(digit_model, X, cases=[8])


def test_an_evaluation_page_has_figures_of_known_cases_only(digit_model, digits, wave_model, waves):
    X, y = digits[2], digits[3].copy()
    y[:12] = 77
    page = evaluation_page(evaluate(digit_model.model_, X, y), "digits")
    assert page.count("<svg") == 4 and ">77<" not in page
    unknown = evaluate(wave_model.model_, waves[2], ["x"] * len(waves[2]))
    page = evaluation_page(unknown, "waves")
    assert "unknown cases rejected" in page and "<svg" not in page


def test_a_page_is_markdown_with_files_and_html_without():
    label = "a|*b*_c_<d>&`e`"
    blocks = [
        "# Title",
        "Text with **weight**.",
        "# Part",
        Table(("class",), [(escaped(label),)]),
        Picture("x.png", f"of {label}", b"bytes"),
    ]
    text = as_markdown(blocks)
    assert text.startswith("# Title\n") and "\n## Part\n" in text and "(figures/x.png)" in text
    page = as_html(blocks)
    assert "<h2>Part</h2>" in page and "<strong>weight</strong>" in page
    assert "<td>a|*b*_c_&lt;d&gt;&amp;`e`</td>" in page
    assert 'alt="of a|*b*_c_&lt;d&gt;&amp;`e`"' in page
    assert 'src="data:image/png;base64,Ynl0ZXM="' in page
