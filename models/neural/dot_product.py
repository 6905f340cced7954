"""Keras models whose score is the dot product of a user's and an item's vector."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from models.base import Scores
from models.data import HeldOut
from models.histories import Histories, IntArray
from models.layers.devices import on_gpu
from models.neural.ranks import CELLS, Ranks, ndcg, pair_blocks
from models.neural.recommender import Neural

# A batch of the network, which of its outputs are vectors of users (places in [·, d]), and of which users.
VectorBatch = tuple[npt.NDArray[Any], IntArray, IntArray]


class DotProduct(Neural):
    """score(u, i) = h_u · e_i: h_u of `user_vectors`, e_i of `item_vectors`; no evidence where either is NaN."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Numbers of a vector, d."""

    @abstractmethod
    def vector_batches(self, histories: Histories) -> Iterator[VectorBatch]:
        """What the network is asked with for the vectors of all users with a history: batches of one shape."""

    def item_vectors(self) -> Scores:
        """The network's `table`, float32 [n_items, dim]; NaN for an item that no event was about."""
        vectors = np.array(ops.convert_to_numpy(self.network.table), np.float32)
        vectors[~self.learned] = np.nan
        return vectors

    def user_vectors(self, histories: Histories) -> Scores:
        """float32 [n_users, d]; NaN for a user without history."""
        vectors = np.full((histories.n_users, self.width), np.nan, np.float32)
        for batch, places, users in self.vector_batches(histories):
            result = np.asarray(self.network.predict_on_batch(batch), np.float32)
            vectors[users] = result.reshape(-1, self.width)[places]
        return vectors

    def score(self, histories: Histories) -> Scores:
        """Scores by one product of user and item vectors."""
        self._require_items(histories, len(self.learned))
        users, items = self.user_vectors(histories), self.item_vectors()
        assert users is not None, f"{self.name} has item_vectors and no user_vectors"
        scores = users @ items.T
        return np.where(np.isnan(scores), np.float32(-np.inf), scores)

    def validator(self, held_out: HeldOut) -> Callable[[], float]:
        """On a GPU by ranks that are counted there."""
        if not on_gpu():
            return super().validator(held_out)
        picking, ranking = Picked(self.network), Ranks()
        batches = list(self.vector_batches(held_out.histories))
        most = max((len(places) for _, places, _ in batches), default=0)
        inputs = [
            {"batch": ops.convert_to_tensor(batch), "places": np.resize(places, most).astype(np.int32)}
            for batch, places, _ in batches
        ]
        offered = np.atleast_1d(np.isfinite(self.item_vectors()).all(axis=1))
        pairs = pair_blocks(held_out, offered, CELLS // len(offered))

        def validate() -> float:
            users = np.zeros((len(held_out.users), self.width), np.float32)
            for (_, _, own), part in zip(batches, inputs, strict=True):
                users[own] = np.asarray(picking.predict_on_batch(part))[: len(own)]
            items = ops.convert_to_tensor(np.nan_to_num(self.item_vectors()))
            return ndcg(
                [
                    np.asarray(
                        ranking.predict_on_batch(
                            {"users": users, "items": items, "learned": offered, "targets": target, "seen": seen}
                        )
                    )
                    for users, target, seen in zip(pairs.blocks(users), pairs.targets, pairs.seen, strict=True)
                ],
                pairs,
            )

        return validate


class Picked(keras.Model):
    """float32 [m, d]: `places` int32 [m] of what the network makes of `batch`, [..., d]."""

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self.network = network
        self.built = True
        self.compile(jit_compile=True)

    def call(self, asked: Any) -> Any:
        """The rest stays on the device."""
        hidden = self.network(asked["batch"], training=False)
        return ops.cast(ops.take(ops.reshape(hidden, (-1, hidden.shape[-1])), asked["places"], axis=0), "float32")
