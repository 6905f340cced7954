"""Prints as JSON, for each network, the tables that the gradient of a training step scatters onto, on JAX.

    python -m tests.support.programs.scatters cpu|gpu

gpu: as the networks compute where Keras has one. A table is given by its rows.
"""

import json
import sys
from typing import Any

import jax
import keras
import numpy as np

from models.base import TrainingData
from models.data import Catalogue
from models.features.text import Tokeniser
from models.neural.review_sentiment import ReviewSentimentConfig, network
from models.registry import REGISTRY
from models.training.steps import Steps
from tests.support.examples import example

QUICK: dict[str, dict[str, Any]] = {
    "sasrec": {"dim": 8, "blocks": 1, "length": 6, "relative_bias": True, "categories": 50},
    "lstm": {"dim": 4, "units": 8, "length": 6},
    "ncf": {"dim": 4, "units": 8, "length": 6},
    "seq2seq": {"dim": 4, "units": 8, "length": 6},
    "two_tower": {"dim": 4, "length": 6},
}
STATE = ("trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables")


class TracedError(Exception):
    """A step was traced; it need not run."""


def additions(jaxpr: Any) -> list[int]:
    """Rows of what each scatter-add of a program, and of those within it, adds onto."""
    result = []
    for equation in jaxpr.eqns:
        if equation.primitive.name.startswith("scatter-"):
            result.append(equation.invars[0].aval.shape[0])
        for value in equation.params.values():
            for each in value if isinstance(value, (list, tuple)) else [value]:
                inner = getattr(each, "jaxpr", each)
                if hasattr(inner, "eqns"):
                    result += additions(inner)
    return result


def of_recommender(name: str) -> list[int]:
    """Of the step that the training loop compiles."""
    histories, result = example(), []
    n = histories.n_items
    films = Catalogue([f"film {i}" for i in range(n)], ["some words"] * n, [("a", "b")] * n, [()] * n, [""] * n)

    def traced(self: Any, batches: Any, rates: Any, first: int) -> Any:
        state = self._get_jax_state(**dict.fromkeys(STATE, True))
        capacity = len(jax.tree.leaves(batches)[0])
        data = {"batches": batches, "rates": np.zeros(capacity, np.float32), "span": np.array([0, 1], np.int32)}
        result.extend(additions(jax.make_jaxpr(self.train_step)(state, (data, None, None)).jaxpr))
        raise TracedError

    Steps.learn = traced
    try:
        REGISTRY[name](REGISTRY[name].Config(**QUICK[name])).fit(TrainingData(histories, films))
    except TracedError:
        return result
    raise AssertionError(f"{name} took no step")


def of_sentiment() -> list[int]:
    """Of the step that Keras compiles."""
    model = network(ReviewSentimentConfig(dim=4, units=4, pairs=20), Tokeniser(("good", "bad")).n_ids)
    model.compile("adam", "binary_crossentropy")
    rows, labels = np.ones((2, 64), np.int32), np.ones((2, 1), np.float32)
    model._symbolic_build(data_batch=([rows, rows], labels, None))
    state = model._get_jax_state(**dict.fromkeys(STATE, True))
    return additions(jax.make_jaxpr(model.train_step)(state, ([rows, rows], labels, None)).jaxpr)


if __name__ == "__main__":
    keras.distribution.list_devices = lambda *_: [f"{sys.argv[1]}:0"]
    result = {name: of_recommender(name) for name in QUICK} | {"review_sentiment": of_sentiment()}
    print(json.dumps(result))
