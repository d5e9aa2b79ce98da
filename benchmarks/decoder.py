"""The native decoder against JAX's scan, on one core.

    python benchmarks/decoder.py [--parts calls characters digits] [--repeats 5] [--out FOLDER]

Prints two tables and, given a folder, writes them to `decoder.md` in it. All contestants of a
comparison take turns in one run. Times are processor time, which other load on the machine disturbs
less than wall time; ratios are medians of the ratios within a turn. The JAX contestants:

* scan: `jax.lax.scan` over states (code, cell), as egem decodes without the native code;
* unroll 4, unroll 8: the same, with 4 or 8 steps in the body of the loop;
* cells first: states (cell, code), so that codes are the contiguous axis; also with unroll 8.

calls: single calls of compiled functions. `decode` gives the sequences, `gradient` the gradient of
their sum of squares in weights and codes, `jacobian` the sequences and their derivatives along the
code, `step` the products that a Levenberg-Marquardt step needs: residuals and derivatives with each
other and with 32 directions of the metric.

models: `fit` and `predict` of an `EGEMClassifier` with defaults, four cases a class, each
contestant in a process of its own. The first fit compiles and is a row of its own. `no native code`
is what EGEM_KERNEL=scan gives: JAX computes the convolution features as well. Unrolling by 8 is
left out: its programs take minutes to compile.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

if hasattr(os, "sched_setaffinity"):  # XLA's own setting leaves its larger products on all cores
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"

import jax
import jax.numpy as jnp
import numpy as np

from egem.core import lstm as decoder
from egem.runtime import native

SHAPES = {  # experts, codes each, code entries, cells, channels, steps
    "characters, published size": (20, 400, 4, 10, 3, 205),
    "16 letters and 4 experts": (4, 16, 17, 16, 3, 52),
    "MNIST, all data, a training step": (4, 64, 22, 48, 28, 28),
}
N_DIRECTIONS = 32
LARGEST = 64  # codes of an expert whose Jacobian JAX can hold
NATIVE, SCAN, NO_NATIVE_CODE = "native", "scan", "no native code"
IN_MODELS = (NATIVE, SCAN, "unroll 4", "cells first", NO_NATIVE_CODE)
SEED, CASES, MAX_TESTED = 10, 4, 1000
TEXT = f"""# The decoder

The recurrence of the LSTM exists twice: in JAX, and in C++ (`src/egem/runtime/kernel`), which JAX
calls where it could be compiled. `python benchmarks/decoder.py --out docs/benchmarks` compares the
two and writes this page; its head says how. Figures are medians of processor time on one core.

The rule, written before the first run: the native decoder stays if, without it and with the best
JAX variant in its place, a fit or a predict of characters or digits at k = {CASES} takes more than
1.3 times as long. A JAX variant replaces the present scan if it is more than 10 % faster than the
scan in a fit or a predict.
"""


def cells_first(first, rec, bias, out, n_steps: int, unroll: int = 1) -> jax.Array:
    """Compute what the decoder's scan does, with states (cell, code)."""
    weights = rec.T

    def step(state, _):
        gates, c = state
        i, f, g, o = jnp.split(gates, 4)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (weights @ h + bias[:, None], c), h

    c = jnp.zeros((rec.shape[0], len(first)), first.dtype)
    _, h = jax.lax.scan(step, (first.T, c), None, length=n_steps, unroll=unroll)
    return jnp.einsum("thn,hc->ntc", h, out)


SCANS: dict[str, Callable] = {
    SCAN: decoder.scan,
    "unroll 4": partial(decoder.scan, unroll=4),
    "unroll 8": partial(decoder.scan, unroll=8),
    "cells first": cells_first,
    "cells first, unroll 8": partial(cells_first, unroll=8),
}


