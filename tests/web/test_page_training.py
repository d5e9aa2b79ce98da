"""Training and recognition of drawings in a real browser."""

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
def test_two_symbols_are_trained_recognised_and_there_after_a_reload(page, source, labels):
    for label in labels:
        pens.train(page, label, source(label, 4))
    page.wait_for_selector("#recognise:not([hidden])")  # where the guide leads
    right = 0
    for movement in zip(*(source(label, 5, skip=4) for label in labels), strict=True):
        for label, one in zip(labels, movement, strict=True):
            pens.draw(page, "#recognise-pad", one)
            right += pens.verdict(page) == label
    assert right >= 8

    page.reload()
    assert pens.verdict(page) in (labels[1], "Unknown")  # the last drawing is there again
    page.click('nav a[href="#train"]')
    for label in labels:
        card = page.locator(f'#classes > li[data-label="{label}"]')
        card.locator(".picture").nth(3).wait_for()


def test_experts_compete_and_complete_the_stroke_ahead_of_the_pen(trained):
    movement = pens.symbols("spiral", 5)[4]
    pens.draw(trained, "#recognise-pad", movement, part=0.6, finish=False)
    rows = trained.locator("#ranking li")
    rows.nth(1).locator(".preview svg path").wait_for()
    assert trained.locator("#verdict.pending .name").count() == 1
    shares = [float(NUMBER.search(text)[0]) for text in rows.locator(".share").all_text_contents()]
    assert shares == sorted(shares, reverse=True)
    assert 98 <= sum(shares) <= 102
    for place in pens.onto(movement, trained.locator("#recognise-pad").bounding_box())[17:]:
        trained.mouse.move(*place)
    trained.mouse.up()
    assert pens.verdict(trained) == "spiral"  # after the pause, without Enter


def test_an_unknown_drawing_can_be_trained(trained):
    pens.draw(trained, "#recognise-pad", pens.symbols("eight", 1)[0])
    assert pens.verdict(trained) == "Unknown"
    trained.click("text=Train this drawing")
    trained.wait_for_selector("#examples-slots .picture")
    assert trained.evaluate("document.activeElement.id") == "class-name"


def test_a_tap_corrects_a_verdict_and_teaches(trained):
    pens.draw(trained, "#recognise-pad", pens.symbols("spiral", 6)[5])
    assert pens.verdict(trained) == "spiral"
    trained.get_by_role("button", name="the drawing was something else").click()
    trained.get_by_label("Another label of the drawing").fill("coil")
    trained.keyboard.press("Enter")
    trained.wait_for_selector("#verdict .name >> text=coil")
    trained.get_by_role("button", name="the drawing was spiral").click()
    trained.wait_for_selector(
        '#classes > li[data-label="spiral"] >> text=5 drawings', state="attached"
    )


def test_symbols_are_renamed_removed_and_brought_back(trained):
    trained.click('nav a[href="#train"]')
    names = trained.locator("#classes h3")
    trained.click('button[aria-label="Rename spiral"]')
    trained.fill('input[aria-label="New name of spiral"]', "coil")
    trained.keyboard.press("Enter")
    trained.wait_for_selector('#classes > li[data-label="coil"]')
    trained.click('button[aria-label="Remove zigzag"]')
    trained.wait_for_selector('#classes > li[data-label="zigzag"]', state="detached")
    assert names.all_text_contents() == ["coil"]
    trained.click("#undo")
    trained.wait_for_selector('#classes > li[data-label="zigzag"]')
    assert sorted(names.all_text_contents()) == ["coil", "zigzag"]


def test_another_tab_learns_of_changes_at_once(trained):
    other = trained.context.new_page()
    other.goto("/#train")
    other.wait_for_selector('#classes > li[data-label="zigzag"]')
    trained.click('nav a[href="#train"]')
    trained.click('button[aria-label="Remove zigzag"]')
    other.wait_for_selector('#classes > li[data-label="zigzag"]', state="detached")
    trained.click("#undo")
    other.wait_for_selector('#classes > li[data-label="zigzag"]')


