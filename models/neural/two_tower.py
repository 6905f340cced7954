"""Two-tower model: users by their events, items also by their content, so that new items are scored too."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, ClassVar, NamedTuple, Self

import keras
import numpy as np
import numpy.typing as npt
from annotated_types import Interval, Unit, doc
from keras import ops

from models.base import Scores, TrainingData
from models.config import Config
from models.data import Catalogue
from models.features.content import terms
from models.features.posters import pictures
from models.features.text import FIRST, PADDING, UNKNOWN, Tokeniser, pad
from models.histories import Histories, IntArray
from models.layers.towers import NO_ITEM, SampledSoftmaxLoss, Towers
from models.neural.dot_product import DotProduct, VectorBatch
from models.neural.settings import Dim, DropoutShare, Epochs, LearningRate, Length, Patience

AT_ONCE = 256  # users or items in a step outside training
Batch = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class TwoTowerConfig(Config):
    """Architecture and training of the two towers.

    `words` is small on purpose: by a rare word the network would know a learned item again, and nothing of a new one.
    """

    model: ClassVar[str] = "two_tower"
    dim: Annotated[Dim, doc("width of the users' and the items' vectors")] = 64
    length: Length = 50
    words: Annotated[
        int,
        Interval(ge=0, le=10_000_000),
        Unit("words"),
        doc("how many words of titles, genres, tags and descriptions have an embedding, the most frequent"),
    ] = 2_000
    facts: Annotated[
        int, Interval(ge=1, le=100_000), Unit("words"), doc("words of an item's title, genres and tags that are read")
    ] = 16
    text: Annotated[int, Interval(ge=1, le=100_000), Unit("words"), doc("words of its description that are read")] = 64
    id_dropout: Annotated[
        float, Interval(ge=0.0, le=1.0), doc("share of the items that are taken for new ones in training")
    ] = 0.5
    content_dropout: Annotated[
        float, Interval(ge=0.0, le=0.9), doc("share of those whose description, and whose poster, is left out")
    ] = 0.5
    dropout: DropoutShare = 0.2
    targets: Annotated[
        int, Interval(ge=1, le=10_000), Unit("events"), doc("events drawn from each user's history in an epoch")
    ] = 5
    batch: Annotated[int, Interval(ge=1, le=100_000), Unit("events"), doc("events in a step")] = 256
    epochs: Epochs = 10
    patience: Patience = 2
    learning_rate: LearningRate = 3e-3


class Content(NamedTuple):
    """What is known of the items: facts int32 [n_items, facts], words int32 [n_items, text], of their descriptions,
    and pictures uint8 [n_items, height, width, 3]."""

    facts: npt.NDArray[np.int32]
    words: npt.NDArray[np.int32]
    pictures: npt.NDArray[np.uint8]


class TwoTower(DotProduct):
    """score(u, i) = u_u · v_i; see models/layers/towers.py.

    Items are scored that an event was about or that have a text or a poster. `content` is what the item tower reads.
    `refit` trains from scratch with the settings and words that there are.
    """

    name: ClassVar[str] = "two_tower"
    Config: ClassVar[type] = TwoTowerConfig
    tokeniser: Tokeniser
    content: Content | None = None
    vectors: Scores

    def fit(self, data: TrainingData) -> Self:
        """Learns events and content."""
        self.read(data)
        super().fit(data)
        assert self.content is not None
        self.vectors = self._item_vectors(self.content)
        self.content = None
        return self

    def read(self, data: TrainingData) -> None:
        """Learns the words, and reads what is known of the items."""
        catalogue = data.catalogue or empty_catalogue(data.histories.n_items)
        facts, descriptions = facts_of(catalogue), descriptions_of(catalogue)
        self.tokeniser = Tokeniser.learn(facts + descriptions, self.config.words)
        self.content = Content(
            self._read(facts, self.config.facts),
            self._read(descriptions, self.config.text),
            pictures(catalogue.posters)[0],
        )

    def refit(self, data: TrainingData) -> Self:
        """Retrains with the settings that it has: words and towers are for the items that there are."""
        return self.fit(replace(data, validation=None))

    def network_of(self, n_items: int) -> keras.Model:
        """Builds the untrained network."""
        assert self.content is not None, "fit reads the content first"
        pictured = bool(self.content.pictures.any())
        network = Towers(n_items, self.tokeniser.n_ids, pictured, asdict(self.config))
        network.build((None, self.config.length))
        return network

    def rows_before(self, start: Self, n_items: int) -> dict[str, IntArray]:
        """Also a word's row is that of the same word."""
        known = {word: FIRST + place for place, word in enumerate(start.tokeniser.words)}
        words = [PADDING, UNKNOWN, *(known.get(word, -1) for word in self.tokeniser.words)]
        return super().rows_before(start, n_items) | {"words": np.array(words)}

    def loss_of(self, network: keras.Model) -> keras.Model:
        """Builds the loss: in-batch softmax."""
        return SampledSoftmaxLoss(network)

    def examples_per_epoch(self, histories: Histories) -> int:
        """Targets in an epoch."""
        return int(np.minimum(np.maximum(np.diff(histories.indptr) - 1, 0), self.config.targets).sum())

    def training_batches(self, histories: Histories, random: np.random.Generator) -> Iterator[tuple[Batch, int]]:
        """Events drawn as targets, each with the newest events before it as the history."""
        config = self.config
        assert self.content is not None, "fit reads the content first"
        counts = np.bincount(histories.items, minlength=histories.n_items)
        log_q = np.log(np.maximum(counts, 1) / max(counts.sum(), 1)).astype(np.float32)
        owners = histories.users
        chosen = random.permutation(draw_positions(histories, config.targets, random))
        for low in range(0, len(chosen), config.batch):
            some = chosen[low : low + config.batch]
            events = np.concatenate([some, np.repeat(some[:1], config.batch - len(some))])
            targets = histories.items[events].astype(np.int32)
            new = random.random(config.batch) < config.id_dropout
            yield (
                {
                    "histories": items_before(histories, owners[events], events, config.length),
                    "targets": targets,
                    "ids": np.where(new, NO_ITEM, targets).astype(np.int32),
                    "facts": self.content.facts[targets],
                    "words": self.content.words[targets],
                    "pictures": self.content.pictures[targets],
                    "log_q": log_q[targets],
                    "weights": (np.arange(config.batch) < len(some)).astype(np.float32),
                },
                len(some),
            )

    @property
    def width(self) -> int:
        """dim and one for the items' own numbers."""
        return int(self.config.dim) + 1

    def vector_batches(self, histories: Histories) -> Iterator[VectorBatch]:
        """The newest events of every user."""
        known = np.flatnonzero(np.diff(histories.indptr))
        for low in range(0, len(known), AT_ONCE):
            users = known[low : low + AT_ONCE]
            block = items_before(histories, users, histories.indptr[users + 1], self.config.length)
            yield _whole(block, NO_ITEM), np.arange(len(users)), users

    def item_vectors(self) -> Scores:
        """float32 [n_items, dim + 1]; NaN for an item of which nothing is known."""
        return self.vectors if self.content is None else self._item_vectors(self.content)

    def _read(self, texts: list[list[str]], length: int) -> npt.NDArray[np.int32]:
        return pad(self.tokeniser.encode(texts), np.arange(len(texts)), length)

    def _item_vectors(self, content: Content) -> Scores:
        n_items = len(self.learned)
        ids = np.where(self.learned, np.arange(n_items), NO_ITEM).astype(np.int32)
        vectors = np.empty((n_items, self.config.dim + 1), np.float32)
        for low in range(0, n_items, AT_ONCE):
            parts = [_whole(column[low : low + AT_ONCE], 0) for column in (ids, *content)]
            vectors[low : low + AT_ONCE] = ops.convert_to_numpy(self.network.items(*parts))[: n_items - low]
        texts = np.concatenate([content.facts, content.words], axis=1)
        described = (texts > UNKNOWN).any(axis=1) | content.pictures.any(axis=(1, 2, 3))
        vectors[~(self.learned | described)] = np.nan
        return vectors

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """`learned`, the items' `vectors`, and the tokeniser's `words` as JSON."""
        words = np.frombuffer(json.dumps(self.tokeniser.words).encode(), np.uint8)
        return super().arrays() | {"vectors": self.vectors, "words": words}

    def restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Takes them back."""
        super().restore(arrays)
        self.vectors, self.tokeniser = arrays["vectors"], Tokeniser(tuple(json.loads(arrays["words"].tobytes())))


def empty_catalogue(n_items: int) -> Catalogue:
    """A catalogue that tells nothing of its items."""
    return Catalogue([""] * n_items, [""] * n_items, [()] * n_items, [()] * n_items, [""] * n_items)


def facts_of(catalogue: Catalogue) -> list[list[str]]:
    """The terms of every item's title, genres and tags, as `models.features.content` has them."""
    rows = zip(catalogue.titles, catalogue.genres, catalogue.tags, strict=True)
    return [terms(title, "", genres, tags) for title, genres, tags in rows]


