"""Dropout whose random bits are cheap on a CPU."""

import math
from typing import Any

import keras
from keras import ops


class Dropout(keras.layers.Layer):
    """x ⊙ b / (1 - rate), b = 1 with probability 1 - rate, in training (Srivastava et al. 2014); otherwise x.

    The bits come from a hash of the place and of a seed drawn for each call (lowbias32, Wellons 2018): a dozen integer
    operations that the compiler fuses with the product. The generators of the backends take half of a training step.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.seeds = keras.random.SeedGenerator()
        self.built = True

    def call(self, x: Any, training: bool = False) -> Any:
        """Drops activations; `x` has any static shape."""
        if not training or self.rate == 0:
            return x
        first, second = ops.unstack(ops.cast(self.seeds.next(), "uint32"))
        places = ops.cast(ops.arange(math.prod(x.shape), dtype="int32"), "uint32")
        bits = hash_numbers(hash_numbers(places + hash_numbers(first)) + second)
        keep = ops.reshape(bits >= ops.cast(int(self.rate * 2**32), "uint32"), x.shape)
        return ops.where(keep, x / (1 - self.rate), 0.0)


def hash_numbers(x: Any) -> Any:
    """A number as good as random for each uint32 x."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = ops.bitwise_xor(x, ops.right_shift(x, ops.cast(shift, "uint32"))) * ops.cast(factor, "uint32")
    return ops.bitwise_xor(x, ops.right_shift(x, ops.cast(16, "uint32")))
