"""The command line: results on stdout, progress and remarks on stderr.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped with Ctrl-C.
"""

import json
import platform
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from . import __version__
from .interrupt import insistent_interrupt

app = typer.Typer(
    name="egem",
    help="Classify sequences by imagining them: one generative expert for each class.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A .csv, .parquet, .npz or .ts file, or the name of a data set (see egem info).",
    ),
]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A model written by egem fit.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Makes the run repeatable.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no remarks.")]
Jobs = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, help="Threads; default one a core.")
]


_debug = False  # set by `egem --debug`: failures then show their traceback


def command(work: Callable[..., None]) -> Callable[..., None]:
    """Add a command whose failures are one line on stderr and an exit code, not a traceback."""

    @wraps(work)
    def guarded(*args, **options) -> None:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: _remark(f"warning: {message}")
            try:
                with insistent_interrupt():
                    work(*args, **options)
            except (typer.Exit, typer.BadParameter):
                raise
            except BaseException as error:
                raise typer.Exit(_failed(error)) from None

    return app.command()(guarded)


def _failed(error: BaseException) -> int:
    """Tell of a failure and return the exit code."""
    if isinstance(error, KeyboardInterrupt):
        _remark("stopped")
        return 130
    if isinstance(error, BrokenPipeError):
        sys.stderr.close()  # the reader has left; there is nobody to tell
        return 1
    if _debug:
        traceback.print_exception(error)
    elif isinstance(error, ValueError | OSError | ImportError | ArithmeticError):
        _remark(f"error: {error}")
    else:
        _remark(f"error: {type(error).__name__}: {error} (egem --debug ... shows where)")
    return 1


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"egem {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    global _debug
    _debug = debug


@command
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")] = Path(
        "egem-demo"
    ),
    k: Annotated[int, typer.Option("--k", min=1, help="Training digits a class.")] = 4,
    seed: Seed = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Learn ten digits from four examples each, read unseen ones, draw what was imagined."""
    from .demo import run_demo

    quiet = quiet or as_json
    report = run_demo(
        out, k=k, seed=seed, verbose=_interactive(quiet), say=_silent if quiet else print
    )
    if as_json:
        _print_json(report._asdict())
        return
    gained = (report.accuracy - report.accuracy_1nn) * report.n_test
    print(
        f"\naccuracy on {report.n_test:,} digits never seen, from {k} examples a class\n"
        f"  egem               {report.accuracy:.3f}\n"
        f"  nearest neighbour  {report.accuracy_1nn:.3f}\n"
        f"({gained:+.0f} digits; "
        f"{report.seconds_total:.0f} s in all, compilation included)\n\n"
        "look at\n  " + "\n  ".join(report.pictures) + "\nmodel\n  " + report.model
    )


@command
def fit(
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", help="Model file to write.")],
    k: Annotated[
        int | None, typer.Option("--k", min=1, help="Take only k random cases a class.")
    ] = None,
    metric: Annotated[
        str, typer.Option(help="auto, or one alone: whitened, features, the paper's mse.")
    ] = "auto",
    augment: Annotated[
        str, typer.Option(help="auto, none, series, pen or image: how cases are bent.")
    ] = "auto",
    cells: Annotated[int | None, typer.Option(min=1, help="LSTM cells of an expert.")] = None,
    updates: Annotated[int | None, typer.Option(min=1, help="Training steps.")] = None,
    seed: Seed = 0,
    jobs: Jobs = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train one expert for each class of labelled sequences, and write the model."""
    from .classifier import EGEMClassifier
    from .datasets import few_shot_split

    X, y = _read(data)
    if y is None:
        raise ValueError(f"{data}: there are no labels to learn; add a column or array of them.")
    n_held_out = 0
    if k is not None:
        train, test = few_shot_split(y, k=k, seed=seed)
        n_held_out = len(test)
        X, y = _take(X, train), y[train]
    _check_writable(out)
    start = time.perf_counter()
    clf = EGEMClassifier(
        metric=metric,  # pyright: ignore[reportArgumentType]
        augment=augment,  # pyright: ignore[reportArgumentType]
        n_cells=cells,
        n_updates=updates,
        n_jobs=jobs,
        random_state=seed,
        verbose=_interactive(quiet or as_json),
    ).fit(X, y)
    seconds = time.perf_counter() - start
    clf.save(out)
    if as_json:
        _print_json({"model": str(out), "seconds": seconds, "n_cases": len(y)} | describe(clf))
    elif not quiet:
        print(
            f"{len(clf.classes_)} experts learned {len(y)} cases in {seconds:.1f} s: {out}"
            + (f"\n{n_held_out} other cases were held out (seed {seed})" if n_held_out else "")
        )


