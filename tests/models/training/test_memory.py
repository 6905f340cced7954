"""A device's memory that does not hold a step: batches in halves, once, and the numbers when that is not enough."""

from typing import Any

import numpy as np
import pytest

from models.base import TrainingData
from models.neural.ncf import NCF, NCFConfig
from models.neural.sasrec import SASRec, SASRecConfig
from models.training import usage
from models.training.memory import OutOfMemoryError, halve, out_of_memory
from models.training.steps import Steps
from models.training.usage import GPUState
from tests.support.examples import example, histories_of

CONFIG = SASRecConfig(dim=4, blocks=1, length=6, batch_rows=2, epochs=2, dropout=0.0)


class ResourceExhaustedError(Exception):
    """As TensorFlow calls it."""


def full_at(monkeypatch: pytest.MonkeyPatch, *calls: int) -> list[Steps]:
    """Calls of the training that fail for lack of memory, by their numbers; returns the steps of all."""
    learn, seen = Steps.learn, []

    def failing(self: Steps, *args: Any) -> Any:
        seen.append(self)
        losses = learn(self, *args)
        if len(seen) in calls:
            self.loss.network.weights[0].assign(self.loss.network.weights[0] * np.nan)  # what is left is of no use
            raise ResourceExhaustedError("failed to allocate 81920 MiB\nwith a long trace")
        return losses

    monkeypatch.setattr(Steps, "learn", failing)
    monkeypatch.setattr(usage, "gpu_state", lambda: GPUState(79 << 30, 80 << 30, None))
    return seen


@pytest.mark.slow
def test_batches_in_halves_make_the_same_steps(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    histories = histories_of(*np.random.default_rng(0).integers(0, 9, (240, 7)).tolist(), n_items=9)
    whole = SASRec(CONFIG).fit(TrainingData(histories))
    seen = full_at(monkeypatch, 2)
    result = SASRec(CONFIG).fit(TrainingData(histories))
    for ours, theirs in zip(result.network.get_weights(), whole.network.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)
    steps = len(list(SASRec(CONFIG).training_batches(histories, np.random.default_rng(0))))
    assert int(seen[-1].optimizer.iterations) == 2 * steps, "a step for each batch, not for each half"
    assert result.trained == whole.trained
    assert "sasrec: out of memory on " in caplog.text
    assert "80,896 of 81,920 MiB in use: failed to allocate 81920 MiB" in caplog.text
    assert "sasrec trains with each batch in two halves" in caplog.text


@pytest.mark.slow
def test_a_second_time_is_the_end_and_gives_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    full_at(monkeypatch, 1, 2)
    message = (
        r"sasrec: out of memory on .* \(80,896 of 81,920 MiB in use\) with .*: failed to allocate 81920 MiB; lower"
    )
    with pytest.raises(OutOfMemoryError, match=message):
        SASRec(CONFIG).fit(TrainingData(example()))


def test_other_errors_are_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("INTERNAL: the card has left the bus")

    monkeypatch.setattr(Steps, "learn", broken)
    with pytest.raises(RuntimeError, match="left the bus"):
        SASRec(CONFIG).fit(TrainingData(example()))
    assert out_of_memory(RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate"))


def test_halves_hold_every_example_once() -> None:
    batch = np.arange(15, dtype=np.int32).reshape(5, 3)
    (first, ours), (second, theirs) = halve(NCF(NCFConfig()), [(batch, 5)])
    assert (ours, theirs) == (3, 2)
    assert np.concatenate([first, second]).tolist() == [*batch.tolist(), [-1, -1, -1]]
    shared = SASRec(SASRecConfig()).halves({"rows": batch, "items": np.arange(7)})
    assert [part["items"].tolist() for part in shared] == [list(range(7))] * 2
    assert [part["rows"].tolist() for part in shared] == [batch[:3].tolist(), [*batch[3:].tolist(), [0, 0, 0]]]
