"""``egem info``."""

from pathlib import Path
from typing import Annotated

import typer

from egem.apps.cli.facts import describe, installation
from egem.apps.cli.options import Json
from egem.apps.cli.terminal import print_json


def info(
    model: Annotated[
        Path | None, typer.Argument(metavar="[MODEL]", help="A model written by egem fit.")
    ] = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", hidden=True)] = False,
) -> None:
    """Describe a model; without one, this installation and the data sets at hand."""
    if model is None:
        facts = installation()
    else:
        from egem.classifier import EGEMClassifier

        clf = EGEMClassifier.load(model)
        facts = {"file": str(model), "bytes": model.stat().st_size} | describe(clf)
    if as_json:
        print_json(facts)
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        print(f"{name.replace('_', ' '):<{width}}  {shown}")
