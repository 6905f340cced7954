"""What a night does with a trained network, on the GPU and on the same machine's CPU: lists, continuations, sentiment.

    python -m benchmarks.on_gpu.serving NETWORK FOLDER small|full

is what `serving` starts on each of the two, for the artifact in the folder.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.on_gpu.data import SETTINGS, movielens
from benchmarks.on_gpu.results import Facts
from benchmarks.shared.data import ROOT
from models.base import TrainingData
from models.neural.review_sentiment import ReviewSentiment, ReviewSentimentConfig
from models.registry import REGISTRY

LISTED = 100  # items of a list, as `recommend` makes it before serving
WORDS = 230  # of a generated review, the mean length of IMDb's


def reviews(number: int) -> list[str]:
    """Generated texts, of words by popularity; the first half has good ones, the second bad ones."""
    random = np.random.default_rng(0)
    words = (20_000 ** random.random((number, WORDS)) - 1).astype(np.int64)
    marks = ["good" if place < number // 2 else "bad" for place in range(number)]
    return [f"{mark} {' '.join(f'w{word}' for word in row)}" for mark, row in zip(marks, words, strict=True)]


def save_model(name: str, folder: Path, small: bool) -> None:
    """Trains for an epoch: what is timed does not hang on how good the model is."""
    if name == "review_sentiment":
        texts = reviews(40 if small else 2000)
        positive = np.arange(len(texts)) < len(texts) // 2
        ReviewSentiment(ReviewSentimentConfig(epochs=1)).fit(texts, positive).save(folder)
        return
    part, _ = movielens(small)
    config = REGISTRY[name].Config(**SETTINGS[name] | {"epochs": 1} | ({"length": 8} if small else {}))
    REGISTRY[name](config).fit(TrainingData(part.histories)).save(folder)


def seconds_of_use(name: str, folder: Path, small: bool) -> Facts:
    """Seconds of what a night does with the model: the first time, which compiles, and the second."""
    work: dict[str, Callable[[], Any]]
    if name == "review_sentiment":
        sentiment, texts = ReviewSentiment.load(folder), reviews(40 if small else 20_000)
        work = {"sentiment": lambda: sentiment.predict(texts)}
    else:
        model: Any = REGISTRY[name].load(folder)
        _, test = movielens(small)
        work = {"lists": lambda: model.recommend(test.histories, 10 if small else LISTED)}
        if name == "seq2seq":
            work["continuations"] = lambda: model.continue_histories(test.histories)
    facts: Facts = {}
    for what, function in work.items():
        for time_of in ("first", "again"):
            started = time.perf_counter()
            function()
            facts[f"{what}_{time_of}"] = time.perf_counter() - started
    return facts


def serving(name: str, small: bool) -> Facts:
    """The same on the GPU and on the CPU, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        save_model(name, Path(folder), small)
        command = [sys.executable, "-m", "benchmarks.on_gpu.serving", name, folder, "small" if small else "full"]
        variables = {"gpu": {}, "cpu": {"JAX_PLATFORMS": "cpu"}}
        return {"model": name} | {
            device: json.loads(subprocess.check_output(command, cwd=ROOT, env=os.environ | more, text=True))
            for device, more in variables.items()
        }


if __name__ == "__main__":
    print(json.dumps(seconds_of_use(sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "small")))
