"""Blocks of causal self-attention."""

from typing import Any

import keras
from keras import ops

from models.layers.devices import on_gpu, on_jax
from models.layers.dropout import Dropout
from models.layers.lookup import look_up

FAR = -1e9  # added to the score of what may not be looked at
FUSED = 256  # places in a row from which a fused kernel is faster than writing what attends to what
BUCKETS = 32  # of differences in time: a positive int32 has 1 to 31 binary digits, and there is 0


def dense(units: int, **settings: Any) -> keras.layers.Dense:
    """A dense layer that begins near zero, as the original's code has it."""
    return keras.layers.Dense(units, kernel_initializer=keras.initializers.RandomNormal(stddev=0.02), **settings)


def visible(segments: Any) -> Any:
    """float32 [n, 1, length, length]: 0 where place t may look at place s ≤ t of its own segment, else FAR."""
    place = ops.arange(segments.shape[1])
    own = ops.equal(segments[:, :, None], segments[:, None, :])
    return ops.where(ops.logical_and(own, place[:, None] >= place[None, :]), 0.0, FAR)[:, None]


def digits(times: Any) -> Any:
    """int32 [n, length, length]: how many binary digits τ_t - τ_s has, 0 where it is not positive.

    times: int32 [n, length], τ, seconds.
    """
    left, count = ops.maximum(times[:, :, None] - times[:, None, :], 0), 0
    for shift in (16, 8, 4, 2, 1):  # in whole numbers: a logarithm's rounding would decide at the powers of two
        more = ops.cast(left >= 1 << shift, "int32") * shift
        left, count = ops.right_shift(left, more), count + more
    return count + left


def use_fused_kernel(dropout: float, length: int, dtype: str) -> bool:
    """Whether one fused kernel computes attention (Dao et al. 2022), which has no dropout and no gradient by the mask.

    It saves writing the shares [n, heads, length, length]: on a GPU, for long rows.
    """
    return on_gpu() and on_jax() and dtype == "bfloat16" and not dropout and length >= FUSED


class RelativeBias(keras.layers.Layer):
    """b[h, t, s] = p[h, t - s] + c[h, digits(τ_t - τ_s)], added to the scores of the query t and the key s ≤ t.

    p by distance in places (as Raffel et al. 2020, without their buckets), c by the logarithm of the seconds between
    two events (Li et al. 2020; Zhai et al. 2024). τ_t is when the query's event was, not when the next one is, which
    those who recommend do not know. Both begin at 0.
    """

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads

    def build(self, input_shape: Any) -> None:
        """For `apart` [n, length, length]."""
        self.by_place = self.add_weight(shape=(input_shape[1], self.heads), initializer="zeros", name="by_place")
        self.by_time = self.add_weight(shape=(BUCKETS, self.heads), initializer="zeros", name="by_time")

    def call(self, apart: Any) -> Any:
        """float32 [n, heads, length, length] for apart int32 [n, length, length], of `digits`."""
        place = ops.arange(apart.shape[1])
        back = ops.maximum(place[:, None] - place[None, :], 0)
        bias = look_up(self.by_place, back) + look_up(self.by_time, apart)
        return ops.transpose(bias, (0, 3, 1, 2))


