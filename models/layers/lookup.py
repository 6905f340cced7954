"""Embedding lookup: rows of a table, with a gradient that suits the device."""

from typing import Any

from keras import ops

from models.layers.devices import on_gpu

SMALL_TABLE = 4096  # rows up to which a GPU gets the gradient from a product with one-hot rows
NARROW = 8  # numbers in a row up to which it gets it from one masked sum for each row instead


def look_up(table: Any, rows: Any) -> Any:
    """table[rows] with a dense gradient: [..., d] for table [n, d] and int rows [...].

    On TensorFlow the gradient of `ops.take` is a list of rows, in which a row that was looked up twice stands twice.
    Keras' Adam (3.15) squares the entries before it adds them up, Σ g² instead of (Σ g)², and so moves such a row too
    far. The product makes the gradient one sum for each row.
    """
    return gather(ops.convert_to_tensor(table) * 1.0, rows)


def gather(table: Any, rows: Any) -> Any:
    """table[rows], [..., d] for table [n, d] and int rows [...] in 0 … n - 1.

    On a CPU `ops.take`. Its gradient, a scatter-add, is what a GPU is worst at: each addition onto a row waits for the
    one before it, and in bfloat16 1.28 million of them onto 32 rows took seconds. There the gradient of a small table
    is a product of one-hot rows with the gradient of what was looked up, that of a larger one a scatter in float32.
    """
    if not on_gpu():
        return ops.take(table, rows, axis=0)
    rows = ops.convert_to_tensor(rows)

    @ops.custom_gradient
    def lookup(table: Any) -> Any:
        n, d = table.shape

        def gradient(*upstream: Any, **_: Any) -> Any:
            by_row = sum_rows(ops.reshape(upstream[0], (-1, d)), ops.reshape(rows, (-1,)), n)
            return ops.cast(by_row, table.dtype)

        return ops.take(table, rows, axis=0), gradient

    return lookup(ops.convert_to_tensor(table))


def sum_rows(values: Any, rows: Any, n: int) -> Any:
    """The sum of the `values` [m, d] of each of n rows, [n, d]; rows: int [m]."""
    d = values.shape[1]
    if n > SMALL_TABLE:
        return ops.segment_sum(ops.cast(values, "float32"), rows, num_segments=n)
    if d <= NARROW and n <= 256:
        own = ops.equal(rows[:, None], ops.arange(n, dtype=rows.dtype)[None])
        columns = [ops.where(own, ops.cast(values[:, c : c + 1], "float32"), 0.0) for c in range(d)]
        return ops.stack([ops.sum(column, axis=0) for column in columns], axis=1)
    return ops.matmul(ops.transpose(ops.one_hot(rows, n, dtype=values.dtype)), values)
