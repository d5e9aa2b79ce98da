"""Kill processes that write, at any moment, and see what they leave.

    python benchmarks/torture.py save --times 300
    python benchmarks/torture.py fit --times 30

`save`: a process writes two models in turn to one file and is killed (SIGKILL). The file must then
be one of the two, whole, and no drafts may pile up. `fit`: `egem fit` is killed while it compiles,
trains or writes; another model that was there must be as it was, or the new one whole, and the same
command, run again after every third run with what the dead left among the compiled programs, must
give the losses of a run that nobody disturbed.
"""

import argparse
import json
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from egem import EGEMClassifier, read_data, write_long
from models import write_models

FIT = ("--updates", "200", "--cells", "8", "--metric", "whitened", "--quiet")


def save_for_ever(path: Path, sources: list[Path], ready: Connection) -> None:
    """Write models in turn, in a process that is to be killed."""
    models = [EGEMClassifier.load(source) for source in sources]
    ready.send("ready")
    while True:
        for model in models:
            model.save(path)


def kill_saves(times: int, folder: Path, seed: int = 0) -> dict[str, Any]:
    """Kill a process that saves, and read the file; raises where that fails.

    Returns
    -------
    dict
        How often, how often the file was seen with either model, and the most drafts beside it.
    """
    rng, sources = random.Random(seed), write_models(folder / "models")[:2]
    beside = folder / "saved"
    beside.mkdir()
    path, whole = beside / "model.safetensors", []
    for source in sources:
        EGEMClassifier.load(source).save(path)
        whole.append(path.read_bytes())
    seen, most_drafts = [0, 0], 0
    # Forked from a process that has imported, but never computed: hundreds start quickly so.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["egem.io.model_file", "egem.classifier"])
    for _ in range(times):
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=save_for_ever, args=(path, sources, there))
        process.start()
        here.recv()
        time.sleep(rng.uniform(0.0, 0.2))
        process.kill()
        process.join()
        EGEMClassifier.load(path)
        seen[whole.index(path.read_bytes())] += 1
        most_drafts = max(most_drafts, len(os.listdir(beside)) - 1)
    assert most_drafts <= 1, f"{most_drafts} drafts piled up"
    return {"kills": times, "first": seen[0], "second": seen[1], "most_drafts": most_drafts}


def kill_fits(times: int, folder: Path, seed: int = 0) -> dict[str, Any]:
    """Kill `egem fit`, look at the model that was there, and fit again.

    Returns
    -------
    dict
        How often, how many runs were over before the kill, how many were made again after it, and
        how long one takes.
    """
    rng, data, model = random.Random(seed), folder / "waves.csv", folder / "model.safetensors"
    noise = np.random.default_rng(seed)
    X = np.sin(np.linspace(0, 6, 16) * noise.uniform(1, 2, (12, 2, 1)))
    write_long(data, X, np.repeat(["a", "b", "c"], 4))
    cases = read_data(data)[0]

    def fit(out: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "egem", "fit", str(data), "-o", str(out), *FIT]
        return subprocess.Popen(command, env=os.environ | {"EGEM_COMPILED": str(folder / "kept")})

    def losses(path: Path) -> np.ndarray:
        return EGEMClassifier.load(path).losses(cases)

    begun = time.monotonic()
    assert fit(model).wait() == 0
    seconds = time.monotonic() - begun
    fitted, unbroken, runs, kills, n_again = model.read_bytes(), losses(model), 0, 0, 0
    before = write_models(folder / "models")[0].read_bytes()
    again = folder / "again.safetensors"
    while kills < times:
        runs += 1
        if runs % 3 == 1:  # programs are compiled, and kept, anew
            for file in (folder / "kept").rglob("*"):
                if file.is_file():
                    file.unlink()
        model.write_bytes(before)
        process = fit(model)
        try:
            process.wait(timeout=seconds * rng.uniform(0.1, 1.0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
        if model.read_bytes() not in (before, fitted):
            raise AssertionError("the file is neither the model that was there nor the new one")
        if runs % 3 == 0:
            assert fit(again).wait() == 0
            np.testing.assert_array_equal(losses(again), unbroken)
            n_again += 1
    n = {"kills": kills, "over_before": runs - kills, "fitted_again": n_again}
    return n | {"fit_seconds": round(seconds, 1)}


def main() -> None:
    """Kill as often as asked, and print what was found."""
    parser = argparse.ArgumentParser(description="Kill processes that write.")
    parser.add_argument("part", choices=("save", "fit"))
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    kill = {"save": kill_saves, "fit": kill_fits}[options.part]
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        facts = kill(options.times, Path(folder), options.seed)
    seconds = round(time.monotonic() - begun)
    print(json.dumps({"part": options.part} | facts | {"seconds": seconds}))


if __name__ == "__main__":
    main()
