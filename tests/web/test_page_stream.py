"""Streams on the page: drawn without lifting the pen, and recordings that run."""

import numpy as np
import pytest
from test_page_looks import findings
from test_recordings import STEP, recording

import pens
from egem import EGEMClassifier
from egem.apps.web.models import training
from helpers import QUICK, make_waves
from serving import PATIENCE

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
UNTIL = 1000 * PATIENCE


def draw_both(page, size=0.42):
    """Draw a zigzag, go on to the right, and draw a spiral, without lifting the pen."""
    pad = page.locator("#stream-pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    side = size * min(box["width"], box["height"])
    zigzag, spiral = (
        [box["x"] + at * box["width"], box["y"] + 0.25 * box["height"]]
        + side * pens.symbols(name, 5)[4].T
        for name, at in (("zigzag", 0.05), ("spiral", 0.55))
    )
    way = np.linspace(zigzag[-1], spiral[0], 12)[1:-1]
    places = np.concatenate([zigzag, way, spiral]).tolist()
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place)
        page.wait_for_timeout(8)


def is_neat(page):
    """Nothing sticks out to the right, and axe finds nothing serious."""
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    assert findings(page) == []


def test_symbols_are_taught_and_found_in_one_stream(page, monkeypatch):
    monkeypatch.setattr(training, "N_UPDATES", 100)  # a stream needs examples, not experts
    for label in ("zigzag", "spiral"):
        pens.train(page, label, pens.symbols(label, 4))
    names = page.locator("#events strong")
    for size in (DESK, PHONE):
        page.set_viewport_size(size)
        page.click('nav a[href="#stream"]')
        draw_both(page)
        # While the pen rests, before it is lifted.
        expect(names).to_have_text(["spiral", "zigzag"], timeout=UNTIL)
        page.mouse.up()
        page.keyboard.press("Enter")
        expect(page.locator("#events li").first.locator(".picture path")).to_have_count(2)
        is_neat(page)
    with page.expect_download() as download:
        page.click("#events-save")
    header, first, second = download.value.path().read_text().splitlines()
    assert header == "label,start,end,emitted,probability,p_value"
    assert first.startswith("zigzag,") and second.startswith("spiral,")
    page.click("#stream-clear")
    assert names.count() == 0 and page.is_disabled("#events-save")


@pytest.mark.parametrize(
    "context_options", [{"viewport": DESK}, {"viewport": PHONE, "color_scheme": "dark"}]
)
def test_a_recording_runs_and_its_events_light_up(page, tmp_path, context_options):
    X, y = make_waves(2)
    clf = EGEMClassifier(**QUICK).fit(X, y)
    clf.channel_names_, clf.time_step_ = ["up", "cosine"], STEP
    clf.save(tmp_path / "m.safetensors")
    page.click("#guide-skip")
    page.set_input_files("#model-file", tmp_path / "m.safetensors")
    page.click('nav a[href="#stream"]')
    gap = np.full((2, 15), 4.0)
    stream = np.concatenate([part for x in X[::2] for part in (gap, x)] + [gap], axis=1)
    (tmp_path / "noon.csv").write_bytes(recording(stream))
    page.set_input_files("#stream-file", tmp_path / "noon.csv")
    names = page.locator("#events li:visible strong")
    expect(names).to_have_text(["up", "still", "down"], timeout=UNTIL)
    expect(page.locator("#run-view .mark:visible")).to_have_count(3)
    assert page.locator("#run .channel-name").all_text_contents() == ["up", "cosine"]
    is_neat(page)
    page.locator("#run-position").focus()
    page.keyboard.press("Home")
    expect(names).to_have_count(0)
    assert page.locator("#run-view .mark:visible").count() == 0
    page.click("#run-play")
    expect(names).to_have_count(3, timeout=UNTIL)
    expect(page.locator("#run-play")).to_have_text("Play", timeout=UNTIL)
    page.set_input_files("#stream-file", {"name": "x.csv", "mimeType": "text/csv", "buffer": b"a"})
    expect(page.locator(".notice.bad")).to_be_visible(timeout=UNTIL)
