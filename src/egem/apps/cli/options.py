"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A .csv, .parquet, .npz or .ts file, or the name of a data set (see egem info).",
    ),
]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A model written by egem fit.")]
Step = Annotated[
    float | None,
    typer.Option(
        help="Step of the even grid onto which a long file with uneven times is interpolated; "
        "the model stores it."
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Random seed.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no messages.")]
Jobs = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, help="Threads; default all cores.")
]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Work on a Dask cluster: its scheduler's address, like tcp://host:8786.",
    ),
]
