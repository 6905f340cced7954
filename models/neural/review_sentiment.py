"""Sentiment classifier of reviews: a bidirectional LSTM over its words (Graves & Schmidhuber 2005)."""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import keras
import numpy as np
import numpy.typing as npt
from annotated_types import Interval, Unit, doc
from keras import ops

from models.base import MANIFEST
from models.config import Config
from models.features.text import PADDING, Encoded, Tokeniser, distinct_pairs, pad, pairs, tokens
from models.histories import IntArray
from models.layers.devices import device
from models.layers.lookup import gather
from models.neural.recommender import NETWORK
from models.neural.settings import Dim, DropoutShare, Epochs, LearningRate, Patience
from models.training.loop import DivergedError

VOCABULARY = "vocabulary.json"
VALIDATION_SHARE = 0.1
STEP = 32  # a text is padded to the next multiple, whatever texts it stands among
PREDICTED = 256  # texts at once
log = logging.getLogger(__name__)
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ReviewSentimentConfig(Config):
    """Architecture and training of the sentiment network."""

    model: ClassVar[str] = "review_sentiment"
    reviews: Annotated[int, Interval(ge=1, le=10**9), Unit("reviews"), doc("most reviews learned, the newest")] = 50_000
    words: Annotated[int, Interval(ge=1, le=10_000_000), Unit("words"), doc("most words with an embedding")] = 30_000
    pairs: Annotated[
        int,
        Interval(ge=1, le=100_000_000),
        Unit("pairs"),
        doc("most hashed pairs of words with an embedding"),
    ] = 200_000
    dim: Dim = 64
    units: Annotated[
        int, Interval(ge=1, le=4096), Unit("numbers"), doc("width of the LSTM's state, in each direction")
    ] = 64
    length: Annotated[int, Interval(ge=1, le=100_000), Unit("words"), doc("words of a text that are read")] = 320
    dropout: DropoutShare = 0.5
    batch: Annotated[int, Interval(ge=1, le=100_000), Unit("reviews"), doc("reviews in a step")] = 64
    averaged_epochs: Annotated[
        float,
        Interval(ge=0.0, le=1000.0),
        Unit("epochs"),
        doc("over how many the weights that predict are averaged (Polyak and Juditsky 1992)"),
    ] = 1.5
    epochs: Epochs = 8
    patience: Annotated[
        Patience,
        doc("training ends after so many without a better accuracy, or an equal one at a lower loss"),
    ] = 2
    learning_rate: LearningRate = 1e-3


@keras.saving.register_keras_serializable(package="encore")
class Pooled(keras.layers.Layer):
    """(states [n, length, d], ids [n, length]) → [n, 2 d]: the largest and the mean state over the words."""

    def call(self, inputs: Any) -> Any:
        """Padding does not count; a text without words gives zeros."""
        states, ids = inputs
        real = ops.cast(ops.expand_dims(ops.not_equal(ids, PADDING), -1), states.dtype)
        words = ops.sum(real, axis=1)
        largest = ops.max(states * real - 4.0 * (1.0 - real), axis=1)  # states lie in -1 … 1
        mean = ops.sum(states * real, axis=1) / ops.maximum(words, 1.0)
        return ops.concatenate([ops.where(words > 0, largest, 0.0), mean], axis=-1)


@keras.saving.register_keras_serializable(package="encore")
class WordEmbedding(keras.layers.Embedding):
    """Keras' embedding with a gradient that suits the device (models/layers/lookup.py)."""

    def call(self, ids: Any) -> Any:
        """[..., dim] of int32 [...]."""
        return ops.cast(gather(self.embeddings, ids), self.compute_dtype)


