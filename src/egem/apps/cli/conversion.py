"""``egem convert``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from egem.apps.cli.files import check_writable, read_named
from egem.apps.cli.options import Data, Quiet, Step, describes_data
from egem.apps.cli.terminal import note

if TYPE_CHECKING:
    from egem.readers.hints import Hints


@describes_data
def convert(
    data: Data,
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Long file to write (.csv or .parquet).")
    ],
    *,
    hints: "Hints",
    step: Step = None,
    quiet: Quiet = False,
) -> None:
    """Write recordings of any layout as one long file: a row for each time point.

    The times of each case begin at 0; their unit is that of DATA.
    """
    from egem.readers.long_format import write_long

    check_writable(out)
    named = read_named(data, hints, quiet, step)
    write_long(out, named.X, named.y, named.channels, named.cases, named.step)
    if not quiet:
        note(str(out))
