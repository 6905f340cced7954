"""Every network on a GPU with Keras on JAX: the contract, a step's time against what the card allows, training, size.

    KERAS_BACKEND=jax python -m benchmarks.on_gpu --out docs/measurements/gpu.json [--stages ceilings steps …]
        [--networks sasrec lstm …] [--seeds 0 1] [--precision auto|float32|mixed_bfloat16] [--small]

`ceilings`: what the card does: a bfloat16 product of 8192³ and a copy of 4 GiB. `contract`: the tests that every model
inherits, on the card. `steps`: for each network the time of a step and the sums of flops and bytes of its compiled
program (XLA's own count), which over the ceilings give the least time. `table`: MovieLens-1M and, for `two_tower`, the
new films of `cold_items`, with the settings of docs/accuracy.md: seconds from the start of `fit` and accuracy on the
test. `size`: a next-item model of 8 LiGR blocks on generated sessions. The file is written anew after each figure.
--small: everything in little, which proves the script on a CPU; its figures mean nothing.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import keras
import numpy as np
import scipy.sparse as sp

from benchmarks.accuracy import cold_items
from benchmarks.shared import movielens_1m
from benchmarks.shared.data import ROOT, data_folder
from models.base import Recommender, TrainingData
from models.data import HeldOut
from models.evaluation.validation import mean_ndcg
from models.histories import Histories, from_events
from models.registry import REGISTRY
from models.training.loop import Training
from models.training.steps import on_device
from models.training.trainable import Plan
from models.training.usage import gpu_state

TESTS = [f"tests/models/neural/test_{name}.py" for name in ("ncf", "lstm", "sasrec", "two_tower", "seq2seq")]
PRECISIONS = {"auto": None, "float32": False, "mixed_bfloat16": True}
SETTINGS: Mapping[str, dict[str, Any]] = {
    "sasrec": {"length": 200, "epochs": 70, "patience": 8, "dropout": 0.2, "relative_bias": True},
    "lstm": {"length": 200, "epochs": 60, "patience": 6},
    "ncf": {"epochs": 30},
    "seq2seq": {"epochs": 30, "patience": 4, "windows": 10},
    "two_tower": {"targets": 20, "batch": 1024, "learning_rate": 0.006, "epochs": 6},
}
Facts = dict[str, Any]


class Results:
    """What was measured, in a file from the first figure on."""

    def __init__(self, file: Path) -> None:
        self.file, self.facts = file, (json.loads(file.read_text()) if file.exists() else {})

    def add(self, stage: str, facts: Any) -> None:
        """One more entry of a stage."""
        self.facts.setdefault(stage, []).append(facts)
        self.file.write_text(json.dumps(self.facts, indent=1) + "\n")
        print(stage, json.dumps(facts), flush=True)


def median_seconds(work: Callable[[], Any], times: int) -> float:
    """Measures the median seconds of so many runs behind a first one."""
    seconds = []
    for _ in range(times + 1):
        started = time.perf_counter()
        jax.block_until_ready(work())
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[1:]))


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
    """Runs the tests of the networks; in several processes where pytest-xdist is there."""
    chosen = ["-k", "same_output"] if small else ["-k", "Test"]
    several = ["-n", "8"] if subprocess.run([sys.executable, "-c", "import xdist"], check=False).returncode == 0 else []
    started = time.perf_counter()
    command = [sys.executable, "-m", "pytest", *TESTS, *chosen, *several, "-q", "-x" if small else "--maxfail=20"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout[-6000:], done.stderr[-1000:], flush=True)
    return {"passed": done.returncode == 0, "summary": done.stdout.strip().splitlines()[-1:],
            "seconds": round(time.perf_counter() - started, 1)}  # fmt: skip


def prepare(model: Any, data: TrainingData) -> tuple[Training, Any, list[int]]:
    """A training before its first step, its first group of batches on the device, and their examples."""
    if model.name == "two_tower":
        model.read(data)
    model._make_network(data)
    model.learned = np.bincount(data.histories.items, minlength=data.histories.n_items) > 0
    training = Training(model, data, Plan(1, model.examples_per_epoch(data.histories), jit=True))
    group = next(training._groups(0))
    return training, on_device(group.batches), group.examples


def step(model: Any, data: TrainingData, limits: Facts) -> Facts:
    """Seconds of a step within a call of a whole group, and the least by XLA's sums over the ceilings."""
    started = time.perf_counter()
    training, batches, examples = prepare(model, data)
    assert training.steps is not None
    rates = [model.config.learning_rate] * len(examples)
    ready = time.perf_counter()
    training.steps.learn(batches, rates[:1], 0)
    first = time.perf_counter()
    seconds = median_seconds(lambda: training.steps.learn(batches, rates, 0), 5) / len(rates)
    sums = sums_of(training.steps, batches, len(rates))
    least = {"by_flops": sums["flops"] / limits["bfloat16_flops"], "by_bytes": sums["bytes"] / limits["copied_bytes"]}
    return {"model": model.name, "precision": model.network.compute_dtype, "examples": examples[0],
            "prepare_seconds": ready - started, "compile_seconds": first - ready, "step_seconds": seconds,
            **sums, **least, "times_the_least": seconds / max(least.values())}  # fmt: skip