def network(config: ReviewSentimentConfig, n_ids: int) -> keras.Model:
    """p = σ(w · [max_t h_t ; mean_t h_t] + b), h_t = [LSTM→(x)_t ; LSTM←(x)_t], x_t = e_t + f_t.

    e is the embedding of a word, f that of its pair with the word before (hashed, as in Joulin et al. 2017).
    Inputs: ids and pairs, int32 [n, length] both, of any length.
    """
    near_zero = keras.initializers.RandomUniform(-0.05, 0.05)
    ids, two = (keras.Input((None,), dtype="int32", name=name) for name in ("ids", "pairs"))
    word = WordEmbedding(n_ids, config.dim, embeddings_initializer=near_zero, name="words")(ids)
    pair = WordEmbedding(config.pairs + 1, config.dim, embeddings_initializer="zeros", name="two")(two)
    x = keras.layers.SpatialDropout1D(config.dropout)(keras.layers.Add()([word, pair]))
    lstm = keras.layers.LSTM(config.units, return_sequences=True)
    states = keras.layers.Bidirectional(lstm)(x)
    pooled = keras.layers.Dropout(config.dropout)(Pooled()([states, ids]))
    return keras.Model([ids, two], keras.layers.Dense(1, activation="sigmoid")(pooled), name="review_sentiment")


