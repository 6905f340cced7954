"""The contract of every recommender: fit, score, recommend with exclusions, explain, save, load."""

import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from models.histories import Histories, IntArray

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
        """With `config`, an instance of the class's `Config`, or the defaults."""
        self.config = self.Config() if config is None else config

    @abstractmethod
    def fit(self, histories: Histories) -> Self:
        """Learns from all histories; returns itself."""

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
        Memory: BLOCK_USERS × n_items scores. Raises ValueError for k < 1.
        """
        if k < 1:
            raise ValueError(f"k = {k}: expected at least 1")
        blocks = [
            self._block(histories.take(np.arange(low, min(low + BLOCK_USERS, histories.n_users))), k, eligible, seen)
            for low in range(0, histories.n_users, BLOCK_USERS)
        ]
        empty = TopK(np.zeros((0, k), np.int64), np.zeros((0, k), np.float32))
        parts = blocks or [empty]
        return TopK(np.concatenate([p.items for p in parts]), np.concatenate([p.scores for p in parts]))

    def _block(
        self, histories: Histories, k: int, eligible: npt.NDArray[np.bool_] | None, seen: bool
    ) -> TopK:
        scores = np.array(self.score(histories), np.float32)
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
    """The k largest finite scores of every row, equal ones by column."""
    n, width = scores.shape
    if k < width:
        # One more than k would not settle ties at the border: keep all that reach the k-th score, then sort.
        border = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]
        above = (scores > border).sum(axis=1, keepdims=True)
        level = scores == border
        keep = (scores > border) | (level & (np.cumsum(level, axis=1) <= k - above))
        columns = np.nonzero(keep)[1].reshape(n, k)
    else:
        columns = np.broadcast_to(np.arange(width), (n, width))
    chosen = np.take_along_axis(scores, columns, axis=1)
    order = np.argsort(-chosen, axis=1, kind="stable")
    items = np.full((n, k), -1, np.int64)
    values = np.full((n, k), -np.inf, np.float32)
    items[:, : columns.shape[1]] = np.take_along_axis(columns, order, axis=1)
    values[:, : columns.shape[1]] = np.take_along_axis(chosen, order, axis=1)
    items[~np.isfinite(values)] = -1
    values[~np.isfinite(values)] = -np.inf
    return TopK(items, values)


def filled(first: TopK, second: TopK) -> tuple[TopK, npt.NDArray[np.bool_]]:
    """Lists of `first`, their gaps filled from `second` (same shape), and where they were filled (bool [n, k]).

    Scores of fillers are scaled to lie below every score of the list's own: a filler with score s gets
    least · s / s_max (least = 1 for an empty list), so that scores still fall with the rank. `second` must have
    positive scores. No item twice.
    """
    n, k = first.items.shape
    repeated = (second.items[:, :, None] == first.items[:, None, :]).any(axis=2)
    usable = ~repeated & (second.items >= 0)
    own = first.items >= 0
    least = np.where(own.any(axis=1), np.where(own, first.scores, np.inf).min(axis=1, initial=np.inf), 1.0)
    top = np.maximum(second.scores[:, :1], np.finfo(np.float32).tiny)
    scaled = np.where(usable, np.minimum(second.scores / top, 1.0) * least[:, None], -np.inf).astype(np.float32)
    items = np.concatenate([first.items, np.where(usable, second.items, -1)], axis=1)
    scores = np.concatenate([first.scores, scaled], axis=1)
    filler = np.concatenate([np.zeros_like(own), usable], axis=1)
    order = np.argsort(items < 0, axis=1, kind="stable")[:, :k]
    take = [np.take_along_axis(array, order, axis=1) for array in (items, scores, filler)]
    return TopK(take[0], take[1]), take[2]
