"""`egem serve` as a process of its own: used, abused, ended."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner
from websockets.asyncio.client import connect

from egem.apps.cli import app
from pens import symbols
from serving import PATIENCE, settled

MB = 2**20
MOST_MEMORY = 700 * MB  # beyond what the server has before it is abused
N_CLIENTS = 50
EGEM = [sys.executable, "-c", "from egem.apps.cli import app; app()", "serve", "--no-browser"]


def start(folder, *options):
    """Start a server; returns the process and the address it printed."""
    command = [*EGEM, "--port", "0"]
    process = subprocess.Popen(
        [*command, "--data-dir", str(folder), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline()
    found = re.search(r"http://\S+", line)
    assert found, line + process.stderr.read()
    return process, found[0]


def end(process):
    """Press Ctrl-C; returns the exit code and what was said on stderr."""
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=PATIENCE)
    return process.returncode, words


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    process, address = start(tmp_path_factory.mktemp("running"))
    yield process, address
    code, words = end(process)
    assert code in (0, 130) and "Traceback" not in words, words


@pytest.fixture
def address(running):
    """The server, which must answer as before when the test is over."""
    yield running[1]
    assert httpx.get(f"{running[1]}api/state", timeout=PATIENCE).status_code == 200


@pytest.fixture
def bounded(running):
    """Check that the test did not cost the server too much memory."""
    status = Path(f"/proc/{running[0].pid}/status")
    if not status.exists():
        pytest.skip("memory is looked up in /proc")

    def most():
        return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1])

    def now():
        return 1024 * int(re.search(r"VmRSS:\s+(\d+)", status.read_text())[1])

    before = now()
    yield
    assert most() - before < MOST_MEMORY


def test_an_upload_of_100_mb_is_refused(address, bounded):
    begin = b'--x\r\nContent-Disposition: form-data; name="files"; filename="x.csv"\r\n\r\n'
    parts = [begin, *[b"0" * MB] * 100, b"\r\n--x--\r\n"]
    head = {"content-type": "multipart/form-data; boundary=x"}
    for more in ({"content-length": str(sum(map(len, parts)))}, {}):  # announced, and not
        try:
            answer = httpx.post(
                f"{address}api/data", content=iter(parts), headers=head | more, timeout=PATIENCE
            )
            assert answer.status_code == 413
        except httpx.TransportError:
            pass  # the server hung up on what it had refused already


@pytest.mark.parametrize("n", [10_001, 100_000, 1_000_000])
def test_endless_strokes_are_refused(address, bounded, n):
    values = ",".join(["0.123"] * n)
    body = f'{{"stroke": {{"x": [{values}], "y": [{values}]}}}}'
    head = {"content-type": "application/json"}
    try:
        answer = httpx.post(f"{address}api/classify", content=body, headers=head, timeout=PATIENCE)
    except httpx.TransportError:
        assert n == 1_000_000
        return
    assert answer.status_code == (422 if len(body) < 4 * MB else 413)
    assert answer.json()["error"]["remedy"]


@pytest.mark.parametrize(
    "body", ["[" * 100_000, '{"stroke": ' * 50_000, '{"x":' + "9" * 500_000 + "}"]
)
def test_json_that_is_meant_to_hurt_is_refused(address, body):
    head = {"content-type": "application/json"}
    answer = httpx.post(f"{address}api/classify", content=body, headers=head, timeout=PATIENCE)
    assert answer.status_code in (400, 422)


def test_a_hundred_thousand_wrong_numbers_are_one_error(address, bounded):
    stroke = {"x": ["a"] * 10_000, "y": [None] * 10_000}
    body = {"label": "x", "strokes": [stroke] * 30}
    answer = httpx.post(f"{address}api/train", json=body, timeout=PATIENCE)
    assert answer.status_code == 422 and len(answer.content) < 1000


@pytest.mark.slow
def test_fifty_clients_at_once(address, bounded):
    """Each uploads much, draws live and asks, all at the same time."""
    movement = symbols("spiral", 1)[0]
    stroke = {"x": movement[0].tolist(), "y": movement[1].tolist()}

    async def client(number):
        async with httpx.AsyncClient(base_url=address, timeout=PATIENCE) as http:
            state = await http.get("/api/state")
            assert state.status_code == 200
            cookie = {"Cookie": f"egem={http.cookies['egem']}"}
            statuses = []
            async with connect(
                f"{address.replace('http', 'ws')}api/live", additional_headers=cookie
            ) as line:
                for i in range(5):
                    await line.send(json.dumps({"id": i, "stroke": stroke, "done": i == 4}))
                    assert json.loads(await line.recv())["id"] == i
                await line.send("x" * 500_000)
                assert "error" in json.loads(await line.recv())
                csv = b"case,time,x\n" + b"0,0,1\n" * 100_000 * (number % 3)
                for content in (csv, os.urandom(6 * MB)):
                    file = {"files": ("x.csv", content)}
                    statuses.append((await http.post("/api/data", files=file)).status_code)
                statuses.append(
                    (await http.post("/api/classify", json={"stroke": stroke})).status_code
                )
            return statuses

    async def all_of_them():
        return await asyncio.gather(*map(client, range(N_CLIENTS)))

    for statuses in asyncio.run(all_of_them()):
        assert set(statuses[:-1]) <= {422, 413, 503, 429}
        assert statuses[-1] in (200, 429)


def test_training_works_after_all_that(address):
    with httpx.Client(base_url=address, timeout=PATIENCE) as http:
        http.get("/api/state")
        strokes = [{"x": x.tolist(), "y": y.tolist()} for x, y in symbols("zigzag", 4)]
        assert (
            http.post("/api/train", json={"label": "zigzag", "strokes": strokes}).status_code == 202
        )
        state = settled(http)
        assert [known["label"] for known in state["classes"]] == ["zigzag"]


def test_two_servers_do_not_share_a_folder(running, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "running0"
    command = [*EGEM, "--port", "0", "--data-dir", folder]
    second = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert second.returncode == 1 and "--data-dir" in second.stderr


def test_a_model_is_served_to_every_browser_with_a_token(tmp_path, wave_model):
    wave_model.save(tmp_path / "waves.safetensors")
    process, address = start(tmp_path, "--token", "s3cret", str(tmp_path / "waves.safetensors"))
    try:
        assert address.endswith("/?token=s3cret")
        with httpx.Client(follow_redirects=True, timeout=PATIENCE) as http:
            assert http.get(address).status_code == 200
            state = http.get(f"{address.partition('?')[0]}api/state").json()
        assert len(state["classes"]) == 3 and not state["can_undo"]
    finally:
        code, words = end(process)
    assert code in (0, 130) and "Traceback" not in words, words


def test_a_port_in_use_is_reported_with_a_remedy(running, tmp_path):
    port = str(httpx.URL(running[1]).port)
    command = [*EGEM, "--port", port]
    second = subprocess.run(
        [*command, "--data-dir", tmp_path], capture_output=True, text=True, timeout=PATIENCE
    )
    assert second.returncode == 1 and "another --port" in second.stderr


def test_what_is_not_installed_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = CliRunner().invoke(app, ["serve"])
    assert result.exit_code == 1
    assert "uvicorn" in result.stderr and "pip install 'egem[web]'" in result.stderr