class ReviewSentiment:
    """Learns from texts with a sentiment, predicts it for others."""

    name: ClassVar[str] = "review_sentiment"
    Config: ClassVar[type] = ReviewSentimentConfig
    tokeniser: Tokeniser
    network: keras.Model
    quality: dict[str, float]  # on the validation reviews

    def __init__(self, config: ReviewSentimentConfig | None = None) -> None:
        """Not yet trained."""
        self.config = ReviewSentimentConfig() if config is None else config

    def fit(self, texts: Sequence[str], positive: npt.NDArray[np.bool_], seed: int = 0) -> Self:
        """Learns; a tenth of the texts, drawn by the seed, decides when to stop. The best epoch stands in `config`.

        Raises ValueError without reviews of both kinds, DivergedError for a loss that is no number.
        """
        if not positive.any() or positive.all():
            raise ValueError(f"review_sentiment needs positive and negative reviews, got {len(texts)} of one kind")
        keras.utils.set_random_seed(seed)
        order = np.random.default_rng(seed).permutation(len(texts))
        held, learn = np.split(order, [max(1, round(VALIDATION_SHARE * len(texts)))])
        words = [tokens(text) for text in texts]
        self.tokeniser = Tokeniser.learn((words[t] for t in learn), self.config.words)
        encoded = self.tokeniser.encode(words)
        self.config = replace(self.config, pairs=max(1, min(self.config.pairs, distinct_pairs(encoded))))
        self.network = network(self.config, self.tokeniser.n_ids)
        steps = self.config.averaged_epochs * len(learn) / self.config.batch
        optimizer = keras.optimizers.Adam(self.config.learning_rate, use_ema=True, ema_momentum=1 - 1 / max(steps, 1.0))
        self.network.compile(optimizer, "binary_crossentropy", jit_compile=False)
        log.info("review_sentiment trains on %d reviews, %s", len(learn), device())
        best, epochs = (-1.0, 0.0), 0
        for epoch in range(1, self.config.epochs + 1):
            loss = self._epoch(encoded, learn, positive, np.random.default_rng((seed, epoch)))
            last = self.network.get_weights()
            optimizer.finalize_variable_values(self.network.trainable_variables)  # the running mean
            predicted, right = self._judge(encoded, held, positive[held])
            line = "review_sentiment epoch %d of %d: loss %.4f, validation loss %.4f, accuracy %.4f"
            log.info(line, epoch, self.config.epochs, loss, predicted, right)
            if (right, -predicted) > best:
                best, epochs, weights = (right, -predicted), epoch, self.network.get_weights()
                self.quality = {"validation_accuracy": right, "validation_loss": predicted}
            elif epoch - epochs >= self.config.patience:
                break
            self.network.set_weights(last)
        self.network.set_weights(weights)
        self.config = replace(self.config, epochs=epochs)
        return self

    def _epoch(
        self, encoded: Encoded, learn: IntArray, positive: npt.NDArray[np.bool_], random: np.random.Generator
    ) -> float:
        """Trains on every text once; returns the mean loss."""
        self.network.reset_metrics()
        loss = float("nan")
        for number, texts in enumerate(self._batches(encoded, learn, self.config.batch, random), 1):
            labels = positive[texts].astype(np.float32)[:, None]
            loss = float(self.network.train_on_batch(self._rows(encoded, texts), labels))
            if not np.isfinite(loss):
                raise DivergedError(
                    f"review_sentiment: the loss of batch {number} is {loss}; lower "
                    f"review_sentiment.learning_rate (now {self.config.learning_rate})"
                )
        return loss

    def _judge(self, encoded: Encoded, chosen: IntArray, positive: npt.NDArray[np.bool_]) -> tuple[float, float]:
        """Mean cross-entropy and accuracy."""
        p = self._predict(encoded, chosen)
        loss = -np.log(np.clip(np.where(positive, p, 1 - p), 1e-7, 1))
        return float(loss.mean()), float(((p > 0.5) == positive).mean())

    def predict(self, texts: Sequence[str]) -> Floats:
        """float32 [n]: how positive each text is, from 0 to 1, whatever stands beside it; NaN for one without words."""
        encoded = self.tokeniser.encode(map(tokens, texts))
        scores = self._predict(encoded, np.arange(len(texts)))
        scores[encoded.lengths == 0] = np.nan
        return scores

    def _predict(self, encoded: Encoded, chosen: IntArray) -> Floats:
        scores = np.full(len(encoded.lengths), np.nan, np.float32)
        for texts in self._batches(encoded, chosen, PREDICTED):
            scores[texts] = ops.convert_to_numpy(self.network.predict_on_batch(self._rows(encoded, texts)))[:, 0]
        return scores[chosen]

    def _padded_length(self, encoded: Encoded) -> IntArray:
        steps = -(-np.minimum(encoded.lengths, self.config.length) // STEP)
        return np.asarray(np.minimum(np.maximum(steps, 1) * STEP, self.config.length), np.int64)

    def _batches(
        self, encoded: Encoded, chosen: IntArray, size: int, random: np.random.Generator | None = None
    ) -> Iterator[IntArray]:
        """Batches of texts that are padded to one length, with `random` in an order drawn by it."""
        if random is not None:
            chosen = random.permutation(chosen)
        lengths = self._padded_length(encoded)[chosen]
        batches = []
        for length in np.unique(lengths):
            texts = chosen[lengths == length]
            batches += np.split(texts, range(size, len(texts), size))
        order = np.arange(len(batches)) if random is None else random.permutation(len(batches))
        yield from (batches[b] for b in order)

    def _rows(self, encoded: Encoded, texts: IntArray) -> list[npt.NDArray[np.int32]]:
        rows = pad(encoded, texts, int(self._padded_length(encoded)[texts[0]]))
        return [rows, pairs(rows, self.config.pairs)]

    def save(self, folder: Path) -> None:
        """Writes manifest, vocabulary and network into a local folder."""
        folder.mkdir(parents=True, exist_ok=True)
        manifest = {
            "model": self.name,
            "config": asdict(self.config),
            "keras": keras.version(),
            "backend": keras.backend.backend(),
        }
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))
        (folder / VOCABULARY).write_text(json.dumps(self.tokeniser.words, ensure_ascii=False))
        self.network.save(folder / NETWORK)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model that `save` wrote. Raises ValueError where the folder holds another model."""
        manifest = json.loads((folder / MANIFEST).read_text())
        if manifest["model"] != cls.name:
            raise ValueError(f"{folder}: holds the model {manifest['model']!r}, not {cls.name!r}")
        model = cls(ReviewSentimentConfig(**manifest["config"]))
        model.tokeniser = Tokeniser(tuple(json.loads((folder / VOCABULARY).read_text())))
        model.network = keras.saving.load_model(folder / NETWORK, compile=False, safe_mode=True)
        return model
