"""Symbols taught and recognised by drawing them, as people do, in a real browser."""

import json
import os
import re

import pytest

import pens
from serving import PATIENCE

NUMBER = re.compile(r"\d+")
SOURCES = [
    pytest.param(pens.symbols, ("zigzag", "spiral"), id="symbols"),
    pytest.param(
        pens.letters,
        ("a", "q"),
        id="letters",
        marks=[
            pytest.mark.slow,
            pytest.mark.skipif("EGEM_DATA_DIR" not in os.environ, reason="no real letters here"),
        ],
    ),
]


@pytest.mark.parametrize(("source", "labels"), SOURCES)
def test_two_symbols_are_taught_recognised_and_there_after_a_reload(page, source, labels):
    for label in labels:
        pens.teach(page, label, source(label, 4))
    page.wait_for_selector("#recognise:not([hidden])")  # where the guide leads
    right = 0
    for movement in zip(*(source(label, 5, skip=4) for label in labels), strict=True):
        for label, one in zip(labels, movement, strict=True):
            pens.draw(page, "#recognise-pad", one)
            right += pens.verdict(page) == label
    assert right >= 8

    page.reload()
    assert pens.verdict(page) in (labels[1], "Unknown")  # the last drawing is there again
    page.click('nav a[href="#teach"]')
    for label in labels:
        card = page.locator(f'#classes > li[data-label="{label}"]')
        card.locator(".picture").nth(3).wait_for()


def test_experts_compete_and_complete_the_stroke_ahead_of_the_pen(taught):
    movement = pens.symbols("spiral", 5)[4]
    pens.draw(taught, "#recognise-pad", movement, part=0.6, finish=False)
    rows = taught.locator("#ranking li")
    rows.nth(1).locator(".mind svg path").wait_for()
    assert taught.locator("#verdict.open .name").count() == 1
    shares = [float(NUMBER.search(text)[0]) for text in rows.locator(".share").all_text_contents()]
    assert shares == sorted(shares, reverse=True)
    assert 98 <= sum(shares) <= 102
    for place in pens.onto(movement, taught.locator("#recognise-pad").bounding_box())[17:]:
        taught.mouse.move(*place)
    taught.mouse.up()
    assert pens.verdict(taught) == "spiral"  # after the pause, without Enter


def test_what_is_like_nothing_known_is_called_so_and_can_be_taught(taught):
    pens.draw(taught, "#recognise-pad", pens.symbols("eight", 1)[0])
    assert pens.verdict(taught) == "Unknown"
    taught.click("text=Teach this drawing")
    taught.wait_for_selector("#lesson-slots .picture")
    assert taught.evaluate("document.activeElement.id") == "lesson-name"


def test_symbols_are_renamed_removed_and_brought_back(taught):
    taught.click('nav a[href="#teach"]')
    names = taught.locator("#classes h3")
    taught.click('button[aria-label="Rename spiral"]')
    taught.fill('input[aria-label="New name of spiral"]', "coil")
    taught.keyboard.press("Enter")
    taught.wait_for_selector('#classes > li[data-label="coil"]')
    taught.click('button[aria-label="Remove zigzag"]')
    taught.wait_for_selector('#classes > li[data-label="zigzag"]', state="detached")
    assert names.all_text_contents() == ["coil"]
    taught.click("#undo")
    taught.wait_for_selector('#classes > li[data-label="zigzag"]')
    assert sorted(names.all_text_contents()) == ["coil", "zigzag"]


def test_more_drawings_join_a_symbol(taught):
    taught.click('nav a[href="#teach"]')
    taught.click('button[aria-label="Add drawings to spiral"]')
    assert taught.input_value("#lesson-name") == "spiral"
    pens.draw(taught, "#teach-pad", pens.symbols("spiral", 5)[4])
    assert taught.text_content("#lesson-teach") == "Add to spiral"
    taught.click("#lesson-teach")
    taught.wait_for_selector('#classes > li[data-label="spiral"] >> text=5 drawings')


