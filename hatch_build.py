"""Compile the native decoder into the wheel, or leave it out where that does not work.

Without it egem is the same, only slower: JAX's scan decodes. `python hatch_build.py` compiles it in
place, for those who work on it. `EGEM_NO_KERNEL=1` leaves it out.
"""

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SOURCE = Path(__file__).parent / "src/egem/runtime/kernel"
LIBRARY = SOURCE / "libegem.so"
FLAGS = [
    *("-std=c++17", "-O3", "-fPIC", "-fvisibility=hidden"),
    *("-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi"),
]
WIDTHS = {"plain": (4, [])}  # lanes and compiler flags of each instruction set
if platform.machine().lower() in ("x86_64", "amd64"):
    WIDTHS["avx2"] = 8, ["-mavx2", "-mfma"]
    wide = ["-mavx512f", "-mavx512dq", "-mprefer-vector-width=512"]
    WIDTHS["avx512"] = 16, ["-mavx2", "-mfma", *wide]


def compile_kernel(library: Path = LIBRARY, *flags: str) -> None:
    """Write the library, with further flags; raises OSError or CalledProcessError on failure."""
    import jaxlib

    headers = Path(jaxlib.__file__).parent / "include"
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++") or "clang++"

    def run(arguments: list[str]) -> None:
        subprocess.run([compiler, *arguments], check=True, capture_output=True)

    # Plain objects come first: the linker takes the first copy of a template that several objects
    # hold, and every CPU must be able to run it.
    jobs = {"ffi": ["-isystem", str(headers), str(SOURCE / "ffi.cc")]}
    for isa, (lanes, of_isa) in WIDTHS.items():
        for source in ("lstm", "push", "normal", "features"):
            define = [f"-DEGEM_ISA={isa}", f"-DEGEM_LANES={lanes}"]
            jobs[f"{source}-{isa}"] = [*of_isa, *define, str(SOURCE / f"{source}.cc")]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = [f"{folder}/{name}.o" for name in jobs]
        commands = zip(jobs.values(), objects, strict=True)
        list(pool.map(lambda job: run([*FLAGS, *flags, *job[0], "-c", "-o", job[1]]), commands))
        made = f"{folder}/{library.name}"
        run(["-shared", *flags, *objects, "-o", made])
        shutil.copy(made, f"{library}.new")  # a running process may have the old one open
        os.replace(f"{library}.new", library)


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a script
    pass
else:

    class KernelBuildHook(BuildHookInterface):
        """Hatchling's hook for wheels, editable ones too."""

        def initialize(self, version: str, build_data: dict) -> None:
            """Compile, and say what the wheel holds."""
            if self.target_name != "wheel" or os.environ.get("EGEM_NO_KERNEL"):
                return
            try:
                compile_kernel()
            except (ImportError, OSError, subprocess.CalledProcessError) as error:
                self.app.display_warning(f"egem is built without its native decoder: {error}")
                return
            build_data["pure_python"] = False
            tag = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["tag"] = f"py3-none-{tag}"
            build_data["artifacts"].append("src/egem/runtime/kernel/libegem.so")


if __name__ == "__main__":
    try:
        compile_kernel()
    except subprocess.CalledProcessError as error:
        sys.exit(error.stderr.decode())
