"""Whole trainings: seconds of `fit` and accuracy on the test."""

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from benchmarks.accuracy import cold_items
from benchmarks.on_gpu.data import PRECISIONS, SETTINGS, movielens
from benchmarks.on_gpu.results import Facts
from benchmarks.shared.data import data_folder
from models.base import Recommender, TrainingData
from models.evaluation.validation import mean_ndcg
from models.registry import REGISTRY


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
    judged = judge(model)
    return {"model": name, "seed": seed, "precision": precision, "seconds": seconds, "epochs": model.trained.epochs,
            "validation_ndcg": model.trained.ndcg, **judged, "judge_seconds": time.perf_counter() - started,
            **model.usage, "settings": asdict(model.config)}  # fmt: skip
