"""The README's commands and pictures exist; its Python runs as the documentation's does."""

import re
from pathlib import Path

from typer.testing import CliRunner

from egem.apps.cli import app

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_commands_it_lists_are_the_commands_there_are():
    listed = set(re.findall(r"^\| `egem ([\w-]+)", README, flags=re.MULTILINE))
    shown = CliRunner().invoke(app, ["--help"]).stdout
    assert listed == set(re.findall(r"^│ ([a-z][\w-]+) ", shown, flags=re.MULTILINE))


def test_its_pictures_are_there():
    root = Path(__file__).parents[1]
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert pictures
    assert all((root / picture).is_file() for picture in pictures)
