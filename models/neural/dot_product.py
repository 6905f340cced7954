"""Keras models whose score is a product of a user's and an item's vector."""

import numpy as np
from keras import ops

from models.base import Scores
from models.histories import Histories
from models.neural.recommender import Neural


class DotProduct(Neural):
    """score(u, i) = h_u · e_i: h_u of `user_vectors`, e_i of `item_vectors`; no evidence where either is NaN."""

    def item_vectors(self) -> Scores:
        """The network's `table`, float32 [n_items, dim]; NaN for an item that no event was about."""
        vectors = np.array(ops.convert_to_numpy(self.network.table), np.float32)
        vectors[~self.learned] = np.nan
        return vectors

    def score(self, histories: Histories) -> Scores:
        """One product."""
        self._require_items(histories, len(self.learned))
        users, items = self.user_vectors(histories), self.item_vectors()
        assert users is not None, f"{self.name} has item_vectors and no user_vectors"
        scores = users @ items.T
        return np.where(np.isnan(scores), np.float32(-np.inf), scores)
