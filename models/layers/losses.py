"""Losses that Keras does not have: full and sampled softmax cross-entropy over the catalogue."""

from typing import Any

from keras import ops

from models.layers.devices import on_gpu
from models.layers.lookup import look_up

POSITIONS = 256  # whose logits exist at a time on a CPU: few enough to stay in the processor's cache
GPU_LOGITS = 1 << 28  # that exist at a time on a GPU: a GiB
FAR = -1e9  # the logit of what does not count


def positions_at_once(n: int, n_items: int) -> int:
    """Chunk size of the logits: of n positions how many are computed at a time; one large product is what a GPU is fast
    at."""
    return min(n, max(POSITIONS, GPU_LOGITS // n_items)) if on_gpu() else POSITIONS


def softmax_cross_entropy(hidden: Any, table: Any, targets: Any, weights: Any) -> Any:
    """Σ_p w_p (log Σ_i exp(h_p · e_i) - h_p · e_y(p)): next-item cross-entropy over the whole catalogue, a scalar.

    hidden: float32 [n, d], h. table: float32 [n_items, d], e. targets: int32 [n], y. weights: float32 [n], w.

    The logits [n, n_items] never exist as a whole: the loss and its gradients are computed together, for
    `positions_at_once`, and what is kept for the backward pass is as large as `hidden` and `table` (as Hsu et al. 2024,
    Liger kernels, do). With p the softmax: ∂/∂h = w (p E - e_y), ∂/∂E = Σ w (p - onehot(y))ᵀ h.
    """
    n = hidden.shape[0]
    at_once = positions_at_once(n, table.shape[0])
    rows = -(-n // at_once) * at_once
    targets, weights = _pad(targets, rows), _pad(weights, rows)

    @ops.custom_gradient
    def loss(hidden: Any, table: Any) -> Any:
        compute = _with_gradients_on_gpu if on_gpu() else _with_gradients
        value, by_hidden, by_table = compute(_pad(hidden, rows), table, targets, weights, at_once)

        def gradient(*upstream: Any, **_: Any) -> tuple[Any, Any]:
            return upstream[0] * by_hidden[:n], upstream[0] * by_table

        return value, gradient

    return loss(ops.cast(hidden, "float32"), ops.convert_to_tensor(table))


def _with_gradients(hidden: Any, table: Any, targets: Any, weights: Any, at_once: int) -> tuple[Any, Any, Any]:
    (n, d), n_items = hidden.shape, table.shape[0]
    columns = ops.transpose(table)

    def chunk(number: Any, so_far: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        loss, by_hidden, by_columns = so_far
        low = number * at_once
        h = ops.slice(hidden, (low, 0), (at_once, d))
        y, w = (ops.slice(vector, (low,), (at_once,)) for vector in (targets, weights))
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
    loss, by_hidden, by_columns = ops.fori_loop(0, n // at_once, chunk, start)
    targeted = ops.segment_sum(hidden * weights[:, None], targets, num_segments=n_items)
    return loss, by_hidden, ops.transpose(by_columns) - targeted


def _with_gradients_on_gpu(hidden: Any, table: Any, targets: Any, weights: Any, at_once: int) -> tuple[Any, Any, Any]:
    """The same without a scatter onto the table: w (p - onehot(y)) is one fused pass over the logits."""
    (n, d), n_items = hidden.shape, table.shape[0]
    columns, items = ops.transpose(table), ops.arange(n_items, dtype=targets.dtype)[None]

    def chunk(number: Any, so_far: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        loss, by_hidden, by_table = so_far
        low = number * at_once
        h = ops.slice(hidden, (low, 0), (at_once, d))
        y, w = (ops.slice(vector, (low,), (at_once,))[:, None] for vector in (targets, weights))
        logits, own = ops.matmul(h, columns), ops.equal(items, y)
        log_total = ops.logsumexp(logits, axis=1, keepdims=True)
        loss += ops.sum(w * (log_total - ops.sum(ops.where(own, logits, 0.0), axis=1, keepdims=True)))
        by_logits = w * (ops.exp(logits - log_total) - ops.cast(own, logits.dtype))
        by_hidden = ops.slice_update(by_hidden, (low, 0), ops.matmul(by_logits, table))
        return loss, by_hidden, by_table + ops.matmul(ops.transpose(by_logits), h)

    start = (ops.zeros(()), ops.zeros((n, d)), ops.zeros((n_items, d)))
    return tuple(ops.fori_loop(0, n // at_once, chunk, start))


def sampled_softmax_cross_entropy(
    hidden: Any, table: Any, targets: Any, weights: Any, negatives: Any, log_counts: Any
) -> Any:
    """Cross-entropy with negatives that all places share and that stand for the catalogue by LogQ, a scalar.

        Σ_p w_p (log Z_p - h_p · e_y(p)),  Z_p = exp(h_p · e_y(p)) + Σ_{j: s_j ≠ y(p)} exp(h_p · e_s(j) - log c_s(j))

    hidden: float32 [n, d], h. table: float32 [m, d], e. targets: int32 [n], y. weights: float32 [n], w.
    negatives: int32 [k], s, rows of `table` drawn with replacement. log_counts: float32 [k], of each the logarithm of
    how often its item is expected among the k.

    Over the draws Z_p is on average the sum over the whole catalogue (importance sampling, Bengio & Senécal 2008). The
    target is there for certain and so not corrected (Khrylchenko et al. 2025), unlike where it is itself one of the
    draws (Yi et al. 2019); where it is drawn as well it does not count twice. Chunked as `softmax_cross_entropy`.
    """
    n = hidden.shape[0]
    at_once = positions_at_once(n, negatives.shape[0])
    rows = -(-n // at_once) * at_once
    drawn = ops.convert_to_tensor(negatives), ops.convert_to_tensor(log_counts)
    wanted = _pad(targets, rows), _pad(weights, rows)

    @ops.custom_gradient
    def loss(hidden: Any, positive: Any, negative: Any) -> Any:
        padded = _pad(hidden, rows), _pad(positive, rows)
        parts = _sampled_with_gradients(*padded, negative, *wanted, *drawn, at_once)
        value, by_hidden, by_positive, by_negative = parts

        def gradient(*upstream: Any, **_: Any) -> tuple[Any, Any, Any]:
            return tuple(upstream[0] * part for part in (by_hidden[:n], by_positive[:n], by_negative))

        return value, gradient

    return loss(ops.cast(hidden, "float32"), look_up(table, targets), look_up(table, drawn[0]))


def _sampled_with_gradients(
    hidden: Any, positive: Any, negative: Any, targets: Any, weights: Any, numbers: Any, log_counts: Any, at_once: int
) -> tuple[Any, Any, Any, Any]:
    (n, d), k = hidden.shape, negative.shape[0]
    columns = ops.transpose(negative)

    def chunk(number: Any, so_far: tuple[Any, Any, Any, Any]) -> tuple[Any, Any, Any, Any]:
        loss, by_hidden, by_positive, by_columns = so_far
        low = number * at_once
        h, e = (ops.slice(matrix, (low, 0), (at_once, d)) for matrix in (hidden, positive))
        y, w = (ops.slice(vector, (low,), (at_once,))[:, None] for vector in (targets, weights))
        logits = ops.where(ops.equal(y, numbers[None]), FAR, ops.matmul(h, columns) - log_counts[None])
        own = ops.sum(h * e, axis=1, keepdims=True)
        largest = ops.maximum(ops.max(logits, axis=1, keepdims=True), own)
        exponentials, certain = ops.exp(logits - largest), ops.exp(own - largest)
        total = ops.sum(exponentials, axis=1, keepdims=True) + certain
        scale = w / total
        less = certain * scale - w  # the derivative by the target's logit
        loss += ops.sum(w * (ops.log(total) + largest - own))
        by_hidden = ops.slice_update(by_hidden, (low, 0), ops.matmul(exponentials, negative) * scale + less * e)
        by_positive = ops.slice_update(by_positive, (low, 0), less * h)
        by_columns += ops.matmul(ops.transpose(h * scale), exponentials)
        return loss, by_hidden, by_positive, by_columns

    start = (ops.zeros(()), ops.zeros((n, d)), ops.zeros((n, d)), ops.zeros((d, k)))
    loss, by_hidden, by_positive, by_columns = ops.fori_loop(0, n // at_once, chunk, start)
    return loss, by_hidden, by_positive, ops.transpose(by_columns)


def _pad(array: Any, rows: int) -> Any:
    return ops.pad(array, [(0, rows - array.shape[0])] + [(0, 0)] * (len(array.shape) - 1))
