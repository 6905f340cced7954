"""Tokeniser: texts as ids of words in a vocabulary, and hashed bigrams."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.histories import IntArray
from models.sorting import distinct

TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[!?]")
MARKUP = re.compile(r"<[^<>]{0,40}>")
PADDING, UNKNOWN, FIRST = 0, 1, 2  # the first word of the vocabulary has the id FIRST
Ids = npt.NDArray[np.int32]


def tokens(text: str) -> list[str]:
    """The words of a text, in order: runs of Unicode letters and digits, apostrophes within them, `!` and `?`.

    Compatibility forms and cases are one; short tags (`<br />`) are left out.
    """
    folded = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    return TOKEN.findall(MARKUP.sub(" ", folded))


@dataclass(frozen=True)
class Encoded:
    """Texts as ids: those of text t are ids[indptr[t] : indptr[t + 1]]. indptr int64 [n + 1], ids int32."""

    indptr: IntArray
    ids: Ids

    @property
    def lengths(self) -> IntArray:
        """Number of words of each text, int64 [n]."""
        return np.diff(self.indptr)


@dataclass(frozen=True)
class Tokeniser:
    """The words that have an id, the most frequent first."""

    words: tuple[str, ...]

    @classmethod
    def learn(cls, texts: Iterable[Sequence[str]], most: int, fewest: int = 2) -> "Tokeniser":
        """The `most` frequent words of those that occur at least `fewest` times; equal ones in the order of letters.

        A text is the list of its words.
        """
        counts = Counter(word for words in texts for word in words)
        often = sorted((word for word, count in counts.items() if count >= fewest), key=lambda w: (-counts[w], w))
        return cls(tuple(often[:most]))

    @property
    def n_ids(self) -> int:
        """One more than the largest id."""
        return FIRST + len(self.words)

    def encode(self, texts: Iterable[Sequence[str]]) -> Encoded:
        """The ids of all words; UNKNOWN for a word that has none."""
        known = {word: FIRST + place for place, word in enumerate(self.words)}
        rows = [[known.get(word, UNKNOWN) for word in words] for words in texts]
        indptr = np.concatenate(([0], np.cumsum([len(row) for row in rows], dtype=np.int64)))
        return Encoded(indptr.astype(np.int64), np.fromiter((i for row in rows for i in row), np.int32, indptr[-1]))


def pad(encoded: Encoded, chosen: IntArray, length: int) -> Ids:
    """The ids of the `chosen` texts, int32 [n, length], PADDING behind them.

    Of a longer text the middle is left out: what a text is about stands at its beginning, what it concludes at its end.
    """
    rows = np.full((len(chosen), length), PADDING, np.int32)
    head = length // 4
    for row, text in zip(rows, chosen, strict=True):
        ids = encoded.ids[encoded.indptr[text] : encoded.indptr[text + 1]]
        if len(ids) > length:
            row[:head], row[head:] = ids[:head], ids[len(ids) - (length - head) :]
        else:
            row[: len(ids)] = ids
    return rows


def pairs(rows: Ids, buckets: int) -> Ids:
    """The pair of every word and the one before as a number 1 … buckets, by a multiplicative hash (Knuth 1973).

    int32, as `rows`; PADDING for the first word of a row and for padding.
    """
    before = np.concatenate([np.zeros((len(rows), 1), np.int32), rows[:, :-1]], axis=1).astype(np.uint64)
    mixed = (before * np.uint64(1_000_003) + rows.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
    number = 1 + (mixed >> np.uint64(33)) % np.uint64(buckets)
    return np.where((rows != PADDING) & (before != PADDING), number, 0).astype(np.int32)


def distinct_pairs(encoded: Encoded) -> int:
    """How many different pairs of neighbours there are, those across two texts among them."""
    ids = encoded.ids.astype(np.int64)
    return len(distinct(ids[:-1] << 32 | ids[1:]))
