"""Recordings on the page: from a folder of files to verdicts, at a desk and on a phone."""

import numpy as np
import pytest
from test_page_looks import findings
from test_recordings import waves

from serving import PATIENCE

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

DESK = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
BOTH = pytest.mark.parametrize(
    "context_options", [DESK, PHONE | {"color_scheme": "dark"}], ids=["desk", "phone"]
)
UNTIL = 1000 * PATIENCE
KINDS = ("down", "still", "up")


@pytest.fixture
def folder(tmp_path):
    """Six recordings without labels, and one more to recognise in a folder of its own."""
    for n, seed, where in ((2, 0, "mine"), (1, 9, "new")):
        (tmp_path / where).mkdir()
        for i, content in enumerate(waves(n, seed).values()):
            (tmp_path / where / f"take {i}.csv").write_bytes(content)
    return tmp_path


class Clicks:
    """A page whose clicks and drops are counted."""

    def __init__(self, page):
        self.page, self.n = page, 0

    def click(self, selector):
        self.n += 1
        self.page.click(selector)

    def drop(self, selector, path):
        self.n += 1
        self.page.set_input_files(selector, path)


def width(page):
    return page.evaluate("document.documentElement.scrollWidth")


@BOTH
def test_a_folder_is_labelled_learned_and_a_further_file_recognised(page, folder, context_options):
    user = Clicks(page)
    user.click("#guide-skip")
    user.click('nav a[href="#data"]')
    user.drop("#data-folder", folder / "mine")
    cards = page.locator("#cards > li")
    expect(cards).to_have_count(6, timeout=UNTIL)
    assert "6 recordings, 2 channels" in page.text_content("#recordings-summary")
    assert cards.nth(0).locator(".channel-name").all_text_contents() == ["up", "cosine"]
    assert "s" in cards.nth(0).locator(".axis .last").text_content()
    assert page.text_content("#picked") == "6 of 6 selected"
    assert page.input_value("#label-all") == "mine" and page.is_disabled("#fit-go")

    # All of them at once, then the others each in its place.
    page.fill("#label-all", "down")
    user.click("#label-go")
    for i in range(2, 6):
        user.n += 1
        page.locator("#cards .label").nth(i).fill(KINDS[i // 2])
    page.keyboard.press("Tab")
    expect(page.locator("#fit-hint")).to_contain_text(
        "2 down, 2 still and 2 up: learns 6.", timeout=UNTIL
    )
    assert width(page) <= page.viewport_size["width"]
    assert findings(page) == []
    user.click("#fit-go")
    page.wait_for_selector("#result:not([hidden])")
    assert page.text_content("#result-text .name").endswith("of 6")

    user.drop("#new-file", folder / "new" / "take 2.csv")
    verdict = page.locator("#verdicts > li")
    verdict.wait_for()
    assert user.n <= 12
    assert verdict.locator(".name").text_content() in (*KINDS, "Unknown")
    for kind in ("first", "second", "case"):
        assert verdict.locator(f"path.line.{kind}").count() == 2
    assert findings(page) == []
    assert width(page) <= page.viewport_size["width"]

    # One tap corrects it; the verdict is then another one.
    other = verdict.locator(".chip").first
    label = other.text_content()
    other.click()
    verdict.locator(".learned").wait_for()
    assert verdict.locator(".learned").text_content() == f"Labelled {label}."
    assert "1 recording was learned" in page.text_content("#result-text")
    with page.expect_download() as download:
        page.click("#verdicts-save")
    assert "take 2" in download.value.path().read_text()

    page.reload()
    verdict.locator(".learned").wait_for()
    expect(page.locator("#cards > li")).to_have_count(7)


def test_handles_cut_a_recording_and_another_tab_sees_it(page, folder):
    page.click("#guide-skip")
    page.click('nav a[href="#data"]')
    page.set_input_files("#data-file", list((folder / "mine").iterdir()))
    start = page.get_by_role("slider", name="Start of take 0")
    start.wait_for()
    other = page.context.new_page()
    other.goto("/#data")
    text = other.locator("#cards > li:first-child .cut .soft")
    text.wait_for()
    assert text.text_content().startswith("all of it")
    start.focus()
    with page.expect_response(lambda answer: answer.request.method == "PATCH"):
        page.keyboard.press("ArrowRight")
    shown = page.locator("#cards > li:first-child .cut .soft").text_content()
    assert shown.startswith("0.02\u202fs to ")
    expect(text).to_have_text(shown, timeout=UNTIL)


def test_dropped_files_are_sent_and_errors_replace_each_other(page):
    page.click("#guide-skip")
    page.click('nav a[href="#data"]')
    drop = """([name, text]) => {
        const data = new DataTransfer();
        data.items.add(new File([text], name));
        const options = { dataTransfer: data, bubbles: true, cancelable: true };
        document.querySelector("#drop").dispatchEvent(new DragEvent("drop", options));
    }"""
    problem = page.locator(".notice.bad strong")
    for name, text in (("first.xyz", "1"), ("second.csv", "a,b\n1,2\n3,4,5\n"), ("third.xyz", "1")):
        page.evaluate(drop, [name, text])
        expect(problem).to_contain_text(
            "second.csv" if name == "second.csv" else "'.xyz'", timeout=UNTIL
        )
        assert problem.count() == 1
    fine = "\n".join(f"1,{i},{np.sin(i):.3f}" for i in range(20))
    page.evaluate(drop, ["fine.csv", f"case,time,value\n{fine}"])
    expect(page.locator("#cards > li")).to_have_count(1, timeout=UNTIL)
    assert problem.count() == 0