def descriptions_of(catalogue: Catalogue) -> list[list[str]]:
    """The terms of every item's description, as `models.features.content` has them."""
    return [terms("", description, (), ()) for description in catalogue.descriptions]


def draw_positions(histories: Histories, most: int, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """Positions of `most` of every user's events, all where there are fewer; never a user's first. Sorted."""
    first = np.zeros(len(histories.items), bool)
    starts = histories.indptr[:-1][np.diff(histories.indptr) > 0]
    first[starts] = True
    later = np.flatnonzero(~first)
    owners = histories.users
    order = later[np.lexsort((random.random(len(later)), owners[later]))]
    users = owners[order]
    place = np.arange(len(users)) - np.searchsorted(users, users)
    return np.sort(order[place < most])


def items_before(
    histories: Histories, users: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], length: int
) -> npt.NDArray[np.int32]:
    """int32 [n, length]: the items of `users` before the positions `ends`, newest first, then NO_ITEM."""
    positions = ends[:, None] - 1 - np.arange(length)
    own = positions >= histories.indptr[users][:, None]
    result = np.full(positions.shape, NO_ITEM, np.int32)
    result[own] = histories.items[positions[own]]
    return result


def _whole(block: npt.NDArray[Any], fill: int) -> npt.NDArray[Any]:
    """The block with rows of `fill` up to AT_ONCE: one shape is compiled."""
    rows = np.full((AT_ONCE, *block.shape[1:]), fill, block.dtype)
    rows[: len(block)] = block
    return rows
