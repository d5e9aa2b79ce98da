"""A page that is served and a browser that opens it, shared by the tests of a module."""

import shutil
from collections.abc import Iterator

import httpx
import pytest

import pens
from serving import PATIENCE, serving, settled

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[str]:
    """Address of a server that keeps its workspaces in a folder of its own."""
    with serving(tmp_path_factory.mktemp("workspaces")) as address:
        yield address


@pytest.fixture
def client(served) -> Iterator[httpx.Client]:
    """A browser, as far as the API knows, that was never here."""
    with httpx.Client(base_url=served, timeout=PATIENCE) as client:
        client.get("/api/state")
        yield client


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine; Debian's package is called chromium")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def context_options() -> dict:
    """What is special about the browser of a test; tests override it by parametrising."""
    return {}


@pytest.fixture
def page(browser, served, context_options):
    """The page in a browser that was never here before; it must not complain on its console."""
    usual = {"viewport": {"width": 1280, "height": 800}, "base_url": served}
    context = browser.new_context(**usual | context_options)
    context.set_default_timeout(1000 * PATIENCE)
    page = context.new_page()
    complaints: list[str] = []
    page.on(
        "console",
        lambda message: complaints.append(message.text) if _is_complaint(message) else None,
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto("/")
    page.wait_for_selector("#guide:not([hidden])")
    yield page
    context.close()
    assert not complaints


@pytest.fixture(scope="module")
def two_symbols(served) -> bytes:
    """A model of a zigzag and a spiral, trained once through the API."""
    with httpx.Client(base_url=served, timeout=PATIENCE) as client:
        client.get("/api/state")  # which makes a workspace
        for label in ("zigzag", "spiral"):
            strokes = [{"x": x.tolist(), "y": y.tolist()} for x, y in pens.symbols(label, 4)]
            client.post("/api/train", json={"label": label, "strokes": strokes}).raise_for_status()
        settled(client)
        return client.get("/api/model").raise_for_status().content


@pytest.fixture
def trained(page, two_symbols):
    """The page with that model, at the view where one draws."""
    kind = "application/octet-stream"
    file = {"name": "model.safetensors", "mimeType": kind, "buffer": two_symbols}
    answer = page.request.post("/api/model", multipart={"file": file})
    assert answer.ok, answer.text()
    page.goto("/#recognise")
    page.reload()
    page.wait_for_selector("#verdict .name")
    return page


def _is_complaint(message) -> bool:
    """Tell whether a line of the console is the page's fault.

    Chromium itself writes down every refused request; what the API refuses the page explains.
    """
    refused = "Failed to load resource" in message.text and "/api/" in message.location["url"]
    return message.type in ("error", "warning") and not refused
