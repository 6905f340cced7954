"""Beam search for the likeliest sequence without repeats (Lowerre 1976; Sutskever et al. 2014)."""

from collections.abc import Callable
from typing import Any

from keras import ops

# (items int32 [n], states [n, d]) → logits [n, n_items] of what follows them, and the states there.
Step = Callable[[Any, Any], tuple[Any, Any]]


def beam_search(last: Any, states: Any, step: Step, allowed: Any, beams: int, horizon: int) -> tuple[Any, Any]:
    """int32 and float32 [n, horizon]: sequences, and the log-probability of every item after those before it.

    last: int32 [n], what the sequences continue; states: [n, d], those before it. allowed: bool [n, n_items], the items
    of a sequence, each at most once. Of each of n sequences `beams` are kept by the sum of log-probabilities, equal
    ones by the order of items. -1 and -inf after the end of a sequence that nothing is left for. `step` gets n · beams
    rows. All of it are tensors, so that a compiled function can hold the whole search.
    """
    n, n_items = ops.shape(allowed)[0], allowed.shape[1]
    places = ops.arange(horizon)

    def extend(place: Any, search: Any) -> Any:
        items, gains, free, totals, current, states = search
        logits, states = step(ops.reshape(current, (-1,)), states)
        chances = ops.reshape(ops.log_softmax(ops.cast(logits, "float32"), axis=-1), (-1, beams, n_items))
        sums = ops.where(free, totals[:, :, None] + chances, -float("inf"))
        reached, best = ops.top_k(ops.reshape(sums, (-1, beams * n_items)), beams)
        ended = ops.logical_not(ops.isfinite(reached[:, :1]))  # nothing is left: the sequence stays as it was
        going = ops.logical_and(ops.logical_not(ended), ops.isfinite(reached))
        best = ops.cast(best, "int32")
        beam = ops.where(ended, ops.arange(beams, dtype="int32"), best // n_items)
        item = best % n_items
        gain = ops.take_along_axis(ops.reshape(chances, (-1, beams * n_items)), best, axis=1)
        here = places == place
        items = ops.where(here, ops.where(going, item, -1)[:, :, None], _pick(items, beam))
        gains = ops.where(here, ops.where(going, gain, -float("inf"))[:, :, None], _pick(gains, beam))
        taken = ops.logical_and(going[:, :, None], ops.arange(n_items, dtype="int32") == item[:, :, None])
        free = ops.logical_and(_pick(free, beam), ops.logical_not(taken))
        totals = ops.where(ended, totals, reached)
        states = _pick(ops.reshape(states, (-1, beams, states.shape[-1])), beam)
        return items, gains, free, totals, ops.where(going, item, 0), ops.reshape(states, (-1, states.shape[-1]))

    start = (
        ops.full((n, beams, horizon), -1, dtype="int32"),
        ops.full((n, beams, horizon), -float("inf"), dtype="float32"),
        ops.repeat(allowed[:, None], beams, axis=1),
        ops.where(ops.arange(beams) == 0, ops.zeros((n, beams)), -float("inf")),
        ops.repeat(last[:, None], beams, axis=1),
        ops.repeat(states, beams, axis=0),
    )
    items, gains, *_ = ops.fori_loop(0, horizon, extend, start)
    return items[:, 0], gains[:, 0]


def _pick(values: Any, beam: Any) -> Any:
    """values [n, beams, d] of the chosen beams, int32 [n, beams]."""
    return ops.take_along_axis(values, beam[:, :, None], axis=1)
