"""What a model learns from: histories, what is known of the items, and held-out items to choose its settings on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import scipy.sparse as sp

from models.histories import Histories, IntArray

if TYPE_CHECKING:  # models import this module
    from models.base import Recommender


class UnlearnableError(ValueError):
    """Data that a model cannot learn with its settings; trying the same again is vain."""


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


@dataclass(frozen=True)
class TrainingData:
    """What `Recommender.fit` takes.

    histories: the events to learn. catalogue: over the same item rows, None where nothing is known. validation: to
    choose settings and stop early on, never learned from; None to keep the settings as they are. seed: of all that is
    random. workspace: a folder for checkpoints and curves of this very training; an interrupted one goes on from there;
    None for none. models: the run's other trained models by name, for one that combines them. start: the same kind of
    model with the same settings that has learned earlier events of the same items, of which tonight's may be more; a
    network begins with its weights. None to begin from nothing. mixed_precision: networks that can compute in
    bfloat16 do; None: on a GPU.
    """

    histories: Histories
    catalogue: Catalogue | None = None
    validation: HeldOut | None = None
    seed: int = 0
    workspace: Path | None = None
    models: Mapping[str, "Recommender"] = field(default_factory=dict)
    start: "Recommender | None" = None
    mixed_precision: bool | None = None

    def __post_init__(self) -> None:
        """Raises ValueError where the parts are about different items."""
        n_items = self.histories.n_items
        if self.catalogue is not None and len(self.catalogue) != n_items:
            raise ValueError(f"catalogue: expected {n_items} items, as the histories have, got {len(self.catalogue)}")
        if self.validation is not None and self.validation.histories.n_items != n_items:
            raise ValueError(f"validation: expected {n_items} items, got {self.validation.histories.n_items}")
