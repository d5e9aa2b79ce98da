"""Files are there whole or not at all, and drafts of writers that died do not pile up."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import egem
from egem.data.long_format import write_long
from egem.runtime.files import whole_file, write_whole

DIES = """
import sys, time
from pathlib import Path
from egem.runtime.files import whole_file
with whole_file(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    time.sleep(60)
"""


def writer(path):
    """Start a process that is in the midst of writing."""
    command = [sys.executable, "-c", DIES, str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "writing\n"
    return process


def test_a_failure_leaves_the_old_content_and_no_draft(tmp_path):
    path = tmp_path / "it"
    write_whole(path, "old ä")
    with pytest.raises(TypeError), whole_file(path) as file:
        file.writelines([b"new", None])  # type: ignore[list-item]
    assert path.read_text("utf-8") == "old ä" and os.listdir(tmp_path) == ["it"]


@pytest.mark.skipif(sys.platform == "win32", reason="drafts cannot be locked there")
def test_drafts_of_the_dead_are_swept_and_those_of_the_living_stay(tmp_path):
    path = tmp_path / "it"
    dead, living = writer(path), writer(path)
    try:
        assert len(os.listdir(tmp_path)) == 2
        dead.send_signal(signal.SIGKILL)
        dead.wait()
        write_whole(path, "new")
        names = os.listdir(tmp_path)
        assert path.read_text() == "new" and len(names) == 2
    finally:
        for process in (dead, living):
            process.kill()
            process.communicate()
    write_whole(path, "newer")
    assert os.listdir(tmp_path) == ["it"]


@pytest.mark.parametrize("name", ["long.csv", "long.parquet"])
def test_long_files_are_written_whole(name, tmp_path):
    path = tmp_path / name
    write_long(path, np.ones((1, 1, 3)))
    content = path.read_bytes()
    with pytest.raises(BaseException):  # noqa: B017, PT011 - whatever the writer says of it
        write_long(path, np.ones((1, 1, 3)), channels=[Unwritable()])  # type: ignore[list-item]
    assert path.read_bytes() == content and os.listdir(tmp_path) == [name]
    assert egem.read_data(path)[0].shape == (1, 1, 3)


class Unwritable:
    """A name of a column that cannot be written."""

    def __str__(self):
        raise KeyboardInterrupt
