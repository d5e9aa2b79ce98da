"""Accessible in every view and both themes, usable at a phone's width and by touch."""

from pathlib import Path

import pytest

import pens

VIEWS = ("recognise", "train", "stream", "inspect", "data")
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def findings(page) -> list[str]:
    """Serious and critical findings of axe on the page as it is."""
    package = pytest.importorskip("axe_playwright_python", reason="axe is not installed")
    page.evaluate((Path(package.__file__).parent / "axe.min.js").read_text())
    violations = page.evaluate("axe.run().then(({violations}) => violations)")
    return [
        f"{each['id']}: {node['html']}"
        for each in violations
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


BOTH = pytest.mark.parametrize(
    "context_options", [{"color_scheme": "light"}, {"color_scheme": "dark"}], ids=["light", "dark"]
)


@BOTH
def test_axe_finds_nothing_serious_at_first(page, context_options):
    for view in VIEWS:
        page.click(f'nav a[href="#{view}"]')
        assert findings(page) == [], view


@BOTH
def test_axe_finds_nothing_serious_when_symbols_are_known(trained, context_options):
    pens.draw(trained, "#recognise-pad", pens.symbols("spiral", 5)[4])
    pens.verdict(trained)
    for view in VIEWS:
        trained.click(f'nav a[href="#{view}"]')
        if view == "inspect":
            for part in ("#confused table", "#heat .strip", "#imagined path"):
                trained.wait_for_selector(part)
        assert findings(trained) == [], view


@pytest.mark.parametrize("context_options", [{"color_scheme": "light"}])
def test_the_theme_is_the_systems_until_it_is_chosen(page, context_options):
    page.wait_for_selector("html[data-theme=light]")
    page.emulate_media(color_scheme="dark")
    page.wait_for_selector("html[data-theme=dark]")
    page.click("#theme")
    page.wait_for_selector("html[data-theme=light]")
    page.reload()
    page.wait_for_selector("html[data-theme=light]")


@pytest.mark.parametrize("context_options", [PHONE])
def test_a_finger_draws_on_a_phone_and_scrolls_nothing(page, context_options):
    for view in VIEWS:
        page.click(f'nav a[href="#{view}"]')
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, view
    page.click('nav a[href="#train"]')
    touch = page.context.new_cdp_session(page)
    pad = page.locator("#train-pad")
    pad.scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    for movement in pens.symbols("zigzag", 2):
        for kind, (x, y) in finger(pens.onto(movement, pad.bounding_box())):
            points = [] if kind == "touchEnd" else [{"x": x, "y": y}]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        page.keyboard.press("Enter")
    assert page.locator("#examples-slots .picture").count() == 2
    assert page.evaluate("scrollY") == before


@pytest.mark.parametrize("context_options", [PHONE])
def test_pad_and_verdict_are_both_in_view_on_a_phone(trained):
    trained.evaluate("scrollTo(0, 0)")
    pens.draw(trained, "#recognise-pad", pens.symbols("spiral", 5)[4])
    pens.verdict(trained)
    trained.evaluate("scrollTo(0, 0)")
    for part in ("#recognise-pad", "#verdict .name", "#verdict .correction"):
        box = trained.locator(part).bounding_box()
        assert box["y"] > 0 and box["y"] + box["height"] <= PHONE["viewport"]["height"], part


def finger(places):
    """Name the events of a finger that goes along places."""
    yield "touchStart", places[0]
    for place in places[1:]:
        yield "touchMove", place
    yield "touchEnd", places[-1]


def test_every_view_is_reached_by_keyboard(page):
    page.click("#guide-skip")
    page.goto("about:blank")
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for view in VIEWS:
        page.focus(f'nav a[href="#{view}"]')
        page.keyboard.press("Enter")
        page.wait_for_selector(f"#{view}:not([hidden])")
        assert page.get_attribute(f'nav a[href="#{view}"]', "aria-current") == "page"
