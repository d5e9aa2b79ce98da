"""Read files that are wrong, and see that each is refused by one clear error and nothing else.

    python benchmarks/fuzz.py models --runs 200000
    python benchmarks/fuzz.py data --runs 50000

A finding is another exception than ModelFileError or ValueError, a text that does not name the
file, more than 5 seconds of computing, more than 1 GiB of memory, an end of the process, or code
that was run (anything that starts a process, opens a connection, unpickles, or writes elsewhere).
Models that are accepted, and are of the shapes they were, classify a case.

With atheris (`pip install atheris`) the search is guided by the coverage of egem's own code;
without it, or with `--plain`, by the refusals: a mutant whose refusal is new is mutated further.
"""

import argparse
import collections
import importlib
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

atheris: Any = importlib.import_module("atheris") if find_spec("atheris") else None

if atheris and __name__ == "__main__" and "--plain" not in sys.argv and "--worker" in sys.argv:
    with atheris.instrument_imports(include=["egem"]):
        import egem.io.model_file
        import egem.io.packing
        import egem.io.schema
        import egem.readers.files
        import egem.readers.long_format
import numpy as np  # noqa: E402

import egem  # noqa: E402
from egem import EGEMClassifier, ModelFileError, read_data  # noqa: E402
from models import N_TIMEPOINTS, write_models  # noqa: E402
from mutants import STRUCTURED, mutant  # noqa: E402

FRESH = 0.5  # share of mutants that are made of a sound file, not of another mutant
MOST_SECONDS, MOST_BYTES = 5.0, 2**30
LONGEST_KEPT = 2**20  # bytes of a mutant that is mutated further
BAD_EVENTS = {
    *("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "subprocess.Popen"),
    *("pickle.find_class", "socket.connect", "os.remove", "os.rename", "os.mkdir"),
}


class Finding(AssertionError):
    """A file did what none may do."""


def seeds(kind: str, models: list[Path]) -> list[tuple[str, bytes]]:
    """Return sound files, ending and content, to begin with."""
    if kind == "models":
        return [("safetensors", path.read_bytes()) for path in models]
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(2, n)).round(3) for n in (5, 6, 7)]
    made: list[tuple[str, bytes]] = []
    with tempfile.TemporaryDirectory() as folder:
        for ending in ("csv", "parquet"):
            path = Path(folder, f"even.{ending}")
            egem.write_long(path, X, ["a", "b", "a"])
            made.append((ending, path.read_bytes()))
        for name, arrays in (
            ("a", {"X": np.ones((3, 2, 4)), "y": np.array(["a", "b", "a"]), "lengths": [2, 4, 3]}),
            ("b", {"X": np.ones((3, 4), np.float32), "y": np.arange(3)}),
        ):
            path = Path(folder, f"{name}.npz")
            (np.savez if name == "a" else np.savez_compressed)(path, **arrays)  # type: ignore[arg-type]
            made.append(("npz", path.read_bytes()))
    stamps = "case,time,label,x,y\n" + "".join(
        f"{c},2024-01-31T23:{m:02}:07,{c},{m / 7},\n" for c in "ab" for m in (1, 2, 4, 9)
    )
    made.append(("csv", stamps.encode()))
    made.append(("csv", b"time,case,x\n0,a,1\n0.5,a,2\n3,a,4\n1,b,2\n1,b,3\n2,b,9\n"))
    head = "@problemName waves\n@timeStamps false\n@missing true\n@univariate {}\n{}"
    head += "@equalLength {}\n@seriesLength 4\n@classLabel true a b\n@data\n"
    made.append(("ts", (head.format("true", "", "true") + "1,2,3,4:a\n2,?,4,5:b\n").encode()))
    several = head.format("false", "@dimensions 2\n", "false")
    made.append(("ts", (several + "1,2,3:4,5,6:a\n1,2:3,4:b\n").encode()))
    return made


