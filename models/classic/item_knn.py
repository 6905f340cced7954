"""Item-kNN: items like those of the user's history, recent ones first (Sarwar et al. 2001; Deshpande, Karypis 2004)."""

from dataclasses import dataclass
from typing import ClassVar, Self

import scipy.sparse as sp

from models.base import TrainingData
from models.classic.knn import ItemNeighbours, ItemNeighboursConfig
from models.evaluation.validation import sample_users


@dataclass(frozen=True)
class ItemKNNConfig(ItemNeighboursConfig):
    """Settings of item-kNN."""

    model: ClassVar[str] = "item_knn"


class ItemKNN(ItemNeighbours):
    """score(u, i) = Σ over j in the history of u of decay^p(j) · s_ij, for the s_ij among the nearest of j.

    s_ij is the cosine of the items' users, p(j) = 0 for the user's newest event. No evidence where the sum is 0.
    """

    name: ClassVar[str] = "item_knn"
    Config: ClassVar[type] = ItemKNNConfig

    def fit(self, data: TrainingData) -> Self:
        """Computes every item's neighbours."""
        self.learn(sp.csr_array(data.histories.matrix().T), sample_users(data.validation, data.seed))
        return self