def example(shape: tuple[int, ...]) -> tuple[jax.Array, ...]:
    """Draw codes and weights of experts that neither forget at once nor saturate."""
    n_experts, n_codes, code_size, n_cells, n_channels, _ = shape
    rng = np.random.default_rng(0)

    def draw(*sizes: int) -> np.ndarray:
        return rng.uniform(-1, 1, (n_experts, *sizes)).astype(np.float32) * n_cells**-0.5

    bias = draw(4 * n_cells)
    bias[:, n_cells : 2 * n_cells] += 1
    codes, w_code = draw(n_codes, code_size), draw(code_size, 4 * n_cells)
    rec, out = draw(n_cells, 4 * n_cells), draw(n_cells, n_channels)
    return tuple(map(jnp.asarray, (codes, w_code, rec, bias, out)))


def programs(scan: Callable | None, n_steps: int, n_channels: int) -> dict[str, Callable]:
    """Compile what egem asks of a decoder, by a scan or, without one, by the native code."""
    p = n_steps * n_channels
    basis = jax.random.normal(jax.random.PRNGKey(1), (p, N_DIRECTIONS))
    unroll: Callable = scan or native.unroll

    def decode(codes, w_code, rec, bias, out):
        y: jax.Array = unroll(codes @ w_code + bias, rec, bias, out, n_steps)
        return y

    def jacobian(codes, w_code, rec, bias, out):
        first = codes @ w_code + bias
        if scan is None:
            return native.unroll_with_jacobian(first, w_code, rec, bias, out, n_steps)

        def decoded(first):
            return unroll(first, rec, bias, out, n_steps)

        def along(row):
            return jax.jvp(decoded, (first,), (first * 0 + row,))

        return jax.vmap(along, out_axes=(None, 1))(w_code)

    def step(codes, w_code, rec, bias, out):
        targets, mask = jnp.zeros((len(codes), p)), jnp.ones((len(codes), p))
        if scan is None:
            first, out_bias = codes @ w_code + bias, jnp.zeros(n_channels)
            arrays = first, w_code, rec, bias, out, out_bias, targets, mask, basis
            return native.normal_products(*arrays, n_steps)
        y, derivatives = jacobian(codes, w_code, rec, bias, out)
        residuals = y.reshape(targets.shape) - targets
        rows = jnp.concatenate([residuals[:, None], derivatives.reshape(*codes.shape, p)], axis=1)
        rows = rows * mask[:, None]
        return rows @ rows.swapaxes(1, 2), rows @ basis

    def gradient(*arrays):
        return jax.grad(lambda *a: jnp.sum(jax.vmap(decode)(*a) ** 2), range(5))(*arrays)

    mapped = {f.__name__: jax.vmap(f) for f in (decode, jacobian, step)} | {"gradient": gradient}
    return {name: jax.jit(f) for name, f in mapped.items()}


def in_turns(calls: dict[str, Callable], repeats: int) -> dict[str, np.ndarray]:
    """Return seconds of each call; calls take turns, since the machine's speed changes.

    Each is called twice in its turn, and the second time counts: the first finds the data of others
    in the caches.
    """
    taken = {name: np.empty(repeats) for name in calls}
    for i in range(repeats):
        for name, call in calls.items():
            jax.block_until_ready(call())
            start = time.process_time()
            jax.block_until_ready(call())
            taken[name][i] = time.process_time() - start
    return taken


def compare_calls(repeats: int) -> Iterator[list[str]]:
    """Yield rows of the table of single calls: milliseconds, and ratios to the native decoder."""
    for name, shape in SHAPES.items():
        *_, n_channels, n_steps = shape
        arrays = example(shape)
        made = {by: programs(scan, n_steps, n_channels) for by, scan in SCANS.items()}
        made = {NATIVE: programs(None, n_steps, n_channels)} | made
        for what in ("decode", "gradient", "jacobian", "step"):
            if what in ("jacobian", "step") and shape[1] > LARGEST:
                continue
            calls = {by: partial(of[what], *arrays) for by, of in made.items()}
            check(calls)
            yield [name, what, *compared(in_turns(calls, repeats), 1e3)]


def check(calls: dict[str, Callable]) -> None:
    """Compile all, and raise AssertionError where they disagree."""
    expected = jax.tree.leaves(calls[NATIVE]())
    for call in calls.values():
        for a, b in zip(jax.tree.leaves(call()), expected, strict=True):
            assert jnp.linalg.norm(a - b) <= 1e-4 * jnp.linalg.norm(b)


