"""The README's pictures of the page, recorded from the page itself.

    python benchmarks/pictures.py page

Serves the page, trains two symbols in a headless Chromium, has it recognise both while they
are drawn, and writes what was seen to `docs/pictures/page.gif`. It needs `pip install -e '.[dev]'`
and Debian's `chromium`.
"""

import argparse
import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from pens import Movement, onto, symbols
from serving import serving

ROOT = Path(__file__).parents[1]

SIZE = {"width": 1080, "height": 820}
WIDTH = 720  # of the picture
FRAME = 70  # ms
REST = 1100  # ms at the end of a scene
COLOURS = 128
N_POINTS = 40  # of a drawing
PAUSE = 1000  # ms after which the page takes a drawing for complete


class Film:
    """Frames of a page, shown at an even pace."""

    def __init__(self, page: Page):
        self.page = page
        self.frames: list[Image.Image] = []
        self.times: list[int] = []

    def take(self, ms: int = FRAME) -> None:
        """Add what is seen now."""
        image = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        height = round(image.height * WIDTH / image.width)
        self.frames.append(image.resize((WIDTH, height), Image.Resampling.LANCZOS))
        self.times.append(ms)

    def write(self, file: Path) -> None:
        """Write an animation that goes round and round."""
        palette = self._palette()
        frames = [f.quantize(palette=palette, dither=Image.Dither.NONE) for f in self.frames]
        file.parent.mkdir(parents=True, exist_ok=True)
        frames[0].save(
            file,
            save_all=True,
            append_images=frames[1:],
            duration=self.times,
            loop=0,
            optimize=True,
        )

    def _palette(self) -> Image.Image:
        """The film's commonest colours, which are shades of the ground, and the most different."""
        some = self.frames[:: max(len(self.frames) // 12, 1)]
        strip = Image.new("RGB", (WIDTH * len(some), some[0].height))
        for i, frame in enumerate(some):
            strip.paste(frame, (i * WIDTH, 0))
        colours: list[int] = []
        for method in (Image.Quantize.MEDIANCUT, Image.Quantize.MAXCOVERAGE):
            of_method = strip.quantize(COLOURS // 2, method=method).getpalette() or []
            colours += of_method[: 3 * (COLOURS // 2)]
        palette = Image.new("P", (1, 1))
        palette.putpalette(colours)
        return palette


def page_film(film: Film) -> None:
    """Train two symbols and recognise them."""
    page = film.page
    page.click("#guide-skip")
    page.click('nav a[href="#train"]')
    for label in ("zigzag", "spiral"):
        for i, movement in enumerate(symbols(label, 4, n_points=N_POINTS)):
            draw(film, "#train-pad", movement, step=6 if i else 3)
        page.fill("#class-name", label)
        film.take(600)
        page.click("#train-go")
        while page.is_visible("#task"):
            film.take()
            page.wait_for_timeout(200)
        page.wait_for_selector(f'#classes > li[data-label="{label}"] .picture >> nth=3')
        film.take(REST)
    page.click('nav a[href="#recognise"]')
    film.take(REST)
    for label in ("spiral", "zigzag"):
        draw(film, "#recognise-pad", symbols(label, 6, n_points=N_POINTS)[5], step=1)
        page.wait_for_selector("#verdict:not(.pending) .name")
        page.wait_for_timeout(400)
        film.take(2 * REST)


def draw(film: Film, pad: str, movement: Movement, step: int) -> None:
    """Draw a movement, with a frame for each ``step`` of its points."""
    page = film.page
    box = page.locator(pad).bounding_box()
    assert box is not None
    places = onto(movement, box, 0.7)
    page.mouse.move(*places[0])
    page.mouse.down()
    for i, place in enumerate(places[1:], 1):
        page.mouse.move(*place)
        if i % step == 0:
            film.take()
    page.mouse.up()
    page.wait_for_timeout(PAUSE)
    film.take()


def main() -> None:
    """Record what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("picture", choices=["page"])
    parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder)) as address,
        sync_playwright() as p,
    ):
        browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE, color_scheme="light")  # type: ignore[arg-type]
        page.goto(address)
        film = Film(page)
        page_film(film)
        browser.close()
    file = ROOT / "docs" / "pictures" / "page.gif"
    film.write(file)
    print(
        f"{file.relative_to(ROOT)}: {len(film.frames)} frames, {file.stat().st_size / 1e6:.1f} MB"
    )


if __name__ == "__main__":
    main()
