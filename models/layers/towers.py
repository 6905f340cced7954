"""The network of the two-tower model: users from their histories, items from id, text and poster."""

from typing import Any

import keras
import numpy as np
from keras import ops

from models.features.text import PADDING
from models.layers.lookup import gather

NO_ITEM = -1
PATCH = 4  # numbers of a poster's rows and columns that the first convolution makes one of


@keras.saving.register_keras_serializable(package="encore")
class Towers(keras.Model):
    """u = [q ; 1] and v = [w ; b], whose product q · w + b is the score; q, w of size `dim`.

    Users: e_t the embedding of the t-th last item of the history, a = softmax_t(z · tanh(A e_t) + p_t), x = Σ_t a_t e_t
    (attention pooling, Bahdanau et al. 2015), q = x + MLP(x); p_t begins as -log(1 + t / 2), so that the weights are
    those of `ease`, 1 / (1 + t / 2). Items: y = id + facts + text + picture, [w ; b] = [y ; 0] + MLP(y), where id is an
    embedding, or one that all new items share (DropoutNet, Volkovs et al. 2017); facts the attention pooling of the
    embeddings of title words, genres and tags; text that of the description's words; picture a convolutional network's
    of patches of 4 × 4. Of an item without text or poster these are zeros. In training text and picture are dropped
    whole: they tell most items apart, and what is learned by heart from them misplaces a new one.
    """

    def __init__(self, n_items: int, n_words: int, pictured: bool, settings: dict[str, Any], **keras_settings: Any):
        super().__init__(**keras_settings)
        self.n_items, self.n_words, self.pictured, self.settings = n_items, n_words, pictured, settings
        dim, rate = settings["dim"], settings["dropout"]
        self.history_pool, self.fact_pool, self.text_pool = Pool(dim), Pool(dim), Pool(dim)
        self.user_inner, self.user_outer = keras.layers.Dense(2 * dim, "relu"), keras.layers.Dense(dim)
        self.item_inner, self.item_outer = keras.layers.Dense(2 * dim, "relu"), keras.layers.Dense(dim + 1)
        self.convolutions = [
            keras.layers.Conv2D(n, size, strides, padding="same", activation="relu")
            for n, size, strides in (((16, PATCH, PATCH), (32, 3, 1), (32, 3, 2)) if pictured else ())
        ]
        self.picture_out: Any = keras.layers.Dense(dim) if pictured else None  # not built where it is not used
        self.dropout = keras.layers.Dropout(rate)
        self.content_dropout = keras.layers.Dropout(settings["content_dropout"], noise_shape=(None, 1))

    def build(self, input_shape: Any) -> None:
        """For histories int32 [n, length]."""
        dim = self.settings["dim"]
        small = keras.initializers.RandomNormal(stddev=0.1)
        self.table = self.add_weight(shape=(self.n_items, dim), initializer=small, name="items")
        self.taken = self.add_weight(shape=(self.n_items, dim), initializer=small, name="taken")
        self.words = self.add_weight(shape=(self.n_words, dim), initializer=small, name="words")
        self.unknown = self.add_weight(shape=(dim,), initializer="zeros", name="stranger")
        newest = keras.initializers.Constant(-np.log1p(np.arange(self.settings["length"]) / 2))
        self.places = self.add_weight(shape=(self.settings["length"],), initializer=newest, name="places")
        for layer in (self.history_pool, self.fact_pool, self.text_pool, self.user_inner, self.item_inner):
            layer.build((None, dim))
        for layer in (self.user_outer, self.item_outer):
            layer.build((None, 2 * dim))
        channels = 3
        for layer in self.convolutions:
            layer.build((None, None, None, channels))
            channels = layer.filters
        if self.pictured:
            self.picture_out.build((None, channels))

    def call(self, histories: Any, training: bool = False) -> Any:
        """u [n, dim + 1] of histories int32 [n, length], the newest item first, NO_ITEM behind the last."""
        real = ops.not_equal(histories, NO_ITEM)
        embedded = gather(self.taken, ops.maximum(histories, 0))
        x = self.history_pool(self.dropout(embedded, training=training), real, ops.convert_to_tensor(self.places))
        q = x + self.user_outer(self.dropout(self.user_inner(x), training=training))
        return ops.concatenate([q, ops.ones_like(q[:, :1])], axis=1)

    def items(self, ids: Any, facts: Any, words: Any, pictures: Any, training: bool = False) -> Any:
        """v [n, dim + 1] of ids int32 [n] (NO_ITEM for a new item), facts int32 [n, m], words int32 [n, l], pictures
        uint8 [n, h, w, 3]."""
        known = ops.not_equal(ids, NO_ITEM)[:, None]
        y = ops.where(known, gather(self.table, ops.maximum(ids, 0)), ops.convert_to_tensor(self.unknown))
        y = y + self.fact_pool(gather(self.words, facts), ops.not_equal(facts, PADDING))
        text = self.text_pool(gather(self.words, words), ops.not_equal(words, PADDING))
        y = y + self.content_dropout(text, training=training)
        if self.pictured:
            y = y + self.content_dropout(self._embed_pictures(pictures), training=training)
        added = self.item_outer(self.dropout(self.item_inner(y), training=training))
        return ops.pad(y, ((0, 0), (0, 1))) + added

    def _embed_pictures(self, pictures: Any) -> Any:
        """float32 [n, dim], zeros for a black picture."""
        x = ops.cast(pictures, "float32") / 255.0
        there = ops.any(ops.not_equal(pictures, 0), axis=(1, 2, 3))[:, None]
        for layer in self.convolutions:
            x = layer(x)
        return ops.where(there, self.picture_out(ops.mean(x, axis=(1, 2))), 0.0)

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        names = ("n_items", "n_words", "pictured", "settings")
        return {name: getattr(self, name) for name in names}


