"""The README's Python runs as it stands, and its commands exist."""

import re
from pathlib import Path

from typer.testing import CliRunner

from egem.cli import app

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_ten_lines_of_python_run(tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert float(capsys.readouterr().out) > 0.8
    assert (tmp_path / "digits.safetensors").is_file()


def test_the_commands_it_lists_are_the_commands_there_are():
    listed = set(re.findall(r"^\| `egem ([\w-]+)", README, flags=re.MULTILINE))
    shown = CliRunner().invoke(app, ["--help"]).stdout
    assert listed == set(re.findall(r"^│ ([a-z][\w-]+) ", shown, flags=re.MULTILINE))


def test_its_pictures_are_there():
    root = Path(__file__).parents[1]
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert pictures
    assert all((root / picture).is_file() for picture in pictures)
