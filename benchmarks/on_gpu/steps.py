"""The time of a training step, and the least that its flops and bytes allow."""

import time
from typing import Any

import jax
import numpy as np

from benchmarks.on_gpu.results import Facts, median_seconds
from models.base import TrainingData
from models.training.loop import Training
from models.training.steps import on_device
from models.training.trainable import Plan


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
