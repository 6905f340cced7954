"""Attention and its biases against dense definitions."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from models.layers import attention
from models.layers.attention import BUCKETS, FAR, FUSED, Attention, RelativeBias, digits, use_fused_kernel, visible


def test_places_see_the_earlier_ones_of_their_own_segment() -> None:
    mask = ops.convert_to_numpy(visible(np.array([[1, 1, 2, 0]], np.int32)))[0, 0]
    assert (mask == 0).tolist() == [
        [True, False, False, False],
        [True, True, False, False],
        [False, False, True, False],
        [False, False, False, True],
    ]
    assert set(mask.ravel().tolist()) == {0.0, FAR}


def test_attention_is_the_equation() -> None:
    keras.utils.set_random_seed(0)
    n, length, dim, heads = 2, 5, 6, 2
    layer = Attention(dim, heads, 0.0)
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, n, length, dim)).astype("float32")
    bias = random.normal(size=(n, heads, length, length)).astype("float32")
    mask = np.where(np.tril(np.ones((length, length))), 0, -1e9).astype("float32")[None, None]
    result = ops.convert_to_numpy(layer(x, y, mask + bias))
    assert_is_the_equation(result, layer, x, y, bias)


def assert_is_the_equation(result: Any, layer: Attention, x: Any, y: Any, bias: Any) -> None:
    (n, length, dim), heads = x.shape, layer.heads
    (w_q, b_q), (w_kv, b_kv) = (part.get_weights() for part in (layer.query, layer.key_value))
    q, kv = x @ w_q + b_q, y @ w_kv + b_kv
    for head in range(heads):
        part = slice(head * 3, head * 3 + 3)
        for user in range(n):
            scores = q[user][:, part] @ kv[user][:, part].T / np.sqrt(3) + bias[user, head]
            shares = np.exp(scores) * np.tril(np.ones((length, length)))
            shares /= shares.sum(axis=1, keepdims=True)
            np.testing.assert_allclose(result[user][:, part], shares @ kv[user][:, dim:][:, part], atol=1e-6)


def test_differences_in_time_are_counted_by_their_binary_digits() -> None:
    apart = [0, 1, 2, 3, 4, 59, 60, 63, 64, 3600, 86_400, 2**24 - 1, 2**24, 2**30, 2**31 - 1]
    times = np.array([[0, seconds] for seconds in apart], np.int32)
    result = ops.convert_to_numpy(digits(times))
    assert result[:, 1, 0].tolist() == [seconds.bit_length() for seconds in apart]
    assert result.max() == BUCKETS - 1
    assert (result[:, 0, 1] == 0).all()  # the later event is of no concern to the earlier one


def test_a_bias_adds_what_is_learned_of_places_and_times() -> None:
    layer = RelativeBias(2)
    layer.build((None, 3, 3))
    random = np.random.default_rng(0)
    by_place, by_time = random.normal(size=(3, 2)), random.normal(size=(BUCKETS, 2))
    layer.set_weights([by_place, by_time])
    times = np.array([[0, 5, 1000], [0, 0, 1]], np.int32)
    result = ops.convert_to_numpy(layer(digits(times)))
    assert result.shape == (2, 2, 3, 3)
    for user, head in np.ndindex(2, 2):
        for query in range(3):
            for key in range(query + 1):
                bucket = int(times[user, query] - times[user, key]).bit_length()
                expected = by_place[query - key, head] + by_time[bucket, head]
                np.testing.assert_allclose(result[user, head, query, key], expected, rtol=1e-6)


def test_the_fused_kernel_is_given_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """No CPU has it: Keras' plain computation takes its place."""
    plain, asked = ops.dot_product_attention, []

    def kernel(q: Any, k: Any, v: Any, bias: Any, flash_attention: bool) -> Any:
        asked.append(flash_attention)
        return plain(q, k, v, bias=bias)

    monkeypatch.setattr(attention, "use_fused_kernel", lambda dropout, length, dtype: dropout == 0)
    monkeypatch.setattr(ops, "dot_product_attention", kernel)
    layer, random = Attention(6, 2, 0.0), np.random.default_rng(0)
    x, y = random.normal(size=(2, 2, 5, 6)).astype("float32")
    mask = np.where(np.tril(np.ones((5, 5))), 0, -1e9).astype("float32")[None, None]
    result = ops.convert_to_numpy(layer(x, y, np.repeat(mask, 2, axis=0)))
    assert asked == [True]
    assert_is_the_equation(result, layer, x, y, np.zeros((2, 2, 5, 5)))
    learned = Attention(6, 2, 0.0, biased=True)
    learned(x, y, np.repeat(mask, 2, axis=0))
    assert asked == [True], "it has no gradient by what is added"


def test_when_a_fused_kernel_computes_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not use_fused_kernel(0.0, FUSED, "bfloat16"), "not on a CPU"
    for name in ("on_gpu", "on_jax"):
        monkeypatch.setattr(attention, name, lambda: True)
    assert use_fused_kernel(0.0, FUSED, "bfloat16")
    assert not use_fused_kernel(0.1, FUSED, "bfloat16")
    assert not use_fused_kernel(0.0, FUSED - 1, "bfloat16")
    assert not use_fused_kernel(0.0, FUSED, "float32")
