"""The package: public names, imports, version and licences."""

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import egem
import licences

SOURCE = Path(egem.__file__).parent


def test_every_public_name_can_be_imported():
    assert dir(egem) == sorted(set(egem.__all__))
    for name in egem.__all__:
        assert getattr(egem, name) is not None
    with pytest.raises(AttributeError, match="module 'egem' has no attribute 'nothing'"):
        _ = egem.nothing


def test_version_is_that_of_the_distribution():
    assert egem.__version__ == importlib.metadata.version("egem")


HEAVY = ["jax", "sklearn", "matplotlib", "pandas", "aeon", "typer", "mlxtend", "scipy", "fastapi"]


def imported_by(code):
    lines = f"import sys; {code}; print(*[m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", lines],
        env=os.environ | {"PYTHONPATH": str(SOURCE.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_importing_the_package_imports_nothing_heavy():
    assert imported_by("import egem") == []
    assert "jax" in imported_by("import egem.core.decoder")  # the check finds what is imported


def test_loading_data_needs_neither_jax_nor_drawing():
    loaded = imported_by("from egem import few_shot_split; few_shot_split([0] * 5, 1, 0)")
    assert not {"jax", "matplotlib", "aeon", "typer"} & set(loaded)


def test_the_commands_load_the_server_only_to_serve():
    assert "fastapi" not in imported_by("import egem.apps.cli")
    assert "fastapi" in imported_by("import egem.apps.web.app")


def test_only_the_commands_import_the_server():
    importing = {
        "/".join(file.relative_to(SOURCE).parts[:2])
        for file in SOURCE.rglob("*.py")
        if re.search(r"^\s*(from|import) .*\bweb\b", file.read_text("utf-8"), re.MULTILINE)
    }
    assert importing <= {"apps/cli", "apps/web"}


def test_the_version_is_set_in_one_place_and_cited():
    root = Path(__file__).parents[1]
    assert 'dynamic = ["version"]' in (root / "pyproject.toml").read_text("utf-8")
    cited = re.search(r"^version: (.*)$", (root / "CITATION.cff").read_text("utf-8"), re.MULTILINE)
    assert cited and cited[1] == egem.__version__


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 OR GPL-3.0-only", True),
        ("BSD-3-Clause AND GPL-2.0-or-later", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("MPL-2.0", False),
        ("unknown", False),
    ],
)
def test_permissive_licences_are_recognised(licence, allowed):
    assert licences.fine(licence) is allowed


def test_all_dependencies_have_permissive_licences():
    wrong = [name for name in licences.closure("egem", ["web", "data", "demo"]) if not _fine(name)]
    assert wrong == []


def _fine(name):
    return licences.fine(licences.licence(name)) or name in licences.EXCUSED
