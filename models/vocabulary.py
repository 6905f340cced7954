"""Fingerprint of a model's item vocabulary: with other items its rows mean nothing."""

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

ItemIds = Sequence[str | None]  # by row


class VocabularyError(ValueError):
    """A model is about other items than those that it is asked for."""


class Vocabulary(NamedTuple):
    """n_items: how many rows. sha256: of their ids as a JSON list, hexadecimal."""

    n_items: int
    sha256: str

    @classmethod
    def of(cls, ids: ItemIds) -> "Vocabulary":
        """The fingerprint of ids by row."""
        return cls(len(ids), hashlib.sha256(json.dumps(list(ids)).encode()).hexdigest())

    def require_begins(self, ids: ItemIds, name: str) -> None:
        """Raises VocabularyError, which names the model `name`, where `ids`, by row, do not begin with what it learned.

        Rows are given once for all: a later night's vocabulary is an earlier one with more behind it.
        """
        first = Vocabulary.of(ids[: self.n_items])
        if first != self:
            here = f"the first of the {len(ids)} here are {first}"
            raise VocabularyError(f"{name} learned {self}, {here}; train it again")

    def __str__(self) -> str:
        """As errors tell it."""
        return f"{self.n_items} items with the fingerprint {self.sha256[:16]}"
