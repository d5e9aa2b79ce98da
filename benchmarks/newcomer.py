"""A newcomer's paths, from the clone to the first answer, by what README says and nothing else.

    python benchmarks/newcomer.py [--paths recordings drawings] [--source .]

* recordings: four commands clone the repository, install egem, fit it to a folder of csv files as
  a phone exports them (three movements, four recordings each), and name further recordings.
* drawings: `make serve`; the printed address is opened in a headless Chromium, two symbols are
  drawn with real pointer events at the pace of a hand, and further drawings are recognised.

Prints the time of each step, from the start of the clone. It needs `pip install -e '.[dev]'` and,
for drawings, Debian's `chromium`; the newcomer's own environment is made anew. What pip has in its
cache, or in a mirror close by, is not downloaded again: the time for that comes on top.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from playwright.sync_api import Page, sync_playwright

from pens import Movement, onto, symbols, verdict

ROOT = Path(__file__).parents[1]
PACE = 0.03  # seconds between two points of a drawing
THOUGHT = 1.2  # seconds between two drawings: the page takes one for complete after one
TYPING = 120  # ms a key
PATIENCE = 600.0  # seconds
# Oscillations of the acceleration along z, y and x, in a recording of a movement
MOVEMENTS = {"circle": (1.0, 1.0, 0.0), "shake": (0.0, 6.0, 3.0), "lift": (1.5, 0.0, 0.5)}
N_RECORDINGS, N_LEARNED = 5, 4


Tell = Callable[[str], None]


def main() -> None:
    """Follow the paths and print the times."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--paths", nargs="+", default=list(PATHS), choices=list(PATHS))
    parser.add_argument("--source", default=str(ROOT), help="what to clone")
    options = parser.parse_args()
    for path in options.paths:
        print(path)
        began = time.monotonic()

        def tell(what: str, began: float = began) -> None:
            print(f"{time.monotonic() - began:6.1f} s  {what}", flush=True)

        with tempfile.TemporaryDirectory() as folder:
            PATHS[path](Path(folder), options.source, tell)


def recordings(home: Path, source: str, tell: Tell) -> None:
    """Clone, install, fit and predict; the recordings are there before."""
    for label, places in MOVEMENTS.items():
        for i in range(N_RECORDINGS):
            of = "recordings" if i < N_LEARNED else "new"
            _recorded(home / of / f"{label} {i + 1}.csv", places, i)
    commands = (
        f"git clone --quiet {source} egem",
        "make --silent -C egem install",
        "egem/.venv/bin/egem fit recordings/ -o movements.safetensors",
        "egem/.venv/bin/egem predict movements.safetensors new/",
    )
    said = ""
    for command in commands:
        said = subprocess.run(
            command.split(),
            cwd=home,
            env=newcomer(home),
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        tell(command.replace(source, "..."))
    print(said, end="")


def _recorded(file: Path, places: tuple[float, float, float], seed: int) -> None:
    """Write two to three seconds of a phone's accelerometer, at about 50 Hz."""
    rng = np.random.default_rng([seed, *map(ord, file.stem)])
    seconds = np.cumsum(rng.normal(0.02, 0.001, rng.integers(100, 150)))
    turns = seconds / seconds[-1] * rng.normal(1.0, 0.05)
    table = pd.DataFrame({"seconds_elapsed": seconds})
    for axis, place in zip("zyx", places, strict=True):
        movement = np.sin(2 * np.pi * place * turns) * rng.normal(5.0, 0.5)
        table[axis] = movement + rng.normal(0, 0.3, len(seconds))
    file.parent.mkdir(exist_ok=True)
    table.to_csv(file, index=False)


def drawings(home: Path, source: str, tell: Tell) -> None:
    """Clone, serve the page, teach two symbols, and have others recognised."""
    subprocess.run(["git", "clone", "--quiet", source, home / "egem"], check=True)
    tell("cloned")
    server = subprocess.Popen(
        ["make", "serve"],
        cwd=home / "egem",
        env=newcomer(home),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        address = printed_address(server)
        tell("installed and served")
        with sync_playwright() as p:
            chromium = shutil.which("chromium") or shutil.which("chromium-browser")
            browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.set_default_timeout(1000 * PATIENCE)
            page.goto(address)
            page.wait_for_selector("#guide:not([hidden])")
            tell("page open")
            for label in ("zigzag", "spiral"):
                train(page, label)
                tell(f"{label} is known")
            page.wait_for_selector("#recognise:not([hidden])")
            for label in ("spiral", "zigzag"):
                by_hand(page, "#recognise-pad", symbols(label, 5)[4])
                tell(f"another {label} is called {verdict(page)}")
            browser.close()
    finally:
        os.killpg(server.pid, signal.SIGINT)  # Ctrl-C
        server.wait(60)


PATHS = {"recordings": recordings, "drawings": drawings}


def newcomer(home: Path) -> dict[str, str]:
    """Make the environment of somebody who has never run egem."""
    own = {k: v for k, v in os.environ.items() if not k.startswith(("EGEM_", "JAX_", "VIRTUAL_"))}
    own |= {"XDG_CACHE_HOME": str(home / "cache"), "XDG_DATA_HOME": str(home / "data")}
    return own | {"BROWSER": "true"}  # no window of the machine's own browser


def printed_address(server: subprocess.Popen[str]) -> str:
    """Read what is printed until there is an address."""
    assert server.stdout is not None
    for line in server.stdout:
        if found := re.search(r"http://\S+", line):
            return found[0]
    raise SystemExit("`make serve` ended without an address")


def train(page: Page, label: str) -> None:
    """Draw four examples, name them, and wait until they are known."""
    for movement in symbols(label, 4):
        by_hand(page, "#train-pad", movement)
    page.click("#class-name")
    page.keyboard.type(label, delay=TYPING)
    page.click("#train-go")
    page.wait_for_selector(f'#classes > li[data-label="{label}"]', state="attached")


def by_hand(page: Page, pad: str, movement: Movement) -> None:
    """Draw at the pace of a hand, and rest until the page takes the drawing for complete."""
    page.locator(pad).scroll_into_view_if_needed()
    box = page.locator(pad).bounding_box()
    assert box is not None
    places = onto(movement, box)
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        time.sleep(PACE)
        page.mouse.move(*place)
    page.mouse.up()
    time.sleep(THOUGHT)


if __name__ == "__main__":
    main()
