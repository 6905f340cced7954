"""Sequence-to-sequence model of continuations, with attention (Cho et al. 2014, Luong et al. 2015)."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar

import keras
import numpy as np
import numpy.typing as npt
from annotated_types import Interval, Unit, doc
from keras import ops

from models.base import Mask, TopK
from models.config import Config
from models.histories import Histories, IntArray
from models.layers.beam import beam_search
from models.layers.devices import on_gpu, on_jax
from models.layers.lookup import gather
from models.layers.losses import softmax_cross_entropy
from models.neural.dot_product import DotProduct, VectorBatch
from models.neural.settings import Dim, DropoutShare, Epochs, LearningRate, Length, Patience, Units

NO_ITEM = -1
GPU_USERS = 2048  # whose vectors a GPU computes at a time
CELLS = 1 << 22  # numbers of a step of the search, users × beams × items, that are in memory at once
Batch = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Seq2SeqConfig(Config):
    """Architecture and training of the sequence-to-sequence network."""

    model: ClassVar[str] = "seq2seq"
    dim: Dim = 64
    units: Units = 128
    length: Length = 30
    horizon: Annotated[int, Interval(ge=1, le=1000), Unit("events"), doc("how many events are predicted")] = 10
    beams: Annotated[int, Interval(ge=1, le=1000), Unit("beams"), doc("prefixes that the beam search keeps")] = 4
    dropout: DropoutShare = 0.2
    windows: Annotated[
        int,
        Interval(ge=1, le=10_000),
        Unit("windows"),
        doc("windows drawn from each history in an epoch: events up to a position, and those to be predicted from it"),
    ] = 2
    batch: Annotated[int, Interval(ge=1, le=100_000), Unit("windows"), doc("windows in a step")] = 128
    epochs: Epochs = 10
    patience: Patience = 2
    learning_rate: LearningRate = 5e-3


@keras.saving.register_keras_serializable(package="encore")
class Seq2SeqNetwork(keras.Model):
    """m_s = GRU(e_1 … e_s) over the history; d_t = GRU(e of the item before t; d_{t-1}), d_0 = m_last.

    a = softmax_s(d_t · A m_s), c = Σ_s a_s m_s, h_t = [d_t ; c] W. The score of item i at place t is h_t · e_i.
    """

    def __init__(self, n_items: int, settings: dict[str, Any], **keras_settings: Any) -> None:
        super().__init__(**keras_settings)
        self.n_items, self.settings = n_items, settings
        units = settings["units"]
        self.encoder = keras.layers.GRU(units, return_sequences=True)
        self.decoder = keras.layers.GRU(units, return_sequences=True)
        self.attended = keras.layers.Dense(units, use_bias=False)
        self.out = keras.layers.Dense(settings["dim"], use_bias=False)
        self.dropout = keras.layers.Dropout(settings["dropout"])

    def build(self, input_shape: Any) -> None:
        """For batches int32 [n, length + horizon]."""
        dim, units = self.settings["dim"], self.settings["units"]
        near_zero = keras.initializers.RandomNormal(stddev=dim**-0.5)
        self.table = self.add_weight(shape=(self.n_items, dim), initializer=near_zero, name="items")
        self.encoder.build((None, None, dim))
        self.decoder.build((None, None, dim))
        self.attended.build((None, None, units))
        self.out.build((None, None, 2 * units))

    def encode(self, histories: Any, training: bool = False) -> tuple[Any, Any]:
        """m [n, length, units] and which places are real, bool, of int32 [n, length]: NO_ITEM, then oldest first."""
        embedded = self.dropout(self._embed(histories), training=training)
        return self.encoder(embedded), ops.not_equal(histories, NO_ITEM)

    def attend(self, states: Any, memory: Any, real: Any) -> Any:
        """h [n, places, dim] of d [n, places, units]."""
        logits = ops.matmul(states, ops.transpose(self.attended(memory), (0, 2, 1)))
        weights = ops.softmax(ops.where(real[:, None], logits, -1e9), axis=-1)
        return self.out(ops.concatenate([states, ops.matmul(weights, memory)], axis=-1))

    def step(self, items: Any, states: Any, memory: Any, real: Any) -> tuple[Any, Any]:
        """h [n, dim] and d [n, units] behind `items` int32 [n] and the states before."""
        states, _ = self.decoder.cell(self._embed(items), [states])
        return self.attend(states[:, None], memory, real)[:, 0], states

    def call(self, batch: Any, training: bool = False) -> Any:
        """h [n, horizon, dim]: the history's end, and the places of its continuation but the last, in `batch`."""
        length = self.settings["length"]
        memory, real = self.encode(batch[:, :length], training)
        given = self.dropout(self._embed(batch[:, length - 1 : -1]), training=training)
        states = self.decoder(given, initial_state=memory[:, -1])
        return self.attend(self.dropout(states, training=training), memory, real)

    def _embed(self, items: Any) -> Any:
        there = ops.cast(ops.not_equal(items, NO_ITEM), "float32")
        return gather(self.table, ops.maximum(items, 0)) * there[..., None]

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {"n_items": self.n_items, "settings": self.settings}


