"""The losses of the Keras models that keras does not have."""

from typing import Any

from keras import ops

POSITIONS = 256  # whose logits exist at a time: few enough to stay in the processor's cache


def softmax_cross_entropy(hidden: Any, table: Any, targets: Any, weights: Any) -> Any:
    """Σ_p w_p (log Σ_i exp(h_p · e_i) - h_p · e_y(p)): next-item cross-entropy over the whole catalogue, a scalar.

    hidden: float32 [n, d], h. table: float32 [n_items, d], e. targets: int32 [n], y. weights: float32 [n], w.

    The logits [n, n_items] never exist as a whole: the loss and its gradients are computed together, POSITIONS rows at
    a time, and what is kept for the backward pass is as large as `hidden` and `table` (as Hsu et al. 2024, Liger
    kernels, do on a GPU). With p the softmax: ∂/∂h = w (p E - e_y), ∂/∂E = Σ w (p - onehot(y))ᵀ h.
    """
    n = hidden.shape[0]
    rows = -(-n // POSITIONS) * POSITIONS
    targets, weights = _padded(targets, rows), _padded(weights, rows)

    @ops.custom_gradient
    def loss(hidden: Any, table: Any) -> Any:
        value, by_hidden, by_table = _with_gradients(_padded(hidden, rows), table, targets, weights)

        def gradient(*upstream: Any, **_: Any) -> tuple[Any, Any]:
            return upstream[0] * by_hidden[:n], upstream[0] * by_table

        return value, gradient

    return loss(hidden, ops.convert_to_tensor(table))


def _with_gradients(hidden: Any, table: Any, targets: Any, weights: Any) -> tuple[Any, Any, Any]:
    (n, d), n_items = hidden.shape, table.shape[0]
    columns = ops.transpose(table)

    def chunk(number: Any, so_far: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        loss, by_hidden, by_columns = so_far
        low = number * POSITIONS
        h = ops.slice(hidden, (low, 0), (POSITIONS, d))
        y, w = (ops.slice(vector, (low,), (POSITIONS,)) for vector in (targets, weights))
        target = ops.take(table, y, axis=0)
        logits = ops.matmul(h, columns)
        largest = ops.max(logits, axis=1, keepdims=True)
        exponentials = ops.exp(logits - largest)
        total = ops.sum(exponentials, axis=1, keepdims=True)
        # Scaling the small factor instead of the probabilities saves a pass over them.
        scale = w[:, None] / total
        own = ops.matmul(exponentials, table) * scale - w[:, None] * target
        loss += ops.sum(w * (ops.log(total[:, 0]) + largest[:, 0] - ops.sum(h * target, axis=1)))
        by_columns += ops.matmul(ops.transpose(h * scale), exponentials)
        return loss, ops.slice_update(by_hidden, (low, 0), own), by_columns

    start = (ops.zeros(()), ops.zeros((n, d)), ops.zeros((d, n_items)))
    loss, by_hidden, by_columns = ops.fori_loop(0, n // POSITIONS, chunk, start)
    targeted = ops.segment_sum(hidden * weights[:, None], targets, num_segments=n_items)
    return loss, by_hidden, ops.transpose(by_columns) - targeted


def _padded(array: Any, rows: int) -> Any:
    return ops.pad(array, [(0, rows - array.shape[0])] + [(0, 0)] * (len(array.shape) - 1))
