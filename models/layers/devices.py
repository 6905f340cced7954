"""Devices and precision that Keras computes with."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras


@contextmanager
def precision(mixed: bool | None) -> Iterator[None]:
    """Networks made inside keep float32 weights and, where `mixed`, compute in bfloat16; None: on a GPU."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if (on_gpu() if mixed is None else mixed) else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def on_gpu() -> bool:
    """Whether Keras has a GPU."""
    return any(name.startswith(("gpu", "cuda")) for name in keras.distribution.list_devices())


def on_jax() -> bool:
    """Whether Keras computes with JAX."""
    return bool(keras.backend.backend() == "jax")


def device() -> str:
    """The devices that Keras computes on, and its backend."""
    return f"{', '.join(keras.distribution.list_devices())} ({keras.backend.backend()} backend)"
