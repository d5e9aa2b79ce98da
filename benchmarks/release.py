"""Build the sdist, the wheel from it, install both in a clean environment and use them.

    python benchmarks/release.py [--python python3.12] [--extras web,data]

The environment has nothing but `egem` and what it asks for; what is run there is outside the
repository. Ends with the licences and sizes of all that was installed (`benchmarks/licences.py`).
"""

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MUST_HOLD = ("egem/py.typed", "egem/apps/cli/__init__.py", "egem/apps/web/static/index.html")
USE = """
import numpy as np, egem
from egem import EGEMClassifier, Training
from egem.runtime import native
assert "site-packages" in egem.__file__, egem.__file__
X = np.sin(np.linspace(0, 6, 16) * np.random.default_rng(0).uniform(1, 3, (9, 1, 1)))
y = np.repeat(["a", "b", "c"], 3)
model = EGEMClassifier(training=Training(n_updates=20), random_state=0).fit(X, y)
model.save("m"); egem.write_long("x.csv", X, y)
assert (EGEMClassifier.load("m").losses(X) == model.losses(X)).all()
print("egem", egem.__version__, "decodes with", native.KERNEL.name if native.KERNEL else "scan")
"""


def main() -> None:
    """Build, install, use; raises where a step fails."""
    parser = argparse.ArgumentParser(description="Build, install and use.")
    parser.add_argument("--python", default=sys.executable, help="interpreter to install for")
    parser.add_argument("--extras", default="", help="to install as well, comma-separated")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)

        def run(*command: str | Path) -> None:
            clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
            subprocess.run([str(c) for c in command], check=True, cwd=at, env=clean)

        run(options.python, "-m", "venv", at / "env")
        python, bin_ = at / "env/bin/python", at / "env/bin"
        run(python, "-m", "pip", "install", "--quiet", "build")
        run(python, "-m", "build", "--outdir", at / "dist", ROOT)  # the wheel is made of the sdist
        (sdist,), (wheel,) = (list((at / "dist").glob(e)) for e in ("*.tar.gz", "*.whl"))
        names = zipfile.ZipFile(wheel).namelist()
        lacking = [name for name in MUST_HOLD if name not in names]
        assert not lacking, f"the wheel lacks {lacking}"
        assert any(n.endswith("libegem.so") for n in names), "the wheel has no native decoder"
        with tarfile.open(sdist) as archive:
            assert any(n.endswith("hatch_build.py") for n in archive.getnames())
        for made in (wheel, sdist):
            again = ("--force-reinstall", "--no-deps") if made is sdist else ()
            extras = f"[{options.extras}]" if options.extras else ""
            run(python, "-m", "pip", "install", "--quiet", *again, f"{made}{extras}")
            run(python, "-m", "pip", "check")
            run(python, "-c", USE)
            run(bin_ / "egem", "predict", "m", "x.csv", "--out", "predicted.csv")
            run(bin_ / "egem", "info", "m")
            print(f"{made.name}: built, installed and used", flush=True)
        run(python, ROOT / "benchmarks/licences.py", *filter(None, [options.extras]))


if __name__ == "__main__":
    main()
