"""Item metadata and held-out users: what a model is given beside the histories it learns from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import scipy.sparse as sp

from models.histories import Histories, IntArray


class UnlearnableError(ValueError):
    """Data that a model cannot learn with its settings; not retryable."""


class CheckpointStore(Protocol):
    """Where the checkpoint of one training is kept for other machines."""

    def write(self, file: Path) -> None:
        """Keeps a copy of the file in place of the one before; whole or not at all."""

    def read(self, file: Path) -> bool:
        """Copies what is kept into the file; False where nothing is."""


@dataclass(frozen=True)
class Catalogue:
    """What is known of the items, by item row; '' and () where nothing is.

    posters: addresses of image files.
    """

    titles: list[str]
    descriptions: list[str]
    genres: list[tuple[str, ...]]
    tags: list[tuple[str, ...]]
    posters: list[str]

    def __len__(self) -> int:
        """Number of item rows."""
        return len(self.titles)


@dataclass(frozen=True)
class HeldOut:
    """Users with held-out items, and what was known of them before.

    users: int64 [n], rows of the users. histories: their n histories up to what is held out, in that order.
    relevant: [n, n_items], 1 for a held-out item that the user did not have before; at least one in every row.
    """

    users: IntArray
    histories: Histories
    relevant: sp.csr_array
