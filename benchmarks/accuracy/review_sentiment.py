"""Accuracy of the sentiment of reviews, on the IMDb reviews of Maas et al. (2011): 25,000 to learn, 25,000 to judge.

    python -m benchmarks.accuracy.review_sentiment [--seed 0] [--set epochs=4 …] [--test]

A tenth of the first half decides when to stop. Without `--test` the second half is not looked at: choose settings so.
"""

import argparse
import gzip
import json
import logging
import time

import numpy as np

from benchmarks.shared.data import data_folder
from models.neural.review_sentiment import ReviewSentiment, ReviewSentimentConfig


def load(split: str) -> tuple[list[str], np.ndarray]:
    """Texts, and whether each is positive: bool [25,000]."""
    with gzip.open(data_folder("imdb-reviews") / "labeled_50k.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [row for row in map(json.loads, lines) if row["split"] == split]
    return [row["text"] for row in rows], np.array([row["label"] == "pos" for row in rows])


def main() -> None:
    """Prints accuracies and seconds."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", nargs="*", default=[], help="settings of ReviewSentimentConfig, as epochs=4")
    parser.add_argument("--test", action="store_true", help="judge on the second half")
    args = parser.parse_args()
    default, given = ReviewSentimentConfig(), dict(text.split("=") for text in args.set)
    config = ReviewSentimentConfig(**{name: type(getattr(default, name))(value) for name, value in given.items()})
    started = time.perf_counter()
    model = ReviewSentiment(config).fit(*load("train"), args.seed)
    print(f"{time.perf_counter() - started:.0f} s of training, {model.quality}, {model.config}", flush=True)
    if args.test:
        texts, positive = load("test")
        print(f"accuracy {((model.predict(texts) > 0.5) == positive).mean():.4f} of {len(texts)}")


if __name__ == "__main__":
    main()
