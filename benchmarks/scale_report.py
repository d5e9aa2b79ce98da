"""Tables of `scale.csv`: runs, weak scaling, and a model of cost fitted to all."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from egem.calibration.folds import MAX_PAIRS, MIN_HELD

DOCS = Path(__file__).resolve().parents[1] / "docs"
BEGIN, END = "<!-- begin: benchmarks/scale.py -->", "<!-- end: benchmarks/scale.py -->"


class Cost(NamedTuple):
    """What something costs: a sum of terms, each a measured factor times what is worked on."""

    name: str
    unit: str
    field: Callable[[dict], float]
    terms: dict[str, Callable[[float, float], float]]  # of classes and cases


def held_out_pairs(classes: float, cases: float) -> float:
    """Return the pairs of a held-out case and a class in a fit on 4 cases a class."""
    return min(4 * classes, max(MAX_PAIRS / classes, MIN_HELD)) * classes


OF_FITTING: dict[str, Callable[[float, float], float]] = {
    "once": lambda c, n: 1.0,
    "a class": lambda c, n: c,
    "a held-out case and class": held_out_pairs,
}
COSTS = (
    Cost(
        "fit",
        "processor seconds",
        lambda row: row["cpu_fit_client"] + row["cpu_fit_workers"],
        OF_FITTING,
    ),
    Cost(
        "predict",
        "processor seconds",
        lambda row: row["cpu_predict_client"] + row["cpu_predict_workers"],
        {
            "once": lambda c, n: 1.0,
            "a case": lambda c, n: n,
            "a case and class": lambda c, n: n * c,
        },
    ),
    Cost(
        "memory of the client",
        "GB",
        lambda row: row["gb_client"],
        OF_FITTING,
    ),
    Cost(
        "memory of a worker",
        "GB",
        lambda row: row["gb_worker"],
        {"once": lambda c, n: 1.0, "a class": lambda c, n: c},
    ),
    Cost(
        "model file",
        "MB",
        lambda row: row["mb_model"],
        OF_FITTING,
    ),
)


def fitted(cost: Cost, rows: list[dict]) -> np.ndarray:
    """Fit a cost's factors, none negative, by relative errors."""
    terms = [[of(r["classes"], r["cases"]) for of in cost.terms.values()] for r in rows]
    told = np.array([cost.field(r) for r in rows])
    design = np.array(terms) / told[:, None]
    size = design.max(axis=0)
    return nnls(design / size, np.ones(len(rows)))[0] / size


def foretold(cost: Cost, factors: np.ndarray, classes: float, cases: float) -> float:
    """Return what a problem would cost."""
    return float(factors @ [of(classes, cases) for of in cost.terms.values()])


def report(rows: list[dict]) -> str:
    """Write runs, weak scaling, the model of cost with its error, and what it foretells."""
    show = ("part", "workers", "classes", "cases", "updates", "fit", "train", "predict")
    show += ("accuracy", "gb_client", "gb_worker", "mb_model", "load")
    lines = ["| " + " | ".join(show) + " |", "|" + "---|" * len(show)]
    lines += [
        "| " + " | ".join(f"{r[k]:g}" if k != "part" else r[k] for k in show) + " |" for r in rows
    ]
    lines += ["", *weak_scaling([r for r in rows if r["part"] in ("weak", "beside")]), ""]
    alike = [r for r in rows if r["part"] == "growing"]
    big = [r for r in rows if r["part"] == "big"]
    lines += [
        "| cost | factors | error, each run left out: median, worst | `big`: foretold, measured | "
        "10^5 classes | 10^5 classes, 10^9 cases |",
        "|---|---|---|---|---|---|",
    ]
    for cost in COSTS:
        factors = fitted(cost, alike)
        errors = []
        for i, row in enumerate(alike):
            others = fitted(cost, alike[:i] + alike[i + 1 :])
            told = foretold(cost, others, row["classes"], row["cases"])
            errors.append(abs(told / cost.field(row) - 1))
        parts = ", ".join(
            f"{f:.2g} {name}" for f, name in zip(factors, cost.terms, strict=True) if f
        )
        ahead = [foretold(cost, factors, 1e5, n) for n in (1000, 1e9)]
        tried = "; ".join(
            f"{foretold(cost, factors, r['classes'], r['cases']):.3g}, {cost.field(r):.3g}"
            for r in big
        )
        lines.append(
            f"| {cost.name}, {cost.unit} | {parts} | {np.median(errors):.0%}, {max(errors):.0%} | "
            f"{tried} | {ahead[0]:.3g} | {ahead[1]:.3g} |"
        )
    return "\n".join(lines)


def weak_scaling(rows: list[dict]) -> list[str]:
    """Compare one worker with two that have twice the classes, and with one beside another."""
    if not {1, 2} <= {r["workers"] for r in rows}:
        return ["Weak scaling was not measured: `python benchmarks/scale.py --parts weak`."]

    def seconds(part: str, workers: int) -> np.ndarray:
        of = [r for r in rows if r["part"] == part and r["workers"] == workers]
        return np.median([[r["train"], r["predict"]] for r in of], axis=0)

    alone = seconds("weak", 1)
    train, predict = alone / seconds("weak", 2)
    words = (
        f"Weak scaling from 1 to 2 workers, medians: training {train:.0%}, predict {predict:.0%}"
    )
    if any(r["part"] == "beside" for r in rows):
        train, predict = alone / seconds("beside", 1)
        words += (
            ". What the machine allows, by two clusters of one worker that know nothing of each "
            f"other and work at the same time: {train:.0%} and {predict:.0%}"
        )
    loads = [r["load"] for r in rows]
    return [f"{words} (load of the machine meanwhile: {min(loads):.1f} to {max(loads):.1f})."]


def write_report(file: Path) -> None:
    """Put the report of a csv into its place in docs/scale.md."""
    with file.open(newline="") as lines:
        rows = [
            {k: v if k in ("part", "when") else float(v) for k, v in row.items()}
            for row in csv.DictReader(lines)
        ]
    page = DOCS / "scale.md"
    before, rest = page.read_text().split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n\n{report(rows)}\n\n{END}{rest.split(END)[1]}")