class Attention(keras.layers.Layer):
    """softmax(Q Kᵀ / √d_h + mask) V in `heads` parts (Vaswani et al. 2017), without an output projection.

    Q = x W_Q; K, V = y W_KV. x, y float32 [n, length, dim], mask float32 [n, 1 or heads, length, length], with what
    else is added to the scores → [n, length, dim]. biased: whether what is added is learned.
    """

    def __init__(self, dim: int, heads: int, dropout: float, biased: bool = False) -> None:
        super().__init__()
        self.heads, self.biased = heads, biased
        self.query, self.key_value = dense(dim), dense(2 * dim)
        self.dropout = Dropout(dropout)

    def build(self, input_shape: Any) -> None:
        """For x and y of one shape."""
        self.query.build(input_shape)
        self.key_value.build(input_shape)

    def call(self, x: Any, y: Any, mask: Any, training: bool = False) -> Any:
        """Computes the attended values."""
        if not self.biased and use_fused_kernel(self.dropout.rate if training else 0.0, x.shape[1], self.compute_dtype):
            shape = (-1, x.shape[1], self.heads, x.shape[2] // self.heads)
            parts = (self.query(x), *ops.split(self.key_value(y), 2, axis=-1))
            q, k, v = (ops.reshape(part, shape) for part in parts)
            bias = ops.cast(mask, self.compute_dtype)
            return ops.reshape(ops.dot_product_attention(q, k, v, bias=bias, flash_attention=True), ops.shape(x))
        q = self._split_heads(self.query(x))
        k, v = (self._split_heads(part) for part in ops.split(self.key_value(y), 2, axis=-1))
        scores = ops.matmul(q * (q.shape[-1] ** -0.5), ops.transpose(k, (0, 1, 3, 2))) + mask
        shares = self.dropout(ops.softmax(scores), training=training)
        return ops.reshape(ops.transpose(ops.matmul(shares, v), (0, 2, 1, 3)), ops.shape(x))

    def _split_heads(self, x: Any) -> Any:
        """[n, length, dim] → [n, heads, length, dim / heads]."""
        length, dim = x.shape[1:]
        return ops.transpose(ops.reshape(x, (-1, length, self.heads, dim // self.heads)), (0, 2, 1, 3))


class OriginalBlock(keras.layers.Layer):
    """SASRec's block as its authors' code has it (Kang & McAuley 2018): residuals start from the normalised input.

    q = LN(x); a = q + Attention(q, x); b = LN(a); out = b + W_2 relu(W_1 b), with dropout behind each W.
    """

    def __init__(self, dim: int, heads: int, dropout: float, biased: bool = False) -> None:
        super().__init__()
        self.norms = [keras.layers.LayerNormalization(epsilon=1e-6) for _ in range(2)]
        self.attention = Attention(dim, heads, dropout, biased)
        self.inner, self.outer = dense(dim, activation="relu"), dense(dim)
        self.dropout = Dropout(dropout)

    def build(self, input_shape: Any) -> None:
        """For x [n, length, dim]."""
        for layer in (*self.norms, self.attention, self.inner, self.outer):
            layer.build(input_shape)

    def call(self, x: Any, mask: Any, training: bool = False) -> Any:
        """x of the next block."""
        q = self.norms[0](x)
        b = self.norms[1](q + self.attention(q, x, mask, training=training))
        inner = self.dropout(self.inner(b), training=training)
        return b + self.dropout(self.outer(inner), training=training)


class LiGRBlock(keras.layers.Layer):
    """LiGR's gated block (Borisyuk et al. 2025): x += σ(x G_1) ⊙ Attention(LN(x)) W; x += σ(x G_2) ⊙ SwiGLU(LN(x)).

    SwiGLU(z) = (silu(z A) ⊙ z B) C, two times as wide inside (Shazeer 2020).
    """

    def __init__(self, dim: int, heads: int, dropout: float, biased: bool = False) -> None:
        super().__init__()
        self.norms = [keras.layers.LayerNormalization(epsilon=1e-6) for _ in range(2)]
        self.gates = [dense(dim, activation="sigmoid") for _ in range(2)]
        self.attention, self.output_of = Attention(dim, heads, dropout, biased), dense(dim)
        self.inner, self.outer = dense(4 * dim), dense(dim)
        self.dropout = Dropout(dropout)

    def build(self, input_shape: Any) -> None:
        """For x [n, length, dim]."""
        for layer in (*self.norms, *self.gates, self.attention, self.output_of, self.inner):
            layer.build(input_shape)
        self.outer.build((*input_shape[:-1], 2 * input_shape[-1]))

    def call(self, x: Any, mask: Any, training: bool = False) -> Any:
        """x of the next block."""
        z = self.norms[0](x)
        attended = self.output_of(self.attention(z, z, mask, training=training))
        x = x + self.gates[0](x) * self.dropout(attended, training=training)
        left, right = ops.split(self.inner(self.norms[1](x)), 2, axis=-1)
        return x + self.gates[1](x) * self.dropout(self.outer(ops.silu(left) * right), training=training)


BLOCKS: dict[str, type[keras.layers.Layer]] = {"original": OriginalBlock, "ligr": LiGRBlock}