def sums_of(steps: Any, batches: Any, count: int) -> Facts:
    """XLA's count for the body of the loop of steps: flops and bytes that the compiled program moves."""
    parts = dict.fromkeys(
        ("trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables"), True
    )
    capacity = len(jax.tree.leaves(batches)[0])
    data = {"batches": batches, "rates": np.zeros(capacity, np.float32), "span": np.array([0, count], np.int32)}
    state = steps._get_jax_state(**parts)
    compiled = jax.jit(steps.train_step, donate_argnums=0).lower(state, (data, None, None)).compile()
    cost = compiled.cost_analysis()
    return {"flops": cost.get("flops", 0.0), "bytes": cost.get("bytes accessed", 0.0)}


def movielens(small: bool) -> tuple[TrainingData, HeldOut]:
    """MovieLens-1M, or generated histories."""
    if small:
        histories, later = sessions(40, 300, 12), sessions(40, 300, 13)
        relevant = np.zeros((40, 300), np.float32)
        relevant[np.arange(40), later.items[later.indptr[1:] - 1]] = 1
        held_out = HeldOut(np.arange(40), histories, sp.csr_array(relevant))
        return TrainingData(histories, None, held_out), held_out
    train, validation, test = movielens_1m.leave_last_out()
    return TrainingData(train, None, validation), test


def trained(name: str, seed: int, precision: str, small: bool) -> Facts:
    """One training: seconds of `fit`, and accuracy on the test."""
    settings = SETTINGS[name] | ({"epochs": 2, "length": 8} if small else {})
    model: Any = REGISTRY[name](REGISTRY[name].Config(**settings))
    if name == "two_tower" and not small:
        histories, catalogue = cold_items.load(data_folder("movielens-1m"))
        new, _ = cold_items.new_films(histories.n_items, seed)
        warm, audience, answers = cold_items.hide_items(histories, new)
        train, validation = cold_items.leave_last_out(warm, cold_items.VALIDATION_SHARE, seed)
        data = TrainingData(train, catalogue, validation, seed)
        judge: Callable[[Recommender], Facts] = lambda model: {  # noqa: E731
            "hr": cold_items.hit_rate(model, audience, answers, new)
        }
    else:
        part, test = movielens(small)
        data = TrainingData(part.histories, None, part.validation, seed)
        judge = lambda model: {"ndcg": mean_ndcg(model, test)}  # noqa: E731
    started = time.perf_counter()
    model.fit(TrainingData(**{**data.__dict__, "mixed_precision": PRECISIONS[precision]}))
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    result = judge(model)
    return {"model": name, "seed": seed, "precision": precision, "seconds": seconds, "epochs": model.trained.epochs,
            "validation_ndcg": model.trained.ndcg, **result, "judge_seconds": time.perf_counter() - started,
            **model.usage, "settings": asdict(model.config)}  # fmt: skip


def sessions(n_users: int, n_items: int, events: int) -> Histories:
    """Generated histories of so many events each: walks over the items, half by popularity."""
    random = np.random.default_rng(0)
    popular = (n_items ** random.random((n_users, events)) - 1).astype(np.int64)
    items = np.where(random.random((n_users, events)) < 0.5, popular, random.integers(0, n_items, (n_users, events)))
    users = np.repeat(np.arange(n_users), events)
    return from_events(users, items.ravel(), np.ones(users.size, np.float32), None, n_users, n_items)