def compared(taken: dict[str, np.ndarray], scale: float) -> list[str]:
    """Format the first contestant's median, and the others' ratios to it."""
    own = taken[NATIVE]
    ratios = [f"{np.median(values / own):.2f}" for by, values in taken.items() if by != NATIVE]
    return [f"{scale * np.median(own):.3g}", *ratios]


def serve(by: str, name: str, pipe) -> None:
    """Fit and predict whenever asked to, with one contestant as the decoder."""
    os.environ["EGEM_COMPILED"] += f"/{by}"
    if by != NATIVE:
        native.supports = native.supports_normal_products = lambda *_: False
        decoder.scan = SCANS.get(by, decoder.scan)
    if by == NO_NATIVE_CODE:
        native.KERNEL = None
    from egem import EGEMClassifier, few_shot_split, load_dataset

    X, y = load_dataset(name)
    y = np.asarray(y)
    train, test = few_shot_split(y, CASES, SEED)
    test = np.random.default_rng(SEED).permutation(test)[:MAX_TESTED]
    some, unseen = ([X[i] for i in index] for index in (train, test))
    while pipe.recv():
        start = time.process_time()
        clf = EGEMClassifier(random_state=SEED).fit(some, y[train])
        fitted = time.process_time()
        found = clf.predict(unseen)
        pipe.send((fitted - start, time.process_time() - fitted, float(np.mean(found == y[test]))))


def compare_models(name: str, repeats: int) -> Iterator[list[str]]:
    """Yield rows of the table of whole fits and predictions: seconds, and ratios."""
    context = multiprocessing.get_context("spawn")
    pipes, workers = {}, []
    for by in IN_MODELS:
        pipes[by], theirs = context.Pipe()
        workers.append(context.Process(target=serve, args=(by, name, theirs), daemon=True))
        workers[-1].start()
    taken = {by: [] for by in pipes}
    for _ in range(1 + repeats):
        for by, pipe in pipes.items():
            pipe.send(True)
            taken[by].append(pipe.recv())
    for pipe, worker in zip(pipes.values(), workers, strict=True):
        pipe.send(False)
        worker.join()
    found = {by: np.array(values) for by, values in taken.items()}
    for i, what in enumerate(("fit", "predict")):
        yield [name, what, *compared({by: of[1:, i] for by, of in found.items()}, 1)]
    first = {by: of[:1, 0] for by, of in found.items()}
    yield [name, "first fit, which compiles", *compared(first, 1)]
    yield [name, "accuracy", *(f"{of[-1, 2]:.3f}" for of in found.values())]


CALLS = (
    "Single calls",
    "Milliseconds of the native decoder; of the others, how many times as long they take.",
    ("shape", "call", "native, ms", *SCANS),
)
MODELS = (
    "Whole models",
    f"`EGEMClassifier` with defaults, {CASES} cases a class, up to {MAX_TESTED:,} to classify. "
    "Seconds with the native decoder; of the others, how many times as long they take. The last "
    "column is `EGEM_KERNEL=scan`: JAX computes the features too.",
    ("data", "", "native, s", *IN_MODELS[1:]),
)
PARTS = {
    "calls": (CALLS, compare_calls),
    "characters": (MODELS, partial(compare_models, "characters")),
    "digits": (MODELS, partial(compare_models, "digits")),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="folder of decoder.md; none is written without")
    options = parser.parse_args()
    if native.KERNEL is None:
        raise SystemExit("There is no native decoder here; see `egem info` and CONTRIBUTING.md.")
    lines = [TEXT, f"Native: {native.KERNEL.name}, {native.KERNEL.lanes} lanes."]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EGEM_COMPILED"] = folder  # so that the first fit compiles
        for part in options.parts:
            (title, text, columns), rows = PARTS[part]
            head = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
            if head[0] not in lines:
                lines += ["", f"## {title}", "", text, "", *head]
                print(*head, sep="\n", flush=True)
            for row in rows(options.repeats):
                lines.append(f"| {' | '.join(row)} |")
                print(lines[-1], flush=True)
    if options.out:
        (options.out / "decoder.md").write_text("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
