"""Words, ids and pairs, by eye."""

import numpy as np

from models.features.text import FIRST, PADDING, UNKNOWN, Tokeniser, pad, pairs, tokens


def test_words_are_folded_and_tags_left_out() -> None:
    assert tokens("The plot<br />isn\u2019t BAD... 10/10!") == ["the", "plot", "isn't", "bad", "10", "10", "!"]
    assert tokens("Straße ﬁn 映画 a_b") == ["strasse", "fin", "映画", "a", "b"]
    assert tokens("... -- ") == []


def test_frequent_words_get_ids_in_order() -> None:
    tokeniser = Tokeniser.learn([["b", "a", "c"], ["b", "a"], ["b", "d", "d"]], most=3)
    assert tokeniser.words == ("b", "a", "d")  # c occurs once; a before d, for it has the earlier letter
    assert tokeniser.n_ids == FIRST + 3
    encoded = tokeniser.encode([["d", "c"], [], ["b"]])
    assert encoded.indptr.tolist() == [0, 2, 2, 3]
    assert encoded.ids.tolist() == [FIRST + 2, UNKNOWN, FIRST]


def test_the_middle_of_a_long_text_is_left_out() -> None:
    encoded = Tokeniser(tuple("abcdefgh")).encode([list("abcdefgh"), list("ab"), []])
    rows = pad(encoded, np.array([2, 0, 1]), 4)
    assert rows.tolist() == [[PADDING] * 4, [2, 7, 8, 9], [2, 3, PADDING, PADDING]]


def test_a_pair_is_a_word_and_the_one_before() -> None:
    rows = np.array([[2, 3, 2, 3, 0], [3, 2, 3, 0, 0]], np.int32)
    two = pairs(rows, 1_000_000)
    assert two.dtype == np.int32
    assert two[0].tolist()[::4] == [0, 0]  # the first word and padding have none
    assert two[0, 1] == two[0, 3] == two[1, 2]  # (2, 3)
    assert two[0, 2] == two[1, 1] != two[0, 1]  # (3, 2): the order counts
    assert pairs(rows, 1)[0].tolist() == [0, 1, 1, 1, 0]


def test_hashes_spread() -> None:
    random = np.random.default_rng(0)
    rows = random.integers(2, 30_000, (200, 101)).astype(np.int32)
    counts = np.bincount(pairs(rows, 1000)[:, 1:].ravel(), minlength=1001)
    assert counts[0] == 0
    assert counts[1:].max() < 60  # 20 expected, Poisson