class ContinuationLoss(keras.Model):
    """Mean cross-entropy over the places of the continuations that have an item."""

    def __init__(self, network: Seq2SeqNetwork) -> None:
        super().__init__()
        self.network = network

    def call(self, batch: Any, training: bool = False) -> Any:
        """Adds the loss of a batch int32 [n, length + horizon], NO_ITEM where there is none."""
        hidden = self.network(batch, training=training)
        targets = ops.reshape(batch[:, self.network.settings["length"] :], (-1,))
        real = ops.cast(ops.not_equal(targets, NO_ITEM), "float32")
        weights = real / ops.maximum(ops.sum(real), 1.0)
        hidden = ops.reshape(hidden, (-1, hidden.shape[-1]))
        loss = softmax_cross_entropy(hidden, self.network.table, ops.maximum(targets, 0), weights)
        self.add_loss(loss)
        return loss


class Seq2Seq(DotProduct):
    """Encoder and decoder. As a recommender it says what comes next; `continued` says what comes after that.

    An order of events is what it learns from: on data without one it sees an arbitrary order.
    """

    name: ClassVar[str] = "seq2seq"
    Config: ClassVar[type] = Seq2SeqConfig
    xla_on_cpu: ClassVar[bool] = False  # an epoch of MovieLens-1M takes XLA 37 s, TensorFlow's own loops 13
    padding: ClassVar[int] = -1

    def network_of(self, n_items: int) -> keras.Model:
        """Builds the untrained network."""
        network = Seq2SeqNetwork(n_items, asdict(self.config))
        network.build((None, self.config.length + self.config.horizon))
        return network

    def loss_of(self, network: keras.Model) -> keras.Model:
        """Builds the loss: full cross-entropy at every place."""
        return ContinuationLoss(network)

    def examples_per_epoch(self, histories: Histories) -> int:
        """Windows in an epoch: of users with two events."""
        return int((np.diff(histories.indptr) > 1).sum()) * int(self.config.windows)

    def training_batches(self, histories: Histories, random: np.random.Generator) -> Iterator[tuple[Batch, int]]:
        """Windows of the histories, cut at places drawn by `random`; see `windows`."""
        config = self.config
        counts = np.diff(histories.indptr)
        users = random.permutation(np.repeat(np.flatnonzero(counts > 1), config.windows))
        for low in range(0, len(users), config.batch):
            some = users[low : low + config.batch]
            cuts = histories.indptr[some] + random.integers(1, counts[some])
            rows = np.full((config.batch, config.length + config.horizon), NO_ITEM, np.int32)
            rows[: len(some)] = windows(histories, some, cuts, config.length, config.horizon)
            yield rows, len(some)

    @property
    def width(self) -> int:
        """That of the embeddings."""
        return int(self.config.dim)

    def vector_batches(self, histories: Histories) -> Iterator[VectorBatch]:
        """The ends of the histories; a vector is h of the continuation's first place."""
        config, known = self.config, np.flatnonzero(np.diff(histories.indptr))
        at_once = max(config.batch, GPU_USERS) if on_gpu() else config.batch
        for low in range(0, len(known), at_once):
            users = known[low : low + at_once]
            block = np.full((at_once, config.length + config.horizon), NO_ITEM, np.int32)
            block[: len(users), : config.length] = windows(
                histories, users, histories.indptr[users + 1], config.length, 0
            )
            yield block, np.arange(len(users)) * config.horizon, users

    def continue_histories(
        self, histories: Histories, eligible: Mask | None = None, groups: IntArray | None = None, seen: bool = False
    ) -> TopK:
        """The likeliest continuation of every history: items in order, int64 [n_users, horizon], and float32 the
        log-probability of each behind those before it.

        Beam search over `eligible` items (as in `recommend`), none twice and, unless `seen`, none of the history.
        Nothing (-1) for a user without history.
        """
        self._require_items(histories, len(self.learned))
        config, n, n_items = self.config, histories.n_users, len(self.learned)
        result = TopK(np.full((n, config.horizon), -1, np.int64), np.full((n, config.horizon), -np.inf, np.float32))
        users = np.flatnonzero(np.diff(histories.indptr))
        at_once = min(max(1, CELLS // (config.beams * n_items)), max(1, len(users)))
        search = ContinuationSearch(self.network, config.beams, config.horizon)
        for low in range(0, len(users), at_once):
            some = users[low : low + at_once]
            part = histories.take(some)
            rows = np.full((at_once, config.length), NO_ITEM, np.int32)  # one shape: compiled once
            rows[: len(some)] = windows(part, np.arange(len(some)), part.indptr[1:], config.length, 0)
            allowed = np.zeros((at_once, n_items), bool)
            allowed[: len(some)] = self.learned
            if eligible is not None:
                allowed[: len(some)] &= eligible if eligible.ndim == 1 or groups is None else eligible[groups[some]]
            if not seen:
                allowed[part.users, part.items] = False
            items, scores = search.predict_on_batch({"rows": rows, "allowed": allowed})
            result.items[some] = ops.convert_to_numpy(items)[: len(some)]
            result.scores[some] = ops.convert_to_numpy(scores)[: len(some)]
        return result


class ContinuationSearch(keras.Model):
    """Beam search by a trained network, as one compiled function."""

    def __init__(self, network: Seq2SeqNetwork, beams: int, horizon: int) -> None:
        super().__init__()
        self.network, self.beams, self.horizon = network, beams, horizon
        self.built = True
        self.compile(jit_compile=on_gpu() or on_jax())

    def call(self, inputs: Any, training: bool = False) -> tuple[Any, Any]:
        """Items and log-probabilities [n, horizon] of `rows` int32 [n, length] and `allowed` bool [n, n_items]."""
        memory, real = self.network.encode(inputs["rows"])
        repeated = ops.repeat(memory, self.beams, axis=0), ops.repeat(real, self.beams, axis=0)

        def step(items: Any, states: Any) -> tuple[Any, Any]:
            hidden, after = self.network.step(items, states, *repeated)
            return ops.matmul(hidden, ops.transpose(self.network.table)), after

        return beam_search(inputs["rows"][:, -1], memory[:, -1], step, inputs["allowed"], self.beams, self.horizon)


def windows(histories: Histories, users: IntArray, cuts: IntArray, length: int, horizon: int) -> Batch:
    """int32 [n, length + horizon]: the items before each cut (a position, or a history's end) and those from it on.

    NO_ITEM where the user has none: in front of the first, behind the last.
    """
    positions = cuts[:, None] + np.arange(-length, horizon)
    own = (positions >= histories.indptr[users][:, None]) & (positions < histories.indptr[users + 1][:, None])
    result = np.full(positions.shape, NO_ITEM, np.int32)
    result[own] = histories.items[positions[own]]
    return result
