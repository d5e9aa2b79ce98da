"""The server as the page meets it: gone and back again, or behind a token."""

import pytest

import pens
from serving import PATIENCE, serving


@pytest.mark.slow
def test_a_restart_loses_nothing(browser, tmp_path):
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(1000 * PATIENCE)
    with serving(tmp_path) as address:
        page.goto(address)
        pens.train(page, "zigzag", pens.symbols("zigzag", 4))
        page.goto(f"{address}/#recognise")
    page.wait_for_selector("#connection:not([hidden])")
    with serving(tmp_path, port=int(address.rsplit(":", 1)[1])):
        page.wait_for_selector("#connection", state="hidden")
        pens.draw(page, "#recognise-pad", pens.symbols("zigzag", 5)[4])
        assert pens.verdict(page) == "zigzag"
    page.context.close()


def test_a_page_behind_a_token_asks_for_it(browser, tmp_path):
    page = browser.new_context().new_page()
    page.set_default_timeout(1000 * PATIENCE)
    with serving(tmp_path, token="open-sesame") as address:
        page.goto(address)
        page.wait_for_selector("#locked:not([hidden])")
        assert "token" in page.text_content("#locked-text")
        page.fill("#token", "open-sesame")
        page.keyboard.press("Enter")
        page.wait_for_selector("#guide:not([hidden])")
        assert page.locator("#locked").is_hidden()
        assert "sesame" not in page.url
    page.context.close()
