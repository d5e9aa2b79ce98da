"""How soon, and how well, a growing stroke is answered over a real socket, with twenty experts.

    python benchmarks/live.py [--letters 40] [--seed 1]

Starts `egem serve` as a separate process, trains twenty letters (EGEM_DATA_DIR), and sends test
letters over a WebSocket, each at five stages of its growth and finally as finished. Reports the
response time (median and 95th percentile), and how often the true letter ranks first and among the
first three. Also reports how long training on four drawings takes, until a further drawing is
recognised.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import httpx
import numpy as np
from websockets.sync.client import ClientConnection, connect

from egem import load_dataset
from pens import stroke_of, symbols, written
from serving import settled

STAGES = 0.2, 0.4, 0.6, 0.8, 1.0  # shares of a letter's time
EGEM = [sys.executable, "-c", "from egem.apps.cli import app; app()", "serve", "--no-browser"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--letters", type=int, default=40, help="how many letters to draw")
    parser.add_argument("--seed", type=int, default=1, help="which")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [*EGEM, "--port", "0", "--data-dir", folder], stdout=subprocess.PIPE, text=True
        )
        try:
            assert server.stdout is not None
            found = re.search(r"http://\S+", server.stdout.readline())
            assert found, "the server did not start"
            measure(found[0], options.letters, options.seed, server.pid)
        finally:
            server.terminate()
            server.wait()


def measure(address: str, n_letters: int, seed: int, server: int) -> None:
    """Draw on a server and tell what came of it."""
    with httpx.Client(base_url=address, timeout=60.0) as client:
        client.get("/api/state")
        times = [train(client, name) for name in ("zigzag", "spiral", "zigzag", "spiral")]
        shown = ", ".join(f"{seconds:.1f}" for seconds in times)
        print(f"training on four drawings, until recognised: {shown} s")
        settle(client)
        began = time.perf_counter()
        client.post("/api/start", json={"with": "letters"}).raise_for_status()
        settle(client)
        print(f"twenty letters are trained in {time.perf_counter() - began:.1f} s")
        cookie = {"Cookie": f"egem={client.cookies['egem']}"}
        line = f"{address.replace('http', 'ws')}api/live"
        with connect(line, additional_headers=cookie) as socket:
            before = cpu_seconds(server)
            n_answers = draw(socket, n_letters, seed)
            spent = 1e3 * (cpu_seconds(server) - before) / n_answers
            print(f"{n_answers} answers took {spent:.1f} ms of processor time each")


def cpu_seconds(process: int) -> float:
    """Processor time that a process has taken; NaN where it is not available."""
    file = Path(f"/proc/{process}/stat")
    if not file.exists():
        return float("nan")
    user, system = file.read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def train(client: httpx.Client, name: str) -> float:
    """Train a symbol on four drawings; returns the seconds until a fifth is recognised."""
    labels = [known["label"] for known in client.get("/api/state").json()["classes"]]
    if name in labels:
        client.delete(f"/api/classes/{name}").raise_for_status()
    drawings = [stroke_of(movement) for movement in symbols(name, 5)]
    began = time.perf_counter()
    body = {"label": name, "strokes": drawings[:4]}
    client.post("/api/train", json=body).raise_for_status()
    settle(client)
    found = client.post("/api/classify", json={"stroke": drawings[4]}).json()
    assert found["ranking"][0]["label"] == name
    return time.perf_counter() - began


def settle(client: httpx.Client) -> None:
    """Wait until nothing is under way."""
    state = settled(client, 600.0)
    if state["failure"]:
        raise SystemExit(f"{state['failure']['what']} {state['failure']['remedy']}")


def draw(socket: ClientConnection, n_letters: int, seed: int) -> int:
    """Draw letters stage by stage, print times and ranks, and return how many answers came."""
    X, y = load_dataset("characters", raw=True)
    chosen = np.random.default_rng(seed).choice(len(X), n_letters, replace=False)
    times, ranks = defaultdict(list), defaultdict(list)
    for i in chosen:
        movement = written(X[i], every=3)
        for stage in (*STAGES, "done"):
            share = 1.0 if stage == "done" else float(stage)
            question = {"id": 0, "stroke": stroke_of(movement, share), "done": stage == "done"}
            began = time.perf_counter()
            socket.send(json.dumps(question))
            answer = json.loads(socket.recv())
            times[stage].append(1e3 * (time.perf_counter() - began))
            labels = [ranked["label"] for ranked in answer["ranking"]]
            ranks[stage].append(labels.index(y[i]) if y[i] in labels else len(labels))
    print("share of the letter   first   of three   median ms   95 % ms")
    for stage in (*STAGES, "done"):
        rank = np.array(ranks[stage])
        median, late = np.percentile(times[stage], [50, 95])
        first, three = np.mean(rank == 0), np.mean(rank < 3)
        print(f"{stage!s:>19}   {first:5.2f}   {three:8.2f}   {median:9.1f}   {late:7.1f}")
    growing = np.concatenate([times[stage] for stage in STAGES])
    median, late = np.percentile(growing, [50, 95])
    print(f"{len(growing)} growing strokes: median {median:.1f} ms, 95 % {late:.1f} ms")
    return sum(map(len, times.values()))


if __name__ == "__main__":
    main()