def test_more_drawings_join_a_symbol(trained):
    trained.click('nav a[href="#train"]')
    trained.click('button[aria-label="Add drawings to spiral"]')
    assert trained.input_value("#class-name") == "spiral"
    pens.draw(trained, "#train-pad", pens.symbols("spiral", 5)[4])
    assert trained.text_content("#train-go") == "Add to spiral"
    trained.click("#train-go")
    trained.wait_for_selector('#classes > li[data-label="spiral"] >> text=5 drawings')


def test_a_drawing_is_taken_away_and_brought_back(trained):
    trained.click('nav a[href="#train"]')
    card = trained.locator('#classes > li[data-label="spiral"]')
    ink = card.locator(".thumbs path")
    ink.nth(3).wait_for()
    before = [path.get_attribute("d") for path in ink.all()]
    opener = card.get_by_role("button", name="4 drawings")
    opener.focus()
    trained.keyboard.press("Enter")
    trained.click('button[aria-label="Remove drawing 2 of spiral"]')
    card.get_by_role("button", name="3 drawings").wait_for()
    ink.nth(2).wait_for()
    left = [path.get_attribute("d") for path in ink.all()]
    assert left == [before[0], *before[2:]]
    trained.locator(".notice button", has_text="Undo").click()
    card.get_by_role("button", name="4 drawings").wait_for()
    ink.nth(3).wait_for()
    assert [path.get_attribute("d") for path in ink.all()] == before


def test_a_model_is_saved_and_loaded(trained, tmp_path):
    trained.click('nav a[href="#train"]')
    with trained.expect_download() as download:
        trained.click("#model-save")
    file = tmp_path / "model.safetensors"
    download.value.save_as(file)
    trained.click("#restart")
    trained.click("#ask-yes")
    trained.wait_for_selector("#classes-empty:not([hidden])")
    trained.set_input_files("#model-file", file)
    trained.wait_for_selector('#classes > li[data-label="zigzag"]')


def test_untrained_examples_outlive_a_reload(page):
    for movement in pens.symbols("zigzag", 2):
        pens.draw(page, "#train-pad", movement)
    page.fill("#class-name", "zigzag")
    page.reload()
    page.wait_for_selector("#examples-slots li:nth-child(2) .picture")
    assert page.input_value("#class-name") == "zigzag"
    page.click('button[aria-label="Remove example 1"]')
    assert page.locator("#examples-slots .picture").count() == 1
    assert len(json.loads(page.evaluate('localStorage.getItem("egem.draft")'))["strokes"]) == 1


def test_the_guide_leads_through_the_first_minute_once(page):
    title = page.locator("#guide-title")
    assert "two symbols" in title.text_content()
    pens.train(page, "zigzag", pens.symbols("zigzag", 4))
    page.wait_for_selector("#guide-title >> text=Now a second symbol")
    pens.train(page, "spiral", pens.symbols("spiral", 4))
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


def test_arrow_keys_draw(trained):
    trained.focus("#recognise-pad")
    trained.keyboard.press("Space")
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowDown", "ArrowRight"):
        trained.keyboard.down(key)
        trained.wait_for_timeout(250)
        trained.keyboard.up(key)
    trained.keyboard.press("Space")
    trained.keyboard.press("Enter")
    assert pens.verdict(trained) in ("zigzag", "Unknown")
    drawn = json.loads(trained.evaluate('localStorage.getItem("egem.last")'))
    assert max(drawn["x"]) - min(drawn["x"]) > 0.05
    assert drawn["y"][-1] - drawn["y"][0] > 0.1


def test_the_code_space_is_moved_through_with_keys_and_pointer(trained):
    trained.click('nav a[href="#inspect"]')
    trained.wait_for_selector("#codes .map .picture >> nth=48")
    path = trained.locator("#imagined path")
    path.wait_for()
    before = path.get_attribute("d")
    trained.focus("#codes .ring")
    trained.keyboard.press("Shift+ArrowRight")
    changes(path, before)
    before = path.get_attribute("d")
    box = trained.locator("#codes").bounding_box()
    trained.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    trained.mouse.down()
    trained.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.1 * box["height"], steps=5)
    trained.mouse.up()
    changes(path, before)


def changes(path, before):
    """Wait until a line is another one."""
    from playwright.sync_api import expect

    expect(path).not_to_have_attribute("d", before, timeout=1000 * PATIENCE)
