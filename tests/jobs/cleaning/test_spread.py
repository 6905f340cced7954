"""Answers of cleaning tasks as JSON: every kind of answer comes back as it was, and nothing else is taken."""

from dataclasses import astuple
from typing import Any, get_type_hints

import numpy as np
import pytest

from jobs.cleaning import ranges, tasks
from jobs.cleaning.keys import Hashes
from jobs.cleaning.pieces import Judged
from jobs.cleaning.ranges import Range
from jobs.cleaning.spread import decode, encode

HASHES = np.array([0, 1, 2**63 + 1, 2**64 - 1], np.uint64)
JUDGED = Judged(7, 10, 8, "file:///kept", None, frozenset({"rating", "view"}), HASHES)
RANGE = Range([("2000-01-01", "file:///a b")], [], [(3, "accepted", 5), (4, "held", 0)], HASHES[:0])


@pytest.mark.parametrize(
    ("function", "answer"),
    [
        (tasks.judge, JUDGED),
        (tasks.judge, Judged(7, 0, 0)),
        (tasks.extract, None),
        (ranges.fold_range, RANGE),
        (ranges.landed_keys, HASHES),
        (ranges.landed_kinds, {(1, "view"), (2, "")}),
        (ranges.landed_kinds, set()),
        (ranges.amend_piece, None),
        (ranges.amend_piece, "file:///Zoë \u202e"),
    ],
)
def test_an_answer_comes_back_as_it_was(function: Any, answer: Any) -> None:
    back = decode(get_type_hints(function)["return"], encode(answer))
    assert type(back) is type(answer)
    if isinstance(answer, np.ndarray):
        assert back.dtype == np.uint64
        assert back.flags.writeable
    elif isinstance(answer, Judged | Range):
        for one, other in zip(astuple(back), astuple(answer), strict=True):
            assert type(one) is type(other)
            np.testing.assert_equal(one, other)
        return
    np.testing.assert_equal(back, answer)


def test_other_values_are_refused() -> None:
    with pytest.raises(TypeError, match="object is no answer of a task"):
        encode([object()])
    with pytest.raises(TypeError, match="Cannot cast"):
        encode(np.array([0.5]))
    with pytest.raises(ValueError, match="zip"):
        decode(tuple[int, str], "[1]")
    with pytest.raises(ValueError, match="base64"):
        decode(Hashes, '"x"')
