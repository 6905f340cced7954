"""Neural collaborative filtering (NCF): an MLP over user and item embeddings (He et al. 2017), on sampled negatives."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar

import keras
import numpy as np
import numpy.typing as npt
from annotated_types import Interval, Unit, doc
from keras import ops

from models.base import Scores
from models.config import Config
from models.data import HeldOut
from models.histories import Histories, IntArray
from models.kernels.nearest import nearest_in_history
from models.layers.devices import on_gpu
from models.layers.lookup import gather
from models.layers.packing import Pieces, newest
from models.neural.ranks import CELLS, Ranks, ndcg, pair_blocks
from models.neural.recommender import MIN_STEPS, Neural
from models.neural.settings import Dim, Epochs, LearningRate, Patience

USERS_AT_ONCE = 32  # scored against all items in one step
Batch = npt.NDArray[np.int32]


@dataclass(frozen=True)
class NCFConfig(Config):
    """Architecture and training of NCF."""

    model: ClassVar[str] = "ncf"
    dim: Annotated[Dim, doc("width of the embeddings")] = 32
    units: Annotated[
        int,
        Interval(ge=2, le=8192),
        Unit("numbers"),
        doc("width of the perceptron's first layer; half in the second"),
    ] = 64
    length: Annotated[
        int, Interval(ge=2, le=10_000), Unit("events"), doc("how many of a user's newest events are read")
    ] = 100
    positives: Annotated[
        int, Interval(ge=1, le=10_000), Unit("items"), doc("items drawn from each user's history in an epoch")
    ] = 20
    negatives: Annotated[int, Interval(ge=1, le=10_000), Unit("items"), doc("other items drawn for each of those")] = 4
    batch_users: Annotated[int, Interval(ge=1, le=100_000), Unit("users"), doc("most users in a step")] = 128
    epochs: Epochs = 20
    patience: Patience = 2
    learning_rate: LearningRate = 3e-3


@keras.saving.register_keras_serializable(package="encore")
class NCFNetwork(keras.Model):
    """NeuMF: logit(u, i) = w · (p_u ∘ q_i) + v · relu(relu(p_u A + q_i B + a) C + c), the score σ(logit).

    q_i is the item's embedding. He's p_u is a number of its own for each user; here it is Σ q'_j / √n over the n
    items j of u's history, item i itself left out, with second embeddings q' (Koren 2008; Kabbur et al. 2013): a
    night's users need not be those of training, and tonight's events count at once.
    """

    def __init__(self, n_items: int, settings: dict[str, Any], **keras_settings: Any) -> None:
        super().__init__(**keras_settings)
        self.n_items, self.settings = n_items, settings
        units = settings["units"]
        self.of_user, self.of_item = keras.layers.Dense(units, use_bias=False), keras.layers.Dense(units)
        self.second = keras.layers.Dense(units // 2, activation="relu")
        self.last = keras.layers.Dense(1)
        self.product = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")

    def build(self, input_shape: Any) -> None:
        """For histories int32 [n, length]."""
        dim, units = self.settings["dim"], self.settings["units"]
        near_zero = keras.initializers.RandomNormal(stddev=0.1)  # one for both: q' begins as q, so that like finds like
        self.table = self.add_weight(shape=(self.n_items, dim), initializer=near_zero, name="items")
        self.taken = self.add_weight(shape=(self.n_items, dim), initializer=near_zero, name="taken")
        for layer in (self.of_user, self.of_item, self.product):
            layer.build((None, dim))
        self.second.build((None, units))
        self.last.build((None, units // 2))

    def total(self, histories: Any) -> Any:
        """float32 [n, dim]: the sums of the second embeddings of histories int32 [n, length], -1 for none."""
        there = ops.cast(histories >= 0, "float32")[..., None]
        return ops.sum(gather(self.taken, ops.maximum(histories, 0)) * there, axis=1)

    def logits(self, users: Any, items: Any) -> Any:
        """[...] for users [..., dim] and items [..., dim], which broadcast."""
        first = ops.relu(self.of_user(users) + self.of_item(items))
        return (self.last(self.second(first)) + self.product(users * items))[..., 0]

    def call(self, histories: Any, training: bool = False) -> Any:
        """float32 [n, n_items]: the logits of all items for histories int32 [n, length], -1 for none."""
        known = ops.maximum(ops.sum(ops.cast(histories >= 0, "float32"), axis=1, keepdims=True), 1.0)
        return self.logits((self.total(histories) / ops.sqrt(known))[:, None], ops.convert_to_tensor(self.table)[None])

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {"n_items": self.n_items, "settings": self.settings}


class NCFLoss(keras.Model):
    """Binary cross-entropy of drawn history items (1) and others (0); see `NCF.training_batches` for a batch."""

    def __init__(self, network: NCFNetwork) -> None:
        super().__init__()
        self.network = network

    def call(self, batch: Any, training: bool = False) -> Any:
        """Adds the loss of a batch int32 [users, length + positives · (1 + negatives)]."""
        settings = self.network.settings
        length, positives, negatives = (settings[name] for name in ("length", "positives", "negatives"))
        histories, drawn = batch[:, :length], ops.reshape(batch[:, length:], (-1, positives, 1 + negatives))
        count = ops.sum(ops.cast(histories >= 0, "float32"), axis=1)[:, None, None]
        own = gather(self.network.taken, ops.maximum(drawn[:, :, 0], 0))
        total = self.network.total(histories)[:, None]
        # A positive is not among what it is predicted from; for its negatives the same p_u, so that nothing tells them.
        users = ((total - own) / ops.sqrt(ops.maximum(count - 1.0, 1.0)))[:, :, None]
        logits = self.network.logits(users, gather(self.network.table, ops.maximum(drawn, 0)))
        # log(1 + e^-x) for the positive, log(1 + e^x) for the others
        signs = ops.where(ops.arange(1 + negatives) == 0, -1.0, 1.0)
        real = ops.cast(drawn[:, :, :1] >= 0, "float32")
        loss = ops.sum(ops.softplus(signs * logits) * real) / ops.maximum(ops.sum(real) * (1 + negatives), 1.0)
        self.add_loss(loss)
        return loss


class NCF(Neural):
    """NCF. The order of a history does not matter beyond which events are its last."""

    name: ClassVar[str] = "ncf"
    Config: ClassVar[type] = NCFConfig
    padding: ClassVar[int] = -1

    def network_of(self, n_items: int) -> keras.Model:
        """Builds the untrained network."""
        network = NCFNetwork(n_items, asdict(self.config))
        network.build((None, self.config.length))
        return network

    def loss_of(self, network: keras.Model) -> keras.Model:
        """Builds the loss: binary cross-entropy."""
        return NCFLoss(network)

    def examples_per_epoch(self, histories: Histories) -> int:
        """Positives in an epoch: of users with two events, so that one is left to predict the other from."""
        users = int((np.diff(histories.indptr) > 1).sum())
        return users * int(self.config.positives)

    def training_batches(self, histories: Histories, random: np.random.Generator) -> Iterator[tuple[Batch, int]]:
        """int32 [users, length + positives · (1 + negatives)]: history, then each positive with its negatives.

        Positives are drawn from the history, negatives evenly from all items; -1 pads histories and absent users.
        """
        config = self.config
        users = random.permutation(np.flatnonzero(np.diff(histories.indptr) > 1))
        at_once = min(config.batch_users, max(1, len(users) // MIN_STEPS))
        for low in range(0, len(users), at_once):
            some = users[low : low + at_once]
            known = recent(histories.take(some), config.length)
            places = random.integers(0, (known >= 0).sum(axis=1)[:, None], (len(some), config.positives))
            drawn = random.integers(0, histories.n_items, (len(some), config.positives, 1 + config.negatives))
            drawn[:, :, 0] = np.take_along_axis(known, places, axis=1)
            batch = np.full((at_once, config.length + drawn[0].size), -1, np.int32)
            batch[: len(some), : config.length] = known
            batch[: len(some), config.length :] = drawn.reshape(len(some), -1)
            yield batch, len(some) * config.positives

    def score(self, histories: Histories) -> Scores:
        """Logits; -inf for an item that no event was about, and for a user without history."""
        self._require_items(histories, len(self.learned))
        known = recent(histories, self.config.length)
        scores = np.empty((histories.n_users, histories.n_items), np.float32)
        for low in range(0, histories.n_users, USERS_AT_ONCE):
            some = known[low : low + USERS_AT_ONCE]
            block = np.full((USERS_AT_ONCE, self.config.length), -1, np.int32)
            block[: len(some)] = some
            scores[low : low + len(some)] = np.asarray(self.network.predict_on_batch(block))[: len(some)]
        scores[:, ~self.learned] = -np.inf
        scores[np.diff(histories.indptr) == 0] = -np.inf
        return scores

    def validator(self, held_out: HeldOut) -> Callable[[], float]:
        """On a GPU by ranks that are counted there."""
        if not on_gpu():
            return super().validator(held_out)
        ranking, known = Ranks(self.network), recent(held_out.histories, self.config.length)
        pairs = pair_blocks(held_out, self.learned, CELLS // (len(self.learned) * self.config.units))
        inputs = [
            {"users": ops.convert_to_tensor(users), "learned": self.learned, "targets": target, "seen": seen}
            for users, target, seen in zip(pairs.blocks(known), pairs.targets, pairs.seen, strict=True)
        ]
        return lambda: ndcg([np.asarray(ranking.predict_on_batch(each)) for each in inputs], pairs)

    def explain(self, histories: Histories, items: IntArray) -> IntArray:
        """The history item whose embedding has the largest cosine with the item's."""
        return nearest_in_history(histories, items, np.asarray(ops.convert_to_numpy(self.network.table), np.float32))


def recent(histories: Histories, length: int) -> Batch:
    """int32 [n_users, length]: the last events' items, oldest first, then -1."""
    pieces: Pieces = newest(histories, length)
    user = np.repeat(np.searchsorted(histories.indptr, pieces.starts, side="right") - 1, pieces.lengths)
    within = np.arange(len(user)) - np.repeat(np.cumsum(pieces.lengths) - pieces.lengths, pieces.lengths)
    items = np.full((histories.n_users, length), -1, np.int32)
    items[user, within] = histories.items[np.repeat(pieces.starts, pieces.lengths) + within]
    return items
