"""Runs beside the table, with one generator for all classes: style size, loss over its codes."""

import numpy as np

from egem.apps.paper.baselines.one_generator import OneGeneratorClassifier
from egem.apps.paper.egem_rows import short
from egem.apps.paper.protocol import Draw
from egem.apps.paper.runs import Result, Run

STYLES = (0, 1, 2, 3, 5, 10, 20, 50)
LATENT_NOISE = (0.0, 0.1, 0.2, 0.4)
LATENT_SIDE = 41


def style(run: Run, cases: Draw, n_jobs: int | None) -> Result:
    """Part II's lesson: accuracy of one generator against the size of its free input."""
    accuracy, loss = [], []
    sizes = STYLES[::3] if run.task.quick else STYLES
    for size in sizes:
        model = OneGeneratorClassifier(style_dim=size, **_settings(run))
        model.fit(cases.X, cases.y)
        accuracy.append(float((model.predict(cases.X_test) == cases.y_test).mean()))
        loss.append(short(model.train_loss_))
    return Result(
        {
            "accuracy": accuracy[0],
            "style_sizes": list(sizes),
            "accuracy_by_style": accuracy,
            "train_mse_by_style": loss,
        }
    )


def latent(run: Run, cases: Draw, n_jobs: int | None) -> Result:
    """Part I's picture: the loss over the codes of a generator of two classes."""
    classes = np.unique(cases.y)
    pair = classes[:2] if run.task.dataset != "characters" else np.array(["a", "b"])
    ours = np.isin(cases.y, pair)
    targets = np.stack([cases.X_test[cases.y_test == c][0] for c in pair])
    axis = np.linspace(-0.25, 1.25, LATENT_SIDE, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    maps, found = [], []
    for noise in LATENT_NOISE:
        model = OneGeneratorClassifier(
            n_cells=20, code_noise=noise, batch_size=8, **_settings(run)
        ).fit(cases.X[ours], cases.y[ours])
        decoded = model.imagine(grid, cases.X.shape[2])
        maps.append([((decoded - target) ** 2).mean(axis=(1, 2)) for target in targets])
        found.append(model.invert(targets))
    arrays = {
        "axis": axis,
        "noise": np.array(LATENT_NOISE),
        "pair": pair,
        "loss": np.array(maps, np.float32).reshape(len(maps), 2, LATENT_SIDE, LATENT_SIDE),
        "found": np.array(found),
        "target": targets,
    }
    return Result({"classes": [str(c) for c in pair]}, arrays)


def _settings(run: Run) -> dict[str, int]:
    return {"n_updates": 300 if run.task.quick else 2000, "random_state": run.seed % 2**31}
