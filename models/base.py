"""The contract of every recommender: fit, score, recommend with exclusions, explain, save, load."""

import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from models.histories import Histories, IntArray
from models.training import TrainingData

Scores = npt.NDArray[np.float32]
BLOCK_USERS = 1024
MANIFEST, ARRAYS = "manifest.json", "arrays.npz"


@dataclass(frozen=True)
class TopK:
    """Lists of n users, best first, equal scores by item row.

    items: int64 [n, k], item rows, padded with -1. scores: float32 [n, k], padded with -inf.
    """

    items: IntArray
    scores: Scores


class Recommender(ABC):
    """A model: learns from histories, scores items for users whose histories it is given.

    A subclass has a `name`, a frozen dataclass `Config` with its defaults (which raises ValueError for a value out of
    range), and keeps what it learned in NumPy arrays that `arrays` returns and `restore` takes back.
    """

    name: ClassVar[str]
    Config: ClassVar[type]

    def __init__(self, config: Any = None) -> None:
        """Not yet fitted; `config` is an instance of the class's `Config`, or None for the defaults."""
        self.config = self.Config() if config is None else config

    @abstractmethod
    def fit(self, data: TrainingData) -> Self:
        """Learns from all histories; returns itself.

        What it chose on `data.validation` stands in `config` afterwards.
        """

    def go_on(self, data: TrainingData) -> Self:
        """The model after it has learned `data`, which hold what it learned before and later events; returns itself.

        Here: learns all anew, with the settings that it has.
        """
        return self.fit(replace(data, validation=None))

    @abstractmethod
    def score(self, histories: Histories) -> Scores:
        """float32 [n_users, n_items]: how well each item suits each user; -inf where the model has no evidence.

        `histories` are the users' own; they need not be those that the model learned from.
        """

    def explain(self, histories: Histories, items: IntArray) -> IntArray:
        """int64 [n, k]: for items [n, k] recommended to n users, the item of the user's history that spoke most for
        each, -1 for none."""
        return np.full(items.shape, -1, np.int64)

    @abstractmethod
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What was learned."""

    @abstractmethod
    def restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Takes back what `arrays` returned."""

    def recommend(
        self, histories: Histories, k: int, *, eligible: npt.NDArray[np.bool_] | None = None, seen: bool = False
    ) -> TopK:
        """The k best items of every user.

        Only items where `eligible` (bool [n_items]) is true, and, unless `seen`, none of the user's history.
        Memory: a few arrays of BLOCK_USERS × n_items. Raises ValueError for k < 1 and for histories over other items
        than the model learned.
        """
        if k < 1:
            raise ValueError(f"k = {k}: expected at least 1")
        parts = [TopK(np.zeros((0, k), np.int64), np.zeros((0, k), np.float32))]
        for low in range(0, histories.n_users, BLOCK_USERS):
            users = np.arange(low, min(low + BLOCK_USERS, histories.n_users))
            parts.append(self._block(histories.take(users), k, eligible, seen))
        return TopK(np.concatenate([p.items for p in parts]), np.concatenate([p.scores for p in parts]))

    def _block(self, histories: Histories, k: int, eligible: npt.NDArray[np.bool_] | None, seen: bool) -> TopK:
        scores = np.array(self.score(histories), np.float32)
        if scores.shape != (histories.n_users, histories.n_items):
            raise ValueError(f"{self.name} learned {scores.shape[1]} items, the histories have {histories.n_items}")
        if eligible is not None:
            scores[:, ~eligible] = -np.inf
        if not seen:
            scores[histories.users, histories.items] = -np.inf
        return best(scores, k)

    def save(self, folder: Path) -> None:
        """Writes the model into a local folder: a manifest and the arrays."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / ARRAYS, allow_pickle=False, **self.arrays())
        manifest = {"model": self.name, "config": asdict(self.config), "numpy": np.__version__}
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model that `save` wrote. Raises ValueError where the folder holds another model."""
        manifest = json.loads((folder / MANIFEST).read_text())
        if manifest["model"] != cls.name:
            raise ValueError(f"{folder}: holds the model {manifest['model']!r}, not {cls.name!r}")
        model = cls(cls.Config(**manifest["config"]))
        with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
            model.restore(dict(arrays))
        return model


def best(scores: Scores, k: int) -> TopK:
    """The k largest finite scores of every row, best first, equal ones by column; other scores are as good as none."""
    n, width = scores.shape
    scores = np.where(np.isfinite(scores), scores, -np.inf).astype(np.float32)
    if k < width:
        # Of the columns that tie with the k-th score, the first ones fill what those above it leave free.
        border = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]
        above = (scores > border).sum(axis=1, keepdims=True)
        level = scores == border
        keep = (scores > border) | (level & (np.cumsum(level, axis=1, dtype=np.int32) <= k - above))
        columns = np.nonzero(keep)[1].reshape(n, k)
    else:
        columns = np.broadcast_to(np.arange(width), (n, width))
    chosen = np.take_along_axis(scores, columns, axis=1)
    order = np.argsort(-chosen, axis=1, kind="stable")
    items = np.full((n, k), -1, np.int64)
    values = np.full((n, k), -np.inf, np.float32)
    items[:, : columns.shape[1]] = np.take_along_axis(columns, order, axis=1)
    values[:, : columns.shape[1]] = np.take_along_axis(chosen, order, axis=1)
    items[values == -np.inf] = -1
    return TopK(items, values)


def filled(first: TopK, second: TopK) -> tuple[TopK, npt.NDArray[np.bool_]]:
    """Lists of `first`, their gaps filled from `second` (same shape), and where they were filled (bool [n, k]).

    Scores of fillers are scaled so that scores still fall with the rank. With m the least score of the list's own
    (1 for an empty list) and q = s / s_max, a filler with score s gets m q, or m (2 - q) where m is negative. `second`
    must have positive scores. No item twice.
    """
    n, k = first.items.shape
    own = first.items >= 0
    # Numbers of their own for every list's items, because comparing all with all takes n · k² of memory.
    apart = np.arange(n)[:, None] * (2 + max(first.items.max(initial=-1), second.items.max(initial=-1)))
    usable = (second.items >= 0) & ~np.isin(second.items + apart, first.items + apart)
    least = np.where(own, first.scores, np.inf).min(axis=1, keepdims=True)
    least = np.where(np.isfinite(least), least, 1.0)
    share = np.where(usable, second.scores, 0.0) / np.maximum(second.scores[:, :1], np.finfo(np.float32).tiny)
    scaled = np.where(usable, least * np.where(least < 0, 2 - share, share), -np.inf).astype(np.float32)
    items = np.concatenate([first.items, np.where(usable, second.items, -1)], axis=1)
    scores = np.concatenate([first.scores, scaled], axis=1)
    filler = np.concatenate([np.zeros_like(own), usable], axis=1)
    order = np.argsort(items < 0, axis=1, kind="stable")[:, :k]
    take = [np.take_along_axis(array, order, axis=1) for array in (items, scores, filler)]
    return TopK(take[0], take[1]), take[2]