class Pool(keras.layers.Layer):
    """Σ_t a_t x_t, a = softmax over the real places of z · tanh(x_t A) + p_t; zeros where no place is real."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.inner = keras.layers.Dense(dim, activation="tanh", use_bias=False)
        self.outer = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")

    def build(self, input_shape: Any) -> None:
        """For x [..., dim]."""
        self.inner.build(input_shape)
        self.outer.build(input_shape)

    def call(self, x: Any, real: Any, places: Any = 0.0) -> Any:
        """[n, dim] of x [n, m, dim], real bool [n, m], places [m]."""
        logits = ops.where(real, self.outer(self.inner(x))[:, :, 0] + places, -1e9)
        weights = ops.softmax(logits, axis=1) * ops.cast(real, x.dtype)
        return ops.sum(weights[:, :, None] * x, axis=1)


class SampledSoftmaxLoss(keras.Model):
    """In-batch softmax with LogQ: -log softmax_j(u_i · v_j - log q_j) at j = i, mean over i (Yi et al. 2019).

    The j are the other targets of the batch, q_j the share of the events that are about item j; where target j is
    target i again it is left out.
    """

    def __init__(self, network: Towers) -> None:
        super().__init__()
        self.network = network

    def call(self, batch: Any, training: bool = False) -> Any:
        """Adds the loss of a batch: histories, targets, ids, facts, words, pictures, log_q, weights."""
        users = self.network(batch["histories"], training=training)
        content = batch["facts"], batch["words"], batch["pictures"]
        items = self.network.items(batch["ids"], *content, training=training)
        targets = batch["targets"]
        logits = ops.matmul(users, ops.transpose(items)) - batch["log_q"][None]
        places = ops.arange(ops.shape(targets)[0])
        again = ops.logical_and(targets[:, None] == targets[None], places[:, None] != places[None])
        chances = ops.log_softmax(ops.where(again, -1e9, logits), axis=1)
        own = ops.sum(chances * ops.cast(places[:, None] == places[None], chances.dtype), axis=1)
        weights = batch["weights"]
        loss = -ops.sum(own * weights) / ops.maximum(ops.sum(weights), 1.0)
        self.add_loss(loss)
        return loss
