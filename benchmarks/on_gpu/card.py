"""What the card does, and whether the models keep their contract on it."""

import os
import subprocess
import sys
import time
from importlib.util import find_spec

import jax
import numpy as np

from benchmarks.on_gpu.results import Facts, median_seconds
from benchmarks.shared.data import ROOT

TESTS = [f"tests/models/neural/test_{name}.py" for name in ("ncf", "lstm", "sasrec", "two_tower", "seq2seq")]


def ceilings(small: bool) -> Facts:
    """Flops of a bfloat16 product and bytes (read and written) of a copy, in a second; ten in a call."""
    n, numbers = (256, 1 << 20) if small else (8192, 1 << 30)
    left, right = (jax.random.normal(jax.random.key(seed), (n, n), jax.numpy.bfloat16) for seed in (0, 1))
    chain = jax.jit(lambda x, y: jax.lax.fori_loop(0, 10, lambda _, z: (z @ y) * np.float32(0.01).astype(z.dtype), x))
    product = median_seconds(lambda: chain(left, right), 5) / 10
    array = jax.numpy.ones(numbers, jax.numpy.float32)
    add = jax.jit(lambda x: x + 1)  # one pass over memory a call: several in a loop would be fused
    copy = median_seconds(lambda: add(array), 10)
    return {"bfloat16_flops": 2 * n**3 / product, "copied_bytes": 8 * numbers / copy}


def contract(small: bool) -> Facts:
    """Runs the tests of the networks; in several processes where pytest-xdist is there.

    With float32 products in full, which a GPU computes with 10 of the 23 bits unless asked: what the tests compare is
    the same number computed in two ways.
    """
    chosen = ["-k", "same_output"] if small else ["-k", "Test"]
    several = ["-n", "8"] if find_spec("xdist") else []
    started = time.perf_counter()
    command = [sys.executable, "-m", "pytest", *TESTS, *chosen, *several, "-q", "-x" if small else "--maxfail=20"]
    variables = os.environ | {"JAX_DEFAULT_MATMUL_PRECISION": "highest"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=variables)
    print(done.stdout[-6000:], done.stderr[-1000:], flush=True)
    lines = done.stdout.strip().splitlines()
    return {
        "passed": done.returncode == 0,
        "summary": lines[-1:],
        "failed": [line for line in lines if line.startswith(("FAILED", "ERROR"))],
        "seconds": round(time.perf_counter() - started, 1),
    }
