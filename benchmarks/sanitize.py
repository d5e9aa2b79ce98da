"""Run the tests of the native code under the address and undefined-behaviour sanitizers.

    python benchmarks/sanitize.py [arguments of pytest]

`make sanitize` runs this. It compiles the native code into a temporary folder and leaves the
compiled code in use as it is. It needs GCC and its libasan. JAX itself is not instrumented.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from hatch_build import compile_kernel  # noqa: E402

FLAGS = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined")
TESTS = ("tests/test_native.py", "-m", "slow or not slow", "-n", "2", "-p", "no:cacheprovider")


def runtime(name: str) -> str:
    """Return the path of one of the compiler's libraries."""
    asked = [os.environ.get("CXX", "c++"), f"-print-file-name={name}"]
    path = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    if not Path(path).is_absolute():
        raise SystemExit(f"the compiler has no {name}")
    return path


def main() -> int:
    # Python was not linked with either; the sanitizer looks for exceptions of C++ when it starts.
    preloaded = f"{runtime('libasan.so')} {runtime('libstdc++.so.6')}"
    with tempfile.TemporaryDirectory() as folder:
        library, start = Path(folder) / "libegem.so", time.perf_counter()
        compile_kernel(library, *FLAGS)
        print(f"compiled in {time.perf_counter() - start:.0f} s", flush=True)
        environment = {
            **os.environ,
            "EGEM_LIBRARY": str(library),
            "LD_PRELOAD": preloaded,
            "ASAN_OPTIONS": "detect_leaks=0",  # Python leaves much behind when it ends
            "UBSAN_OPTIONS": "print_stacktrace=1",
        }
        command = [sys.executable, "-m", "pytest", *TESTS, *sys.argv[1:]]
        return subprocess.run(command, env=environment, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
