"""``egem spot`` and ``egem live``: events in recorded streams, and in frames as they come."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from egem.apps.cli.files import check_writable, open_model, read_for_model, write
from egem.apps.cli.options import Json, Model, Quiet, Step, describes_data

if TYPE_CHECKING:
    from egem.readers.hints import Hints
    from egem.stream.spotter import Event, Spotter

Kind = Annotated[
    Literal["auto", "pen", "motion", "series"],
    typer.Option(help="Normal form; see the guide to streams."),
]


@describes_data
def spot(
    model: Model,
    stream: Annotated[
        str,
        typer.Argument(
            metavar="STREAM", help="Recorded streams: a file of any layout, a folder or zip."
        ),
    ],
    *,
    hints: "Hints",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Output file; default stdout.")
    ] = None,
    kind: Kind = "auto",
    step: Step = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find and name events in recorded streams: one csv line each.

    Start, end and emitted are times since the beginning of the recording, in the file's unit; where
    it has no times they count time points from 0.
    """
    import pandas as pd

    if out is not None:
        check_writable(out)
    clf = open_model(model, 1, quiet or as_json)
    named = read_for_model(clf, stream, hints, quiet or as_json, step)
    names = named.cases or list(range(len(named.X)))
    spotter = _spotter(clf, kind)
    rows = [
        {"case": name} | _shown(event, named.step or 1.0)
        for name, x in zip(names, named.X, strict=True)
        for event in spotter.spot(x)
    ]
    if as_json:
        write(json.dumps({"events": rows}), out)
        return
    columns = ["case", "label", "start", "end", "emitted", "probability", "p_value"]
    write(pd.DataFrame(rows, columns=columns).to_csv(index=False).rstrip("\n"), out)


def live(model: Model, kind: Kind = "auto", quiet: Quiet = False) -> None:
    """Find events in frames that arrive on standard input, and write each as a JSON line at once.

    A line holds a frame: a number for each channel, separated by commas or blanks. An empty field,
    or nan, is a missing value. Start, end and emitted count frames from 0.
    """
    spotter = _spotter(open_model(model, 1, quiet), kind)
    for frame in _frames(sys.stdin, len(spotter.recogniser.mean)):
        _print(spotter.push(frame))
    _print(spotter.flush())


def _spotter(clf, kind: Any) -> "Spotter":
    from egem.stream.spotter import Spotter

    return Spotter(clf, kind)


def _frames(lines: Iterable[str], n_channels: int) -> Iterator[list[float]]:
    """Yield the frames of lines; lines without anything are left out."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        fields = line.split(",") if "," in line else line.split()
        try:
            frame = [float(field.strip() or "nan") for field in fields]
        except ValueError as error:
            raise ValueError(f"standard input, line {number}: {error}; give numbers.") from None
        if len(frame) != n_channels:
            raise ValueError(
                f"standard input, line {number} has {len(frame)} fields; give {n_channels}, one "
                "for each channel of the model."
            )
        yield frame


def _print(events: "list[Event]") -> None:
    for event in events:
        print(json.dumps(_shown(event)), flush=True)


def _shown(event: "Event", step: float = 1.0) -> dict[str, Any]:
    shown = event._asdict()
    times = {name: round(step * shown[name], 9) for name in ("start", "end", "emitted")}
    return shown | times | {name: round(shown[name], 4) for name in ("probability", "p_value")}