def size(limits: Facts, items: int, dim: int, blocks: int, length: int, rows: int, steps: int) -> Facts:
    """Tokens and model flops a second of a next-item model with shared negatives.

    Model flops of a token: 6 for each weight of the blocks, causal attention 6 · length · dim for each block (half of
    the square, three passes), the loss 6 · negatives · dim; lookups, norms and what is computed twice count nothing.
    """
    kind = REGISTRY["sasrec"]
    config: Any = kind.Config(dim=dim, heads=max(1, dim // 64), blocks=blocks, length=length, block="ligr", dropout=0.0,
                              batch_rows=rows, negatives=4096 if dim > 8 else 16)  # fmt: skip
    model: Any = kind(config)
    # An epoch of so many steps, or batches would be cut smaller (MIN_STEPS).
    data = TrainingData(sessions(rows * steps, items, length + 1), seed=0)
    started = time.perf_counter()
    training, batches, examples = prepare(model, data)
    assert training.steps is not None
    rates = [1e-4] * len(examples)
    ready = time.perf_counter()
    training.steps.learn(batches, rates[:1], 0)
    first = time.perf_counter()
    seconds = median_seconds(lambda: training.steps.learn(batches, rates, 0), 2) / len(rates)
    weights = sum(int(np.prod(w.shape)) for block in model.network.layers_of for w in block.trainable_weights)
    flops = 6 * (weights + blocks * length * dim + config.negatives * dim)
    state, tokens = gpu_state(), examples[0] / seconds
    return {"items": items, "dim": dim, "blocks": blocks, "length": length, "rows": rows,
            "negatives": config.negatives, "precision": model.network.compute_dtype, "prepare_seconds": ready - started,
            "compile_seconds": first - ready, "step_seconds": seconds, "tokens_per_second": tokens,
            "model_flops_per_token": flops, "model_flops": flops * tokens,
            "share_of_ceiling": flops * tokens / limits["bfloat16_flops"], "share_of_989e12": flops * tokens / 989e12,
            "card_bytes_used": None if state is None else state.used}  # fmt: skip


def main() -> None:
    """Measures stage by stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    stages = ("ceilings", "contract", "steps", "table", "size")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--stages", nargs="+", choices=stages, default=list(stages))
    parser.add_argument("--networks", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--precision", nargs="+", choices=list(PRECISIONS), default=["auto"])
    parser.add_argument("--small", action="store_true")
    args = parser.parse_args()
    if keras.backend.backend() != "jax":
        parser.error(f"Keras computes with {keras.backend.backend()}; set KERAS_BACKEND=jax")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    results, small = Results(args.out), args.small
    if "versions" not in results.facts:
        results.add("versions", {"device": [str(each.device_kind) for each in jax.devices()], "jax": jax.__version__,
                                 "keras": keras.__version__, "flags": os.environ.get("XLA_FLAGS", "")})  # fmt: skip
    limits = ceilings(small) if "ceilings" in args.stages or "ceilings" not in results.facts else {}
    if limits:
        results.add("ceilings", limits)
    limits = results.facts["ceilings"][-1]
    if "contract" in args.stages:
        results.add("contract", contract(small))
    if "table" in args.stages:
        for seed in args.seeds:
            for name in args.networks:
                for precision in args.precision:
                    results.add("table", trained(name, seed, precision, small))
    if "steps" in args.stages:
        part, _ = movielens(small)
        for name in args.networks:
            settings = SETTINGS[name] | ({"length": 8} if small else {})
            for precision in args.precision:
                data = TrainingData(part.histories, mixed_precision=PRECISIONS[precision])
                results.add("steps", step(REGISTRY[name](REGISTRY[name].Config(**settings)), data, limits))
    if "size" in args.stages:
        results.add("size", size(limits, *((30_000, 8, 1, 16, 4, 3) if small else (1_000_000, 512, 8, 512, 128, 110))))
        results.add("size", size(limits, *((40_000, 8, 1, 16, 4, 3) if small else (10_000_000, 128, 2, 200, 256, 110))))


if __name__ == "__main__":
    main()
