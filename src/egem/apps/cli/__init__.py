"""The command line: results go to stdout, progress and messages to stderr.

Exit codes: 0 success, 1 failure, 2 wrong usage, 130 interrupted with Ctrl-C.
"""

from typing import Annotated

import typer

from egem import __version__
from egem.apps.cli import (
    classes,
    conversion,
    demo,
    experiments,
    info,
    prediction,
    reports,
    server,
    streams,
    training,
)
from egem.apps.cli.guard import guarded, show_tracebacks
from egem.apps.cli.terminal import LogLevel, show_log

app = typer.Typer(
    name="egem",
    help="Classify sequences with one generative expert for each class.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"egem {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    log_level: Annotated[
        LogLevel | None,
        typer.Option("--log-level", help="Write log entries of this level or higher to stderr."),
    ] = None,
) -> None:
    show_tracebacks(debug)
    if log_level is not None:
        show_log(log_level)


for _command in (  # in the order in which the help lists them
    demo.demo,
    training.fit,
    prediction.predict,
    streams.spot,
    streams.live,
    reports.explain,
    reports.complete,
    reports.evaluate,
    classes.add_class,
    classes.remove_class,
    classes.rename,
    classes.merge,
    classes.calibrate,
    conversion.convert,
    info.info,
    experiments.reproduce,
    experiments.bench,
    server.serve,
):
    app.command()(guarded(_command))
