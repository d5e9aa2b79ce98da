"""The native decoder beside XLA's scan and the machine's matrix product, in one run.

    python benchmarks/decoder.py [--repeats 7]

Prints, for several shapes, the median time of a call on one thread, the ratio to the scan, and the
rate as a share of that of a float32 matrix product of 1,024 rows (multiply-adds count as two
operations, activations not at all). `decode` is the values, `gradient` that of their squares in all
weights and codes, `jacobian` the values with their derivatives along the code.
"""

import argparse
import os
import time

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import jax.numpy as jnp
import numpy as np

from egem import native
from egem.decoder import Expert, decode, decode_with_jacobian, init_default

SHAPES = {  # experts, codes each, code entries, cells, channels, steps
    "characters, published size": (20, 400, 4, 10, 3, 205),
    "16 letters and 4 experts": (4, 16, 17, 16, 3, 52),
    "one letter against 20 experts": (20, 1, 17, 16, 3, 52),
    "MNIST, all data, a training step": (4, 64, 22, 48, 28, 28),
}


def example(shape) -> tuple[Expert, jax.Array]:
    n_experts, n_codes, code_size, n_cells, n_channels, _ = shape
    keys = jax.random.split(jax.random.PRNGKey(0), n_experts)
    experts = jax.vmap(lambda key: init_default(key, code_size, n_cells, n_channels))(keys)
    return experts, jax.random.uniform(keys[0], (n_experts, n_codes, code_size))


def programs(n_steps: int) -> dict:
    """New functions at every call, so that what serves them is decided anew."""

    def values(experts, codes):
        return jax.vmap(lambda e, z: decode(e, z, n_steps))(experts, codes)

    def jacobians(experts, codes):
        return jax.vmap(lambda e, z: decode_with_jacobian(e, z, n_steps))(experts, codes)

    squares = jax.grad(lambda e, z: jnp.sum(values(e, z) ** 2), (0, 1))
    return {"decode": jax.jit(values), "gradient": jax.jit(squares), "jacobian": jax.jit(jacobians)}


def median_time(f, *arguments, repeats: int) -> float:
    jax.block_until_ready(f(*arguments))
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(f(*arguments))
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    kernel = native.KERNEL
    if kernel is None:
        raise SystemExit("There is no native decoder here; see `egem info` and CONTRIBUTING.md.")
    square = jax.random.normal(jax.random.PRNGKey(0), (1024, 1024))
    product = median_time(jax.jit(jnp.matmul), square, square, repeats=repeats)
    peak = 2 * 1024**3 / product
    print(f"{kernel.name}, {kernel.lanes} lanes; matrix product {peak / 1e9:.0f} GFLOP/s")
    print(f"{'':34}{'':10} {'native':>9} {'scan':>9} {'ratio':>6} {'share':>6}")
    for name, shape in SHAPES.items():
        n_experts, n_codes, code_size, n_cells, n_channels, n_steps = shape
        forward = 2 * n_experts * n_codes * n_steps * n_cells * (4 * n_cells + n_channels)
        work = {"decode": 1, "gradient": 3, "jacobian": 1 + code_size}
        arguments = example(shape)
        for kind, times in work.items():
            if kind == "jacobian" and n_codes > 64:
                continue  # its scan would fill the memory
            native.KERNEL = kernel
            mine = median_time(programs(n_steps)[kind], *arguments, repeats=repeats)
            native.KERNEL = None
            scan = median_time(programs(n_steps)[kind], *arguments, repeats=repeats)
            share = times * forward / mine / peak
            print(
                f"{name:34}{kind:10} {1e3 * mine:6.2f} ms {1e3 * scan:6.2f} ms "
                f"{scan / mine:6.1f} {share:6.0%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
