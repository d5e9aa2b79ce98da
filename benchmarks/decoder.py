"""The native decoder beside XLA's scan and the machine's matrix product, in one run.

    python benchmarks/decoder.py [--repeats 7] [--json]

Prints, for several shapes, the median time of a call on one thread, the ratio to the scan, and the
rate as a share of that of a float32 matrix product of 1,024 rows (multiply-adds count as two
operations, activations not at all); the three take turns. `decode` is the values, `gradient` that
of their squares in all weights and codes, `jacobian` the values with their derivatives along the
code, `step` what a step of the search makes of those: their products with each other and with 32
directions.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator
from functools import partial

if hasattr(os, "sched_setaffinity"):  # XLA's own setting leaves its larger products on all cores
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import jax.numpy as jnp
import numpy as np
from egem.ensemble.decoder import (
    Expert,
    decode,
    decode_with_jacobian,
    init_default,
    normal_products,
)

from egem.runtime import native

SHAPES = {  # experts, codes each, code entries, cells, channels, steps
    "characters, published size": (20, 400, 4, 10, 3, 205),
    "16 letters and 4 experts": (4, 16, 17, 16, 3, 52),
    "MNIST, all data, a training step": (4, 64, 22, 48, 28, 28),
}


N_DIRECTIONS = 32
SIDE = 1024  # of the matrices


def example(shape) -> tuple[Expert, jax.Array]:
    n_experts, n_codes, code_size, n_cells, n_channels, _ = shape
    keys = jax.random.split(jax.random.PRNGKey(0), n_experts)
    experts = jax.vmap(lambda key: init_default(key, code_size, n_cells, n_channels))(keys)
    return experts, jax.random.uniform(keys[0], (n_experts, n_codes, code_size))


def programs(n_steps: int, n_channels: int) -> dict:
    """New functions at every call, so that what serves them is decided anew."""
    p = n_steps * n_channels
    target, basis = jnp.zeros(p), jax.random.normal(jax.random.PRNGKey(1), (p, N_DIRECTIONS))

    def values(experts, codes):
        return jax.vmap(lambda e, z: decode(e, z, n_steps))(experts, codes)

    def jacobians(experts, codes):
        return jax.vmap(lambda e, z: decode_with_jacobian(e, z, n_steps))(experts, codes)

    def products(experts, codes):
        def one(expert, codes):
            targets = jnp.broadcast_to(target, (len(codes), p))
            return normal_products(expert, codes, targets, targets == 0, basis)

        return jax.vmap(one)(experts, codes)

    squares = jax.grad(lambda e, z: jnp.sum(values(e, z) ** 2), (0, 1))
    made = {"decode": values, "gradient": squares, "jacobian": jacobians, "step": products}
    return {name: jax.jit(f) for name, f in made.items()}


def in_turns(calls: dict, repeats: int) -> dict[str, np.ndarray]:
    """Seconds of each call, which take turns: the machine's speed changes from second to second.

    Each is called twice in its turn, and the second time counts: the first finds the data of others
    in the caches.
    """
    taken = {name: np.empty(repeats) for name in calls}
    for i in range(repeats):
        for name, call in calls.items():
            jax.block_until_ready(call())
            start = time.perf_counter()
            jax.block_until_ready(call())
            taken[name][i] = time.perf_counter() - start
    return taken


def rows(kernel: native.Kernel, repeats: int) -> Iterator[dict]:
    """Time every program of every shape, with the kernel and without it, and matrix products."""
    square = jax.random.normal(jax.random.PRNGKey(0), (SIDE, SIDE))
    product = jax.jit(jnp.matmul)
    for name, shape in SHAPES.items():
        n_experts, n_codes, code_size, n_cells, n_channels, n_steps = shape
        n = n_experts * n_codes
        forward = 2 * n * n_steps * n_cells * (4 * n_cells + n_channels)
        derived = (1 + code_size) * forward
        each = N_DIRECTIONS + (2 + code_size) / 2
        products = 2 * n * n_steps * n_channels * (1 + code_size) * each
        work = {"decode": forward, "gradient": 3 * forward, "jacobian": derived}
        arguments = example(shape)
        for kind, operations in (work | {"step": derived + products}).items():
            if kind in ("jacobian", "step") and n_codes > 64:
                continue  # its scan would fill the memory
            calls = {"product": partial(product, square, square)}
            for served, by in ((kernel, "native"), (None, "scan")):
                native.KERNEL = served
                program = programs(n_steps, n_channels)[kind]
                jax.block_until_ready(program(*arguments))  # what serves it is decided now
                calls[by] = partial(program, *arguments)
            taken = in_turns(calls, repeats)
            peak = 2 * SIDE**3 / taken["product"]
            yield {
                "shape": name,
                "what": kind,
                "milliseconds": 1e3 * np.median(taken["native"]),
                "scan milliseconds": 1e3 * np.median(taken["scan"]),
                "times as fast": np.median(taken["scan"] / taken["native"]),
                "share": np.median(operations / taken["native"] / peak),
                "scan's share": np.median(operations / taken["scan"] / peak),
                "product GFLOP/s": np.median(peak) / 1e9,
            }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="one object a line")
    options = parser.parse_args()
    kernel = native.KERNEL
    if kernel is None:
        raise SystemExit("There is no native decoder here; see `egem info` and CONTRIBUTING.md.")
    if not options.json:
        print(f"{kernel.name}, {kernel.lanes} lanes")
        print(f"{'':34}{'':10} {'native':>9} {'scan':>9} {'ratio':>6} {'share':>6}")
    for row in rows(kernel, options.repeats):
        line = (
            f"{row['shape']:34}{row['what']:10} {row['milliseconds']:6.2f} ms "
            f"{row['scan milliseconds']:6.2f} ms {row['times as fast']:6.1f} {row['share']:6.0%}"
        )
        print(json.dumps(row) if options.json else line, flush=True)


if __name__ == "__main__":
    main()
