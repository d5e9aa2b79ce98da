"""Speed of this checkout beside an earlier version, in turns.

    python benchmarks/versions.py BASE [--sets digits characters] [--repeats 9]

BASE is a commit. Both versions are installed into temporary folders, with their native code, and
run in processes of their own with the dependencies of this environment. Each call is made by one
version and then the other, in changing order; printed are medians in seconds of processor and wall
time, and the median ratio of the pairs. Programs are compiled before. Data come from
`EGEM_DATA_DIR`; a fit uses four cases per class.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

CASES, SEED, N_TESTED, N_ONE = 4, 3, 300, 20
CALLS = {
    "fit": lambda clf, X, y, T: clf.fit(X, y),
    "predict": lambda clf, X, y, T: clf.predict(T),
    "predict_proba": lambda clf, X, y, T: clf.predict_proba(T),
    "losses": lambda clf, X, y, T: clf.losses(T),
    f"predict, {N_ONE} times one case": lambda clf, X, y, T: [clf.predict([x]) for x in T[:N_ONE]],
}


def install(commit: str | None, folder: Path) -> Path:
    """Install a commit, or the working tree where it is None, and return its folder."""
    source, target = Path.cwd(), folder / "lib"
    if commit is not None:
        source = folder / "source"
        subprocess.run(["git", "clone", "-q", ".", source], check=True)
        subprocess.run(["git", "-C", source, "checkout", "-q", commit], check=True)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target"]
    subprocess.run([*pip, target, source], check=True)
    return target


def serve(lib: Path, cache: Path, name: str, pipe: Any) -> None:
    """Make the calls that are asked for, with the version in a folder."""
    os.environ["EGEM_COMPILED"] = str(cache)
    sys.path.insert(0, str(lib))
    from egem import EGEMClassifier, few_shot_split, load_dataset

    X, y = load_dataset(name)
    y = np.asarray(y)
    train, test = few_shot_split(y, CASES, SEED)
    test = np.random.default_rng(0).permutation(test)[:N_TESTED]
    some, unseen = ([X[i] for i in index] for index in (train, test))
    clf = EGEMClassifier(random_state=0)
    while call := pipe.recv():
        wall, start = time.perf_counter(), time.process_time()
        CALLS[call](clf, some, y[train], unseen)
        pipe.send((time.process_time() - start, time.perf_counter() - wall))


def compare(base: str, names: list[str], repeats: int) -> None:
    """Print one line for each set and call."""
    spawn = get_context("spawn")
    with tempfile.TemporaryDirectory() as scratch:
        libs = {}
        for version, commit in (("base", base), ("here", None)):
            (Path(scratch) / version).mkdir()
            libs[version] = install(commit, Path(scratch) / version)
        for name in names:
            pipes = {}
            for version, lib in libs.items():
                pipes[version], end = spawn.Pipe()
                arguments = lib, lib.parent / "compiled", name, end
                spawn.Process(target=serve, args=arguments, daemon=True).start()
            for call in CALLS:
                taken = measure(pipes, call, repeats if call != "fit" else max(repeats // 2, 3))
                base_s, here_s = (np.median(taken[v], axis=0) for v in ("base", "here"))
                ratio = np.median(taken["here"] / taken["base"], axis=0)
                print(
                    f"{name}, {call}: base {base_s[0]:.3f} cpu {base_s[1]:.3f} wall, "
                    f"here {here_s[0]:.3f} cpu {here_s[1]:.3f} wall, "
                    f"ratio {ratio[0]:.2f} cpu {ratio[1]:.2f} wall",
                    flush=True,
                )
            for pipe in pipes.values():
                pipe.send(None)


def measure(pipes: dict[str, Any], call: str, repeats: int) -> dict[str, np.ndarray]:
    """Let the versions make a call in turns, once more than counts."""
    taken: dict[str, list] = {version: [] for version in pipes}
    for i in range(1 + repeats):
        for version in sorted(pipes, reverse=bool(i % 2)):
            pipes[version].send(call)
            taken[version].append(pipes[version].recv())
    return {version: np.array(each[1:]) for version, each in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base", help="commit to compare with")
    parser.add_argument("--sets", nargs="+", default=["digits", "characters"])
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    compare(options.base, options.sets, options.repeats)


if __name__ == "__main__":
    main()
