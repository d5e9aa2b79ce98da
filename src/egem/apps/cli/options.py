"""Arguments and options that several commands share."""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A file of any layout, a folder or zip of recordings, a quoted pattern like "
        "'walk_*.csv', or the name of a data set (see egem info).",
    ),
]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A model written by egem fit.")]
Step = Annotated[
    float | None,
    typer.Option(
        help="Step of the even grid onto which recordings with uneven times are laid; the model "
        "stores it."
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


_LAYOUT = {  # names, metavar and help of the options
    "layout": (["--layout"], "LAYOUT", "long, wide, segments or recording."),
    "case": (["--case-column", "--case"], "COLUMN", "Column that names the cases."),
    "time": (["--time"], "COLUMN", "Column of times."),
    "label": (
        ["--label-column", "--label"],
        "COLUMN",
        "Column of labels; without a header its number from 1, first or last.",
    ),
    "channels": (["--channels"], "A,B", "Columns that are channels; * stands for any characters."),
    "label_from": (
        ["--label-from"],
        "SOURCE",
        "folder, name (of files), column, segments or none; folder:1 is the outermost.",
    ),
    "sep": (["--sep"], "MARK", "Separator of cells; also tab, blank."),
    "decimal": (["--decimal"], "MARK", "Decimal mark, . or ,"),
}


def describes_data(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that describe the layout of DATA; the command gets them as ``hints``.

    A name that the command has for something else stays the command's: there only the longer one,
    ``--case-column`` or ``--label-column``, names the column.
    """
    signature = inspect.signature(command)
    own = [each for each in signature.parameters.values() if each.name != "hints"]
    taken = {name for each in own for name in _names(each)}
    added = []
    for name, (names, metavar, text) in _LAYOUT.items():
        option = typer.Option(
            *(each for each in names if each not in taken),
            metavar=metavar,
            help=text,
            rich_help_panel="Layout of DATA",
        )
        parameter = inspect.Parameter(
            f"layout_{name}",
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[str | None, option],
        )
        added.append(parameter)

    @wraps(command)
    def described(**options: Any) -> None:
        from egem.readers.hints import Hints

        given = {name: options.pop(f"layout_{name}", None) for name in _LAYOUT}
        channels = given["channels"]
        given["channels"] = channels and [name.strip() for name in channels.split(",")]
        command(hints=Hints(**given), **options)

    keyword_only = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]
    parameters = [*keyword_only, *added]
    vars(described)["__signature__"] = signature.replace(parameters=parameters)
    described.__annotations__ = {each.name: each.annotation for each in parameters}
    return described


def _names(parameter: inspect.Parameter) -> list[str]:
    """Return the names of an option; none of an argument."""
    (about,) = getattr(parameter.annotation, "__metadata__", (None,))
    if not isinstance(about, typer.models.OptionInfo):
        return []
    first = [about.default] if isinstance(about.default, str) else []
    names = [*first, *(about.param_decls or ())]
    return names or [f"--{parameter.name.replace('_', '-')}"]
