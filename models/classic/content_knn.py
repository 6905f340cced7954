"""Content-kNN: items described like those of the user's history, with or without events (Lops et al. 2011)."""

from dataclasses import dataclass
from typing import ClassVar, Self

import scipy.sparse as sp

from models.base import TrainingData
from models.classic.knn import ItemNeighbours, ItemNeighboursConfig
from models.evaluation.validation import sample_users
from models.features.content import content_matrix


@dataclass(frozen=True)
class ContentKNNConfig(ItemNeighboursConfig):
    """Settings of content-kNN."""

    model: ClassVar[str] = "content_knn"


class ContentKNN(ItemNeighbours):
    """score(u, i) = Σ over j in the history of u of decay^p(j) · c_ij, for the c_ij among the nearest of j.

    c_ij is the cosine of the items' TF-IDF vectors (`models.features.content`), p(j) = 0 for the user's newest event.
    Nothing is learned from events but the settings. No evidence where the sum is 0, so none without a catalogue.
    """

    name: ClassVar[str] = "content_knn"
    Config: ClassVar[type] = ContentKNNConfig

    def fit(self, data: TrainingData) -> Self:
        """Computes every item's neighbours."""
        self.learn(content_rows(data), sample_users(data.validation, data.seed))
        return self


def content_rows(data: TrainingData) -> sp.csr_array:
    """The items' TF-IDF vectors; empty rows where there is no catalogue."""
    if data.catalogue is None:
        return sp.csr_array((data.histories.n_items, 0), dtype="float32")
    return content_matrix(data.catalogue)
