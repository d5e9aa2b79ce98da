"""A server that goes away and comes back: the page waits, connects again, and all is there."""

import pens
from serving import serving


def test_a_restart_loses_nothing(browser, tmp_path):
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(60_000)
    with serving(tmp_path) as address:
        page.goto(address)
        pens.teach(page, "zigzag", pens.symbols("zigzag", 4))
        page.goto(f"{address}/#recognise")
    page.wait_for_selector("#connection:not([hidden])")
    with serving(tmp_path, port=int(address.rsplit(":", 1)[1])):
        page.wait_for_selector("#connection", state="hidden")
        pens.draw(page, "#recognise-pad", pens.symbols("zigzag", 5)[4])
        assert pens.verdict(page) == "zigzag"
    page.context.close()
