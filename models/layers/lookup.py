"""Rows of a table."""

from typing import Any

from keras import ops


def looked_up(table: Any, rows: Any) -> Any:
    """table[rows] with a dense gradient: [..., d] for table [n, d] and int rows [...].

    On TensorFlow the gradient of `ops.take` is a list of rows, in which a row that was looked up twice stands twice.
    Keras' Adam (3.15) squares the entries before it adds them up, Σ g² instead of (Σ g)², and so moves such a row too
    far. The product makes the gradient one sum for each row.
    """
    return ops.take(ops.convert_to_tensor(table) * 1.0, rows, axis=0)
