"""How soon a growing stroke is answered in the browser, with twenty experts.

    python benchmarks/live_page.py [--letters 20]

Serves the page, starts it with letters (EGEM_DATA_DIR), and replays real letters on it, point by
point at the pace at which they were written, with real pointer events in a headless Chromium. Tells
the time from sending a stroke to having its answer, as the page itself measures it, and the time
between the frames that the page paints meanwhile. It needs `pip install -e '.[dev]'` and Debian's
`chromium`.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from egem import load_dataset
from pens import onto, written
from serving import serving

RATE = 200.0  # points a second at which the letters were recorded
EVERY = 3  # of those points the mouse makes one
LISTEN = """
window.times = [];
window.painted = [];
addEventListener("egem:answer", ({ detail }) => times.push(detail.ms));
requestAnimationFrame(function frame(now) {
  painted.push(now);
  requestAnimationFrame(frame);
});
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--letters", type=int, default=20, help="how many letters to draw")
    n_letters = parser.parse_args().letters
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder)) as address,
        sync_playwright() as p,
    ):
        browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.add_init_script(LISTEN)
        page.goto(address)
        page.click("#guide-letters")
        page.wait_for_selector("#classes > li >> nth=19", state="attached", timeout=600_000)
        page.click('nav a[href="#recognise"]')
        times, frames = replay(page, n_letters)
        browser.close()
    for what, values in (("answer", times), ("frame", np.diff(frames))):
        median, late = np.percentile(values, [50, 95])
        print(f"{len(values)} x {what}: median {median:.0f} ms, 95th percentile {late:.0f} ms")


def replay(page: Page, n_letters: int) -> tuple[list[float], list[float]]:
    """Draw letters at the pace they were written at; returns how long answers took, and frames."""
    page.evaluate("times.length = painted.length = 0")
    X, _ = load_dataset("characters", raw=True)
    chosen = np.random.default_rng(0).choice(len(X), n_letters, replace=False)
    box = page.locator("#recognise-pad").bounding_box()
    assert box is not None
    for i in chosen:
        places = onto(written(X[i], EVERY), box)
        page.mouse.move(*places[0])
        page.mouse.down()
        start = time.perf_counter()
        for step, place in enumerate(places[1:], 1):
            time.sleep(max(start + step * EVERY / RATE - time.perf_counter(), 0.0))
            page.mouse.move(*place)
        page.mouse.up()
        page.keyboard.press("Enter")
        page.wait_for_selector("#verdict:not(.pending) .name")
    return page.evaluate("[times, painted]")


if __name__ == "__main__":
    main()
