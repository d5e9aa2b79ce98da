"""Atomic writing: files are complete or unchanged, and drafts of killed writers are removed."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import egem
from egem.readers.long_format import write_long
from egem.runtime.files import atomic_write, atomic_write_text

WRITER = """
import sys, time
from pathlib import Path
from egem.runtime.files import atomic_write
with atomic_write(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    time.sleep(600)
"""


def start_writer(path):
    """Start a process that has written half of a file."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", WRITER, str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout and process.stdout.readline() == "writing\n"
    return process


def test_a_failure_leaves_the_old_content_and_no_draft(tmp_path):
    path = tmp_path / "file"
    atomic_write_text(path, "old ä")
    with pytest.raises(TypeError), atomic_write(path) as file:
        file.writelines([b"new", None])  # type: ignore[list-item]
    assert path.read_text("utf-8") == "old ä" and os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights, pipes have no names there")
def test_a_link_stays_a_link_and_a_file_keeps_its_permissions(tmp_path):
    target = tmp_path / "elsewhere" / "secret"
    target.parent.mkdir()
    target.write_text("old")
    target.chmod(0o600)
    link = tmp_path / "link"
    link.symlink_to(target)
    atomic_write_text(link, "new")
    assert link.is_symlink() and target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o600
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "elsewhere" / "later")
    atomic_write_text(dangling, "made")
    assert dangling.is_symlink() and (tmp_path / "elsewhere" / "later").read_text() == "made"


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights, pipes have no names there")
def test_a_pipe_or_a_device_is_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True)
    atomic_write_text(pipe, "through")
    assert read.communicate(timeout=30)[0] == "through"
    assert pipe.is_fifo() and [p.name for p in tmp_path.iterdir()] == ["pipe"]
    atomic_write_text(Path(os.devnull), "nowhere")
    assert Path(os.devnull).is_char_device()


@pytest.mark.skipif(sys.platform == "win32", reason="drafts cannot be locked there")
def test_drafts_of_killed_writers_are_removed_and_those_of_running_ones_stay(tmp_path):
    path = tmp_path / "file"
    killed, running = start_writer(path), start_writer(path)
    try:
        assert len(os.listdir(tmp_path)) == 2
        killed.kill()
        killed.wait()
        atomic_write_text(path, "new")
        assert path.read_text() == "new" and len(os.listdir(tmp_path)) == 2
    finally:
        for process in (killed, running):
            process.kill()
            process.communicate()
    atomic_write_text(path, "newer")
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ["long.csv", "long.parquet"])
def test_long_files_are_written_completely(name, tmp_path):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    path = tmp_path / name
    write_long(path, np.ones((1, 1, 3)))
    content = path.read_bytes()
    with pytest.raises(BaseException):  # noqa: B017, PT011 - whatever the writer makes of it
        write_long(path, np.ones((1, 1, 3)), channels=[Unwritable()])  # type: ignore[list-item]
    assert path.read_bytes() == content and os.listdir(tmp_path) == [name]
    assert egem.read_data(path)[0].shape == (1, 1, 3)


class Unwritable:
    """A column name that cannot be written."""

    def __str__(self):
        raise KeyboardInterrupt
