"""The command line: results on stdout, progress and remarks on stderr.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped with Ctrl-C.
"""

from typing import Annotated

import typer

from egem import __version__
from egem.apps.cli import (
    bench,
    change,
    classify,
    demo,
    evaluate,
    explain,
    info,
    reproduce,
    serve,
    train,
)
from egem.apps.cli.guard import guarded, show_tracebacks
from egem.apps.cli.terminal import LogLevel, show_log

app = typer.Typer(
    name="egem",
    help="Classify sequences by imagining them: one generative expert for each class.",
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
        typer.Option("--log-level", help="Tell on stderr what goes on, from this level up."),
    ] = None,
) -> None:
    show_tracebacks(debug)
    if log_level is not None:
        show_log(log_level)


for _work in (  # the help lists them in this order
    demo.demo,
    train.fit,
    classify.predict,
    explain.explain,
    explain.complete,
    evaluate.evaluate,
    change.add_class,
    change.remove_class,
    info.info,
    reproduce.reproduce,
    bench.bench,
    serve.serve,
):
    app.command()(guarded(_work))
