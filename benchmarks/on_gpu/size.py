"""A large next-item model of LiGR blocks: tokens and model flops a second."""

import time
from typing import Any

import numpy as np

from benchmarks.on_gpu.data import sessions
from benchmarks.on_gpu.results import Facts, median_seconds
from benchmarks.on_gpu.steps import prepare
from models.base import TrainingData
from models.registry import REGISTRY
from models.training.usage import gpu_state


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
