"""List what egem brings along: version, size and licence; fail at copyleft and at unknown ones.

    python benchmarks/licences.py [extras, comma-separated]

Works on what is installed where it runs. A licence counts by its SPDX expression, its classifiers,
or its first line; of a choice (OR) one must be allowed, of a sum (AND) all.
"""

import re
import sys
from collections.abc import Iterable
from importlib import metadata
from typing import Any

ALLOWED = re.compile(
    r"MIT|BSD|Apache|PSF|Python Software Foundation|ISC|HPND|Unlicense|Zlib|CC0|Unicode",
    re.IGNORECASE,
)
COPYLEFT = re.compile(r"\b[AL]?GPL|GNU|MPL|Mozilla|EPL|EUPL|CDDL", re.IGNORECASE)
# Weak copyleft that reaches no further than the package's own files, and is none of the core's.
EXCUSED = {"certifi": "MPL-2.0: a list of certificates, used as it is"}


def closure(name: str, extras: Iterable[str]) -> list[str]:
    """Names of all distributions that one needs, itself included."""
    from packaging.requirements import Requirement

    seen: set[tuple[str, tuple[str, ...]]] = set()
    left = [(name, tuple(extras))]
    while left:
        name, asked = left.pop()
        name = re.sub(r"[-_.]+", "-", name).lower()
        if (name, asked) in seen:
            continue
        seen.add((name, asked))
        for line in metadata.requires(name) or ():
            need = Requirement(line)
            for extra in ("", *asked):
                if need.marker is None or need.marker.evaluate({"extra": extra}):
                    left.append((need.name, tuple(sorted(need.extras))))
                    break
    return sorted({name for name, _ in seen})


def licence(name: str) -> str:
    """What a distribution says its licence is."""
    about: Any = metadata.metadata(name)
    if expression := about.get("License-Expression"):
        return expression
    classed = [c for c in about.get_all("Classifier") or () if c.startswith("License ::")]
    if classed:
        return " AND ".join(c.split(" :: ")[-1] for c in classed)
    return (about.get("License") or "unknown").strip().splitlines()[0]


def fine(said: str) -> bool:
    """Whether what is said allows any use."""
    return any(
        all(
            ALLOWED.search(part) and not COPYLEFT.search(part)
            for part in re.split(r"\s+AND\s+", choice)
        )
        for choice in re.split(r"\s+OR\s+", said)
    )


def megabytes(name: str) -> float:
    """Size of a distribution's files."""
    paths = [file.locate() for file in metadata.distribution(name).files or ()]
    return sum(p.stat().st_size for p in paths if p.exists()) / 1e6  # type: ignore[attr-defined]


def main() -> None:
    """Print a line for each; exit with 1 where one is not allowed."""
    extras = sys.argv[1].split(",") if len(sys.argv) > 1 else []
    wrong, total = [], 0.0
    for name in closure("egem", extras):
        said, size = licence(name), megabytes(name)
        total += size
        ok = fine(said) or name in EXCUSED
        wrong += [] if ok else [name]
        note = EXCUSED.get(name, said) + ("" if ok else "  !")
        print(f"{name:24} {metadata.version(name):14} {size:7.1f} MB  {note}")
    print(f"{'in all':39} {total:7.1f} MB")
    if wrong:
        sys.exit(f"copyleft or unknown: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
