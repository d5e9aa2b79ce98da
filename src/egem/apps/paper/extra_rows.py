"""Runs beside the table: fidelity of training, style size, the two-dimensional latent picture."""

import jax
import numpy as np

from egem.apps.paper.baselines.one_generator import OneGeneratorClassifier
from egem.apps.paper.egem_rows import Arrays, Figures
from egem.apps.paper.experts import Lesson, Schedule, train_stacked
from egem.apps.paper.protocol import N_SETTINGS, Draw, Task
from egem.runtime.progress import Advance

N_FIDELITY_CLASSES = 3
STYLES = (0, 1, 2, 3, 5, 10, 20, 50)
LATENT_NOISE = (0.0, 0.1, 0.2, 0.4)
LATENT_SIDE = 41


def fidelity(
    task: Task, condition: str, cases: Draw, seed: int, n_jobs: int | None, advance: Advance
) -> Figures:
    """Training error of the published recipe and of ours: three classes, all noise settings."""
    classes = np.unique(cases.y)
    of = classes[np.linspace(0, len(classes) - 1, N_FIDELITY_CLASSES).astype(int)]
    noise = np.array(task.noise(condition) * N_FIDELITY_CLASSES, np.float32)
    lesson = Lesson(
        np.asarray(jax.random.split(jax.random.PRNGKey(seed), len(noise))),
        np.repeat(
            np.stack([cases.X[cases.y == c].transpose(2, 0, 1) for c in of]), N_SETTINGS, axis=0
        ),
        noise[:, 0],
        noise[:, 1],
    )
    figures: Figures = {"classes": [str(c) for c in of]}
    schedules = {"published": Schedule.published(task.published_updates), "ours": task.schedule}
    for name, schedule in schedules.items():
        _, losses = train_stacked(
            lesson, task.n_cells, schedule, n_jobs, lambda a: advance(a / len(noise) / 2)
        )
        figures[f"{name}_mse"] = float(losses.mean())
        by_setting = losses.reshape(N_FIDELITY_CLASSES, N_SETTINGS).mean(axis=0)
        figures[f"{name}_mse_by_setting"] = [float(f"{loss:.4g}") for loss in by_setting]
    return figures


def style(task: Task, cases: Draw, seed: int, advance: Advance) -> Figures:
    """Part II's lesson: accuracy of one generator against the size of its free input."""
    accuracy, loss = [], []
    sizes = STYLES[::3] if task.quick else STYLES
    for size in sizes:
        model = OneGeneratorClassifier(
            style_dim=size,
            n_updates=300 if task.quick else 2000,
            random_state=seed % 2**31,
        )
        model.fit(cases.X, cases.y)
        accuracy.append(float((model.predict(cases.X_test) == cases.y_test).mean()))
        loss.append(float(f"{model.train_loss_:.5g}"))
        advance(1 / len(sizes))
    return {
        "accuracy": accuracy[0],
        "style_sizes": list(sizes),
        "accuracy_by_style": accuracy,
        "train_mse_by_style": loss,
    }


def latent(task: Task, cases: Draw, seed: int, advance: Advance) -> tuple[Figures, Arrays]:
    """Part I's picture: the loss over the codes of a generator of two classes."""
    classes = np.unique(cases.y)
    pair = classes[:2] if task.dataset != "characters" else np.array(["a", "b"])
    ours = np.isin(cases.y, pair)
    targets = [cases.X_test[cases.y_test == c][0] for c in pair]
    axis = np.linspace(-0.25, 1.25, LATENT_SIDE, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    maps, found = [], []
    for noise in LATENT_NOISE:
        model = OneGeneratorClassifier(
            n_cells=20,
            code_noise=noise,
            n_updates=300 if task.quick else 2000,
            batch_size=8,
            random_state=seed % 2**31,
        )
        model.fit(cases.X[ours], cases.y[ours])
        imagined = model.imagine(grid, cases.X.shape[2])
        maps.append([((imagined - target) ** 2).mean(axis=(1, 2)) for target in targets])
        found.append(model.invert(np.stack(targets)))
        advance(1 / len(LATENT_NOISE))
    arrays = {
        "axis": axis,
        "noise": np.array(LATENT_NOISE),
        "pair": pair,
        "loss": np.array(maps, np.float32).reshape(len(maps), 2, LATENT_SIDE, LATENT_SIDE),
        "found": np.array(found),
        "target": np.stack(targets),
    }
    return {"classes": [str(c) for c in pair]}, arrays
