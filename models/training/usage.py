"""GPU usage of a training: seconds, memory and energy, by NVIDIA's management library (NVML)."""

import time
from typing import Any, NamedTuple, Self

from models.layers.devices import device, on_gpu

try:
    import pynvml
except ImportError:  # on workers without a GPU
    pynvml = None


class GPUState(NamedTuple):
    """Bytes in use and in all, and joules since the driver was loaded, None where the card does not count them."""

    used: int
    size: int
    joules: float | None


def gpu_state() -> GPUState | None:
    """State of the first GPU; None where there is none or NVML is not there."""
    if pynvml is None:
        return None
    try:
        pynvml.nvmlInit()
        card = pynvml.nvmlDeviceGetHandleByIndex(0)
        memory = pynvml.nvmlDeviceGetMemoryInfo(card)
    except pynvml.NVMLError:
        return None
    try:
        joules = pynvml.nvmlDeviceGetTotalEnergyConsumption(card) / 1000
    except pynvml.NVMLError:
        joules = None
    return GPUState(int(memory.used), int(memory.total), joules)


def memory() -> str:
    """How much of the first GPU's memory is in use."""
    state = gpu_state()
    return "memory of unknown size" if state is None else f"{state.used >> 20:,} of {state.size >> 20:,} MiB in use"


class Usage:
    """Measures what happens within it.

    facts, afterwards: `device`, on a GPU `gpu_seconds`, and where NVML is there `gpu_peak_bytes`, what the card's
    memory held at the end, which the backends' allocators do not give back before, and `gpu_joules` of the whole card.
    """

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}

    def __enter__(self) -> Self:
        """Begins."""
        self.started, self.before = time.perf_counter(), gpu_state()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends."""
        self.facts["device"] = device()
        if not on_gpu():
            return
        self.facts["gpu_seconds"] = round(time.perf_counter() - self.started, 3)
        if (after := gpu_state()) is not None:
            self.facts["gpu_peak_bytes"] = after.used
            if after.joules is not None and self.before is not None and self.before.joules is not None:
                self.facts["gpu_joules"] = round(after.joules - self.before.joules, 1)