@command
def predict(
    model: Model,
    data: Data,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where to write; default the screen.")
    ] = None,
    jobs: Jobs = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Classify sequences: a csv line for each, with its probability and its expert's loss.

    Where the data hold labels, they are listed beside and the accuracy is told.
    """
    import numpy as np

    from .calibration import probabilities
    from .classifier import EGEMClassifier

    clf = EGEMClassifier.load(model)
    clf.set_params(n_jobs=jobs, verbose=_interactive(quiet or as_json))
    X, y = _read(data)
    if out is not None:
        _check_writable(out)
    inversion = clf.invert(X)
    chances = probabilities(inversion.scores, clf.sharpness_)
    winner = inversion.scores.argmin(axis=1)
    cases = np.arange(len(winner))
    columns: dict[str, Any] = {
        "case": cases.tolist(),
        "predicted": clf.classes_[winner].tolist(),
        "probability": [round(float(p), 4) for p in chances[cases, winner]],
        "loss": [float(f"{v:.5g}") for v in inversion.losses[cases, winner]],
    }
    accuracy = None
    if y is not None:
        columns["label"] = y.tolist()
        accuracy = float(np.mean(clf.classes_[winner].astype(str) == y.astype(str)))
    if as_json:
        whole = {
            "classes": clf.classes_.tolist(),
            "accuracy": accuracy,
            "cases": [{name: of[i] for name, of in columns.items()} for i in cases],
            "probabilities": np.round(chances, 5).tolist(),
        }
        _write(json.dumps(whole), out)
    else:
        import pandas as pd

        _write(pd.DataFrame(columns).to_csv(index=False).rstrip("\n"), out)
    if accuracy is not None and not quiet:
        _remark(f"accuracy {accuracy:.4f} on {len(winner):,} labelled cases")


@command
def info(
    model: Annotated[
        Path | None, typer.Argument(metavar="[MODEL]", help="A model written by egem fit.")
    ] = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", hidden=True)] = False,
) -> None:
    """Describe a model; without one, this installation and the data sets at hand."""
    if model is None:
        facts = _installation()
    else:
        from .classifier import EGEMClassifier

        clf = EGEMClassifier.load(model)
        facts = {"file": str(model), "bytes": model.stat().st_size} | describe(clf)
    if as_json:
        _print_json(facts)
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        print(f"{name.replace('_', ' '):<{width}}  {shown}")


@command
def reproduce(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of results and report.")] = Path(
        "paper"
    ),
    quick: Annotated[
        bool, typer.Option("--quick", help="Every row once, with few cases: minutes, not hours.")
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Runs wanted, e.g. 'mnist/random/*' or 'EGEM 0'; may be repeated."),
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(min=1, help="New draws and weights; default 5, quick 1.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Begin no run after this long.")
    ] = None,
    jobs: Jobs = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Redo the paper's table and figures beside the published ones; stopped, it carries on."""
    from .paper import reproduce as work

    outcome = work(
        out,
        quick=quick,
        only=only or (),
        repeats=repeats,
        minutes=minutes,
        n_jobs=jobs,
        verbose=_interactive(quiet or as_json),
    )
    if as_json:
        report = outcome.report and str(outcome.report)
        _print_json(outcome._asdict() | {"report": report})
    elif not quiet:
        for row, reason in outcome.skipped.items():
            _remark(f"left out: {row} ({reason})")
        if outcome.n_left:
            print(f"{outcome.n_left} runs are left; the same command carries on")
        print(f"{outcome.n_done} runs done, {outcome.seconds:.0f} s now: {outcome.report}")


def describe(clf: Any) -> dict[str, Any]:
    """Facts on a fitted classifier, as plain JSON values."""
    from .training import count_parameters

    trained = clf.ensemble_.trained
    preparation = clf.preparation_
    return {
        "classes": clf.classes_.tolist(),
        "cases_per_class": [len(t.codes) for t in trained],
        "n_channels": preparation.n_channels,
        "n_timepoints": int(preparation.n_timepoints),
        "n_steps": int(preparation.steps_used),
        "n_cells": int(trained[0].expert.w_rec.shape[-2]),
        "parameters_per_expert": count_parameters(trained[0]),
        "code_size": int(trained[0].codes.shape[1]),
        "deformation": clf.kind_,
        "metric": clf.metric_.name,
        "shrinkage": round(float(clf.metric_.shrinkage), 4),
        "sharpness": round(float(clf.sharpness_), 4),
        "mean_training_loss": round(float(clf.train_loss_.mean()), 5),
    }


def _installation() -> dict[str, Any]:
    import jax

    from . import native
    from .datasets import available_datasets

    return {
        "egem": __version__,
        "python": platform.python_version(),
        "jax": jax.__version__,
        "devices": [str(device) for device in jax.devices()],
        "decoder": f"native, {native.KERNEL.name}" if native.KERNEL else "JAX's scan",
        "data_sets": available_datasets(),
    }


def _read(data: str):
    """Read a file, or load a data set of that name."""
    from .datasets import load_dataset
    from .readers import read_data

    path = Path(data)
    if path.suffix or path.exists():
        return read_data(path)
    try:
        return load_dataset(data)
    except ValueError as error:
        raise ValueError(f"{data}: there is no such file, and {error}") from error


def _take(X, index):
    """Pick cases of an array or of a list."""
    return [X[i] for i in index] if isinstance(X, list) else X[index]


def _check_writable(path: Path) -> None:
    """Refuse before the work rather than after it."""
    folder = path.parent
    if path.is_dir() or not folder.is_dir():
        trouble = "it is a folder" if path.is_dir() else f"there is no folder {folder}"
        raise OSError(f"{path} cannot be written: {trouble}; give a file in an existing folder.")


def _write(text: str, out: Path | None) -> None:
    if out is None:
        print(text)
    else:
        out.write_text(text + "\n")


def _interactive(quiet: bool) -> bool:
    """Bars are for people: none where stderr goes to a file."""
    return not quiet and sys.stderr.isatty()


def _print_json(value: Any) -> None:
    print(json.dumps(value))


def _remark(words: str) -> None:
    print(words, file=sys.stderr)


def _silent(_: str) -> None:
    pass