class Examiner:
    """Reads files and counts the outcomes; raises :class:`Finding`."""

    def __init__(self, folder: str, models: list[Path], classify: bool = True):
        self.folder, self.classify = folder, classify
        self.outcomes: collections.Counter[str] = collections.Counter()
        self.peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.slowest, self.seen = 0.0, ""
        self.shapes = {_shapes(EGEMClassifier.load(path)) for path in models}
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple) -> None:
        if event in BAD_EVENTS:
            self.seen = f"{event} {args!r:.200}"
        written = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")
        if written and not str(args[0]).startswith(self.folder):
            self.seen = f"open {args!r:.200}"

    def __call__(self, ending: str, data: bytes) -> str:
        """Read a file; returns what was said of it."""
        path = Path(self.folder, f"file.{ending}")
        path.write_bytes(data)
        self.seen, begun = "", time.perf_counter()
        outcome = self._read(path)
        seconds = time.perf_counter() - begun
        if self.seen:
            raise Finding(f"code was run: {self.seen}")
        if seconds > MOST_SECONDS / 2:  # or the machine is busy: count what this process computes
            begun = time.process_time()
            self._read(path)
            seconds = time.process_time() - begun
            if seconds > MOST_SECONDS:
                raise Finding(f"took {seconds:.1f} s: {outcome}")
        self.slowest = max(self.slowest, seconds)
        self.peak = max(self.peak, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        if self.peak * 1024 > MOST_BYTES:
            raise Finding(f"{self.peak / 2**20:.2f} GiB of memory: {outcome}")
        self.outcomes["accepted" if outcome.startswith("accepted") else "refused"] += 1
        return outcome

    def _read(self, path: Path) -> str:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                if path.suffix != ".safetensors":
                    read_data(path)
                    return "accepted"
                model = EGEMClassifier.load(path)
        except Exception as error:
            fine = ModelFileError if path.suffix == ".safetensors" else ValueError
            text = str(error)
            if not isinstance(error, fine) or str(path) not in text or len(text) > 20_000:
                raise Finding(f"{type(error).__name__}: {text:.500}") from error
            return text.replace(str(path), "")
        few_steps = model.model_.search.max_steps <= 50
        if self.classify and _shapes(model) in self.shapes and few_steps:
            self._classify(model)
        return "accepted"

    def _classify(self, model: EGEMClassifier) -> None:
        """Classify by an accepted model: its answer means nothing, but it must return."""
        t = np.linspace(0, 6, N_TIMEPOINTS)
        X = np.stack([4 + t / 3, 100 * np.cos(t)])[None]
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                model.set_params(n_jobs=1, verbose=False).predict(X)
                self.outcomes["classified"] += 1
            except (ValueError, ArithmeticError) as error:
                self.outcomes[f"accepted, then {type(error).__name__}"] += 1


def _shapes(model: EGEMClassifier) -> Any:
    """Return what programs depend on: compiling others takes seconds, whatever the file holds."""
    its = model.model_
    experts = [tuple(np.shape(a) for a in (*t.params, t.codebook)) for t in its.experts]
    return (
        tuple(experts),
        None if its.metric is None else its.metric.basis.shape,
        its.preparation[2:],
    )


def plain(
    sound: list[tuple[str, bytes]], runs: int, seed: int, seconds: float, examine: Examiner
) -> int:
    """Mutate, read, and keep mutants whose refusal is new; returns how many were read."""
    rng = random.Random(seed)
    corpus, known, begun = list(sound), {"accepted"}, time.monotonic()
    for run in range(runs):
        if time.monotonic() - begun > seconds:
            return run
        ending, data = rng.choice(sound if rng.random() < FRESH else corpus)
        data = mutant(data, ending, rng.getrandbits(63))
        try:
            outcome = examine(ending, data)
        except Finding:
            keep(ending, data)
            raise
        kind_of_refusal = re.sub(r"[^A-Za-z ]+|'.*'", "", outcome)[:160]
        short = len(data) < LONGEST_KEPT  # others fill the memory, which is measured here
        if kind_of_refusal not in known and short and len(corpus) < 3000:
            known.add(kind_of_refusal)
            corpus.append((ending, data))
    return runs


def keep(ending: str, data: bytes) -> None:
    """Leave a file that did wrong in the current folder."""
    Path(f"finding.{ending}").write_bytes(data)


def guided(
    sound: list[tuple[str, bytes]], runs: int, seed: int, examine: Examiner, facts: Path
) -> None:
    """The same with libFuzzer, which keeps mutants that reach new code; does not return."""
    corpus = Path(examine.folder, "corpus")
    corpus.mkdir()
    for i, (ending, data) in enumerate(sound):
        (corpus / str(i)).write_bytes(ending.encode() + b"\n" + data)
    done = 0

    def change(data: bytes, max_size: int, seed: int) -> bytes:
        rng = random.Random(seed)
        ending, _, content = data.partition(b"\n")
        name = ending.decode("latin1")
        if rng.random() < FRESH or name not in STRUCTURED:
            name, content = rng.choice(sound)
        made = mutant(content, name, rng.getrandbits(63))
        return name.encode() + b"\n" + made[: max_size - 20]

    def one(data: bytes) -> None:
        nonlocal done
        ending, _, content = data.partition(b"\n")
        name = ending.decode("latin1")
        if name not in STRUCTURED:
            return  # libFuzzer's own first try
        try:
            examine(name, content)
        except Finding:
            keep(name, content)
            raise
        done += 1
        if done % 100 == 0 or done >= runs:
            facts.write_text(json.dumps(report(examine, done)))

    options = [f"-runs={runs + len(sound) + 2}", f"-seed={seed}", "-max_len=400000"]
    options += [
        "-timeout=300",
        "-rss_limit_mb=1024",
        "-len_control=0",
        "-mutate_depth=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one, custom_mutator=change)
    atheris.Fuzz()


def report(examine: Examiner, done: int) -> dict[str, Any]:
    """Return the outcomes so far."""
    facts = {"slowest_s": round(examine.slowest, 2), "peak_MiB": round(examine.peak / 1024)}
    return {"files": done} | dict(examine.outcomes) | facts


def main() -> None:
    """Read the files in a process of its own, and print what it found."""
    parser = argparse.ArgumentParser(description="Read files that are wrong.")
    parser.add_argument("kind", choices=("models", "data"))
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="only with --plain")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="not guided by coverage")
    parser.add_argument("--load-only", action="store_true", help="classify nothing")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)  # folder of the run
    options = parser.parse_args()
    if options.worker:
        with tempfile.TemporaryDirectory() as folder:
            models = sorted(options.worker.glob("models/*"))
            sound, facts = seeds(options.kind, models), options.worker / "facts.json"
            examine = Examiner(folder, models, not options.load_only)
            if atheris and not options.plain:
                guided(sound, options.runs, options.seed, examine, facts)
            done = plain(sound, options.runs, options.seed, options.seconds, examine)
            facts.write_text(json.dumps(report(examine, done)))
        return
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        write_models(Path(folder, "models"))
        found = Path(folder, "facts.json")
        begun = time.monotonic()
        command = [sys.executable, *sys.argv, "--worker", folder]
        code = subprocess.run(
            command, env=os.environ | {"TMPDIR": folder, "EGEM_COMPILED": "off"}
        ).returncode
        facts = json.loads(found.read_text()) if found.exists() else {}
    facts |= {
        "seconds": round(time.monotonic() - begun),
        "guided": bool(atheris) and not options.plain,
    }
    print(json.dumps({"kind": options.kind, "exit": code} | facts))
    sys.exit(code != 0)


if __name__ == "__main__":
    main()
