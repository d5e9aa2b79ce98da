"""The numbers of the report, computed from the results file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from egem.apps.paper.protocol import CONDITIONS, FULL, N_SETTINGS, PUBLISHED

BEST_TEST, BEST_VALIDATION = "noise best", "noise best, by validation"
EGEM_ROWS = ("base", "noise average", BEST_TEST, BEST_VALIDATION)
PUBLISHED_ROWS = ("base", "noise average", BEST_TEST, "forward LSTM", "1NN")
OUR_ROWS = (
    BEST_VALIDATION,
    "EGEM default",
    "1NN-DTW",
    "MiniRocket",
    "LDA",
    "Gaussian process",
    "one generator",
)
PROBLEMS = ("mnist", "characters")
NOISE_RUNS = [f"EGEM {s}" for s in range(1, N_SETTINGS)]


@dataclass(frozen=True)
class Results:
    """The finished runs.

    Attributes
    ----------
    table : DataFrame
        The results file, with the problem (``"mnist"`` or ``"characters"``) as a further column.
    """

    table: pd.DataFrame

    @classmethod
    def load(cls, path: Path) -> "Results":
        """Read a results file."""
        table = pd.read_csv(path)
        table["problem"] = table["run"].str.split("/").str[0]
        return cls(table)

    @property
    def problems(self) -> list[str]:
        """Problems with finished runs, in the order of the table."""
        return [p for p in PROBLEMS if (self.table["problem"] == p).any()]

    def title(self, problem: str) -> str:
        """Return the name of a problem, with its data set where that is a substitute."""
        dataset = self.table.loc[self.table["problem"] == problem, "dataset"].iloc[0]
        name = {"mnist": "MNIST", "characters": "characters"}[problem]
        return name if dataset == problem else f"{name} (here {dataset})"

    def column(self, problem: str, condition: str, row: str, column: str) -> pd.Series:
        """Return a figure of a row by repeat; empty where there is none."""
        t = self.table
        if column not in t:
            return pd.Series(dtype=float)
        of = (t["problem"] == problem) & (t["condition"] == condition) & (t["row"] == row)
        values = pd.Series(t.loc[of, column].to_numpy(), index=t.loc[of, "repeat"].to_numpy())
        return values.dropna().sort_index()

    def lists(self, problem: str, condition: str, row: str, column: str) -> np.ndarray | None:
        """Mean over repeats of a figure that is a list, or None."""
        cells = self.column(problem, condition, row, column)
        return np.mean([json.loads(c) for c in cells], axis=0) if len(cells) else None

    def noise(self, problem: str, condition: str, column: str) -> pd.DataFrame:
        """Return a figure of the eight noise settings (columns) in the repeats that have all."""
        runs = {row: self.column(problem, condition, row, column) for row in NOISE_RUNS}
        return pd.DataFrame(runs).dropna()

    def best_setting(self, problem: str, condition: str) -> str | None:
        """Return the noise run best by mean test accuracy, as published."""
        accuracy = self.noise(problem, condition, "accuracy")
        return None if accuracy.empty else str(accuracy.mean().idxmax())

    def accuracy(self, problem: str, condition: str, row: str) -> pd.Series:
        """Accuracy of a row of the table by repeat."""
        if row not in EGEM_ROWS:
            return self.column(problem, condition, row, "accuracy")
        if row == "base":
            return self.column(problem, condition, "EGEM 0", "accuracy")
        accuracy = self.noise(problem, condition, "accuracy")
        if row == "noise average" or accuracy.empty:
            return accuracy.mean(axis=1)
        if row == BEST_TEST:
            return accuracy.loc[:, str(accuracy.mean().idxmax())]
        chosen = self.noise(problem, condition, "validation_accuracy").idxmax(axis=1)
        return pd.Series({r: accuracy.loc[r, chosen[r]] for r in accuracy.index}, dtype=float)

    def paired(self, problem: str, condition: str, row: str) -> tuple[float, float, float, int]:
        """Return mean difference to 1NN on the same cases, its 95% interval and the repeats."""
        both = pd.concat(
            [self.accuracy(problem, condition, r) for r in (row, "1NN")], axis=1, join="inner"
        ).dropna()
        return interval((both.iloc[:, 0] - both.iloc[:, 1]).to_numpy(float))

    def cells(self) -> pd.DataFrame:
        """Return every cell of the table: ours, the published value, the difference to 1NN."""
        rows: list[dict[str, Any]] = []
        for problem in self.problems:
            wanted = [(c, r) for c in CONDITIONS for r in (*PUBLISHED_ROWS, *OUR_ROWS)]
            for condition, row in [*wanted, ("full", FULL)]:
                accuracy = self.accuracy(problem, condition, row)
                published, sd = PUBLISHED.get((problem, condition, row), (np.nan, np.nan))
                if accuracy.empty and np.isnan(published):
                    continue
                no_pair = accuracy.empty or condition == "full" or row == "1NN"
                gap = (np.nan,) * 3 if no_pair else self.paired(problem, condition, row)[:3]
                rows.append(
                    {
                        "problem": problem,
                        "condition": condition,
                        "row": row,
                        "mean": accuracy.mean(),
                        "sd": accuracy.std(),
                        "n": len(accuracy),
                        "published": published,
                        "published_sd": sd,
                        "gap": gap[0],
                        "low": gap[1],
                        "high": gap[2],
                    }
                )
        return pd.DataFrame(rows)


def interval(differences: np.ndarray) -> tuple[float, float, float, int]:
    """Mean of differences, its 95% interval by Student's t, and their number.

    >>> [round(x, 3) for x in interval(np.array([0.1, 0.2, 0.3]))]
    [0.2, -0.048, 0.448, 3]
    """
    from scipy.stats import t

    n = len(differences)
    mean = float(differences.mean()) if n else np.nan
    if n < 2:
        return mean, np.nan, np.nan, n
    half = float(t.ppf(0.975, n - 1) * differences.std(ddof=1) / np.sqrt(n))
    return mean, mean - half, mean + half, n


def off_diagonal(means: np.ndarray, names: list[str]) -> list[str]:
    """List the classes whose lowest mean loss is another class's expert's.

    >>> off_diagonal(np.array([[1.0, 2.0], [0.5, 3.0]]), ["a", "b"])
    ['b (lowest: a)']
    """
    lowest = means.argmin(axis=1)
    return [f"{names[c]} (lowest: {names[e]})" for c, e in enumerate(lowest) if c != e]