def test_a_drawing_is_taken_away_and_brought_back(taught):
    taught.click('nav a[href="#teach"]')
    card = taught.locator('#classes > li[data-label="spiral"]')
    ink = card.locator(".thumbs path")
    ink.nth(3).wait_for()
    before = [path.get_attribute("d") for path in ink.all()]
    opener = card.get_by_role("button", name="4 drawings")
    opener.focus()
    taught.keyboard.press("Enter")
    taught.click('button[aria-label="Remove drawing 2 of spiral"]')
    card.get_by_role("button", name="3 drawings").wait_for()
    ink.nth(2).wait_for()
    left = [path.get_attribute("d") for path in ink.all()]
    assert left == [before[0], *before[2:]]
    taught.locator(".notice button", has_text="Undo").click()
    card.get_by_role("button", name="4 drawings").wait_for()
    ink.nth(3).wait_for()
    assert [path.get_attribute("d") for path in ink.all()] == before


def test_a_model_is_saved_and_loaded(taught, tmp_path):
    taught.click('nav a[href="#teach"]')
    with taught.expect_download() as download:
        taught.click("#model-save")
    file = tmp_path / "model.safetensors"
    download.value.save_as(file)
    taught.click("#restart")
    taught.click("#ask-yes")
    taught.wait_for_selector("#classes-empty:not([hidden])")
    taught.set_input_files("#model-file", file)
    taught.wait_for_selector('#classes > li[data-label="zigzag"]')


def test_what_is_drawn_but_not_taught_outlives_a_reload(page):
    for movement in pens.symbols("zigzag", 2):
        pens.draw(page, "#teach-pad", movement)
    page.fill("#lesson-name", "zigzag")
    page.reload()
    page.wait_for_selector("#lesson-slots li:nth-child(2) .picture")
    assert page.input_value("#lesson-name") == "zigzag"
    page.click('button[aria-label="Remove example 1"]')
    assert page.locator("#lesson-slots .picture").count() == 1
    assert len(json.loads(page.evaluate('localStorage.getItem("egem.draft")'))["strokes"]) == 1


def test_the_guide_leads_through_the_first_minute_once(page):
    title = page.locator("#guide-title")
    assert "two symbols" in title.text_content()
    pens.teach(page, "zigzag", pens.symbols("zigzag", 4))
    page.wait_for_selector("#guide-title >> text=Now a second symbol")
    pens.teach(page, "spiral", pens.symbols("spiral", 4))
    page.wait_for_selector("#recognise:not([hidden])")
    pens.draw(page, "#recognise-pad", pens.symbols("zigzag", 5)[4])
    page.wait_for_selector("#guide", state="hidden")
    page.reload()
    page.wait_for_selector("#ranking li")
    assert page.locator("#guide").is_hidden()


def test_the_guide_can_be_skipped(page):
    page.click("#guide-skip")
    page.reload()
    page.wait_for_selector("#classes-empty:not([hidden])")
    assert page.locator("#guide").is_hidden()


def test_arrow_keys_draw(taught):
    taught.focus("#recognise-pad")
    taught.keyboard.press("Space")
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowDown", "ArrowRight"):
        taught.keyboard.down(key)
        taught.wait_for_timeout(250)
        taught.keyboard.up(key)
    taught.keyboard.press("Space")
    taught.keyboard.press("Enter")
    assert pens.verdict(taught) in ("zigzag", "Unknown")
    drawn = json.loads(taught.evaluate('localStorage.getItem("egem.last")'))
    assert max(drawn["x"]) - min(drawn["x"]) > 0.05
    assert drawn["y"][-1] - drawn["y"][0] > 0.1


def test_the_code_space_is_moved_through_with_keys_and_pointer(taught):
    taught.click('nav a[href="#inside"]')
    taught.wait_for_selector("#codes .map .picture >> nth=48")
    path = taught.locator("#imagined path")
    path.wait_for()
    before = path.get_attribute("d")
    taught.focus("#codes .ring")
    taught.keyboard.press("Shift+ArrowRight")
    changes(path, before)
    before = path.get_attribute("d")
    box = taught.locator("#codes").bounding_box()
    taught.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    taught.mouse.down()
    taught.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.1 * box["height"], steps=5)
    taught.mouse.up()
    changes(path, before)


def changes(path, before):
    """Wait until a line is another one."""
    from playwright.sync_api import expect

    expect(path).not_to_have_attribute("d", before, timeout=1000 * PATIENCE)
