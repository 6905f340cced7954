"""Hybrid kNN: items with the same users or a description like those of the user's history (Burke 2002, weighted)."""

from copy import copy
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Self

import scipy.sparse as sp
from annotated_types import Interval, doc

from models.base import TrainingData
from models.classic.content_knn import content_rows
from models.classic.knn import ItemNeighbours, ItemNeighboursConfig
from models.evaluation.validation import sample_users
from models.features.hybrid import hybrid

ALPHAS = (0.7, 0.3, 0.5, 0.9, 0.97)  # to choose from on validation; the first where there is none


@dataclass(frozen=True)
class HybridKNNConfig(ItemNeighboursConfig):
    """Settings of hybrid-kNN."""

    model: ClassVar[str] = "hybrid_knn"
    alpha: Annotated[
        float | None,
        Interval(gt=0.0, lt=1.0),
        doc("share of the users in the similarity, the rest is the description's; none: chosen on validation"),
    ] = None


class HybridKNN(ItemNeighbours):
    """score(u, i) = Σ over j in the history of u of decay^p(j) · h_ij, for the h_ij among the nearest of j.

    h_ij = α s_ij + (1 - α) c_ij, of the cosine s of the items' users and the cosine c of their TF-IDF vectors
    (`models.features.content`), p(j) = 0 for the user's newest event. An item without events has neighbours by content,
    one without description by users. No evidence where the sum is 0.
    """

    name: ClassVar[str] = "hybrid_knn"
    Config: ClassVar[type] = HybridKNNConfig

    def fit(self, data: TrainingData) -> Self:
        """Computes every item's neighbours; neighbours and decay are chosen with the first α, then α."""
        users, content = sp.csr_array(data.histories.matrix().T), content_rows(data)
        validation = sample_users(data.validation, data.seed)
        alphas = ALPHAS if self.config.alpha is None else (self.config.alpha,)
        best, most = self, -1.0
        for alpha in alphas if validation is not None else alphas[:1]:
            model = copy(best)
            model.config = replace(best.config, alpha=alpha)
            rows, norms = hybrid(users, content, alpha)
            value = model.learn(rows, validation, norms)
            if value > most:
                best, most = model, value
        self.config, self.similarity = best.config, best.similarity
        return self
