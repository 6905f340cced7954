"""Training in a device's memory: batches in halves where a step does not fit."""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np

from models.data import UnlearnableError
from models.layers.devices import device
from models.training import usage

log = logging.getLogger(__name__)
T = TypeVar("T")


class OutOfMemoryError(UnlearnableError):
    """The device's memory does not hold a step."""


def run_in_halves_if_needed(model: Any, attempt: Callable[[bool], T]) -> T:
    """Calls `attempt(False)`, or `attempt(True)`, in halves, from the same weights where the first runs out of memory.

    Raises OutOfMemoryError, with the numbers, where the second does as well.
    """
    before = [np.array(variable) for variable in model.network.variables]
    try:
        return attempt(False)
    except Exception as error:
        if not out_of_memory(error):
            raise
        first = str(error).splitlines()[0]
    log.warning("%s: out of memory on %s, %s: %s", model.name, device(), usage.memory(), first)
    log.warning("%s trains with each batch in two halves, whose gradients are added up before a step", model.name)
    for variable, value in zip(model.network.variables, before, strict=True):
        variable.assign(value)
    try:
        return attempt(True)
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise OutOfMemoryError(
            f"{model.name}: out of memory on {device()} ({usage.memory()}) with batches in halves too: "
            f"{str(error).splitlines()[0]}; lower its batch setting, length or dim, or take a larger GPU"
        ) from error


def out_of_memory(error: BaseException) -> bool:
    """Whether a backend says that the device's memory is full."""
    return "RESOURCE_EXHAUSTED" in str(error) or type(error).__name__ == "ResourceExhaustedError"


def halve(model: Any, batches: Iterable[tuple[Any, int]]) -> Iterator[tuple[Any, int]]:
    """Splits each batch into two; the examples are taken to be spread evenly."""
    for batch, examples in batches:
        first, second = model.halves(batch)
        yield first, examples - examples // 2
        yield second, examples // 2
