"""The contract of every recommender: fit, score, recommend with exclusions, explain, save, load."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from models.data import Catalogue, CheckpointStore, HeldOut
from models.histories import Histories, IntArray
from models.kernels.nearest import nearest_in_history
from models.kernels.top_k import Mask, Scores, TopK, top_products, top_scores
from models.vocabulary import ItemIds, Vocabulary, VocabularyError

__all__ = ["Mask", "Recommender", "Scores", "TopK", "TrainingData"]
BLOCK_USERS = 1024  # whose scores of all items are in memory at once
MANIFEST, ARRAYS = "manifest.json", "arrays.npz"
Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class TrainingData:
    """Training data: what `Recommender.fit` takes.

    histories: the events to learn. catalogue: over the same item rows, None where nothing is known. validation: to
    choose settings and stop early on, never learned from; None to keep the settings as they are. seed: of all that is
    random. workspace: a folder for checkpoints and curves of this very training; an interrupted one goes on from there;
    None for none. models: the run's other trained models by name, for one that combines them. start: the same kind of
    model with the same settings that has learned earlier events of the same items, of which tonight's may be more; a
    network begins with its weights. None to train from scratch. mixed_precision: networks that can compute in bfloat16
    do; None: on a GPU. store: gets copies of the checkpoints, so that the training can go on on another machine.
    """

    histories: Histories
    catalogue: Catalogue | None = None
    validation: HeldOut | None = None
    seed: int = 0
    workspace: Path | None = None
    models: Mapping[str, "Recommender"] = field(default_factory=dict)
    start: "Recommender | None" = None
    mixed_precision: bool | None = None
    store: CheckpointStore | None = None

    def __post_init__(self) -> None:
        """Raises ValueError where the parts are about different items."""
        n_items = self.histories.n_items
        if self.catalogue is not None and len(self.catalogue) != n_items:
            raise ValueError(f"catalogue: expected {n_items} items, as the histories have, got {len(self.catalogue)}")
        if self.validation is not None and self.validation.histories.n_items != n_items:
            raise ValueError(f"validation: expected {n_items} items, got {self.validation.histories.n_items}")


class Recommender(ABC):
    """A model: learns from histories, scores items for users whose histories it is given.

    A subclass has a `name`, a frozen dataclass `Config` with its defaults (which raises ValueError for a value out of
    range), and keeps what it learned in NumPy arrays that `arrays` returns and `restore` takes back.
    """

    name: ClassVar[str]
    Config: ClassVar[type]
    by_chance: ClassVar[bool] = False  # whether another seed teaches it something else

    def __init__(self, config: Any = None) -> None:
        """Not yet fitted; `config` is an instance of the class's `Config`, or None for the defaults."""
        self.config = self.Config() if config is None else config

    @abstractmethod
    def fit(self, data: TrainingData) -> Self:
        """Learns from all histories; returns itself.

        What it chose on `data.validation` stands in `config` afterwards.
        """

    def refit(self, data: TrainingData) -> Self:
        """The model after it has learned `data`, which hold what it learned before and later events; returns itself.

        Here: learns all anew, with the settings that it has.
        """
        return self.fit(replace(data, validation=None))

    @abstractmethod
    def score(self, histories: Histories) -> Scores:
        """float32 [n_users, n_items]: how well each item suits each user; -inf where the model has no evidence.

        `histories` are the users' own; they need not be those that the model learned from.
        """

    def user_vectors(self, histories: Histories) -> Scores | None:
        """float32 [n_users, d], where score(u, i) = user_vectors_u · item_vectors_i; None for other models.

        A row of NaN where the model has no evidence for a user.
        """
        return None

    def item_vectors(self) -> Scores | None:
        """float32 [n_items, d]; None for models that do not score by products of vectors."""
        return None

    def explain(self, histories: Histories, items: IntArray) -> IntArray:
        """int64 [n, k]: for items [n, k] recommended to n users, the item of the user's history that spoke most for
        each, -1 for none.

        Here: the nearest in the model's item space, by the cosine of `item_vectors`.
        """
        vectors = self.item_vectors()
        return np.full(items.shape, -1, np.int64) if vectors is None else nearest_in_history(histories, items, vectors)

    @abstractmethod
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Returns the learned arrays."""

    @abstractmethod
    def restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Takes back what `arrays` returned."""

    def recommend(
        self,
        histories: Histories,
        k: int,
        *,
        eligible: Mask | None = None,
        groups: IntArray | None = None,
        seen: bool = False,
    ) -> TopK:
        """Recommends the k best items of every user.

        Only items where `eligible` is true: bool [n_items], or [n_groups, n_items] with the group of every user in
        `groups` (int64 [n_users]). Unless `seen`, none of the user's history.
        Memory: vectors of all users, or a few arrays of BLOCK_USERS × n_items for models without vectors.
        Raises ValueError for k < 1 and for histories over other items than the model learned.
        """
        if k < 1:
            raise ValueError(f"k = {k}: expected at least 1")
        n, items = histories.n_users, self.item_vectors()
        if eligible is not None and eligible.ndim > 1 and (groups is None or len(groups) != n):
            raise ValueError(f"eligible has a row for each group: expected the groups of {n} users")
        top = TopK(np.full((n, k), -1, np.int64), np.full((n, k), -np.inf, np.float32))
        block = BLOCK_USERS if items is None else max(n, 1)
        for low in range(0, n, block):
            part = np.arange(low, min(low + block, n))
            some = histories.take(part)
            scored = self._score_or_place(some, items)  # all groups at once: a network is asked for many users alike
            for users, allowed in _split_by_group(len(part), eligible, None if groups is None else groups[part]):
                had = None if seen else some.take(users)
                if items is None:
                    best = top_scores(scored[users], k, histories=had, eligible=allowed)
                else:
                    best = top_products(scored[users], items, k, histories=had, eligible=allowed)
                top.items[part[users]], top.scores[part[users]] = best.items, best.scores
        return top

    def _score_or_place(self, histories: Histories, items: Scores | None) -> Scores:
        """Scores of all items, float32 [n_users, n_items]; the users' vectors where there are vectors of `items`."""
        if items is None:
            scores = np.asarray(self.score(histories), np.float32)
            self._require_items(histories, scores.shape[1])
            return scores
        self._require_items(histories, len(items))
        users = self.user_vectors(histories)
        assert users is not None, f"{self.name} has item_vectors and no user_vectors"
        return users

    def _require_items(self, histories: Histories, learned: int) -> None:
        if learned != histories.n_items:
            raise ValueError(f"{self.name} learned {learned} items, the histories have {histories.n_items}")

    @classmethod
    def without_users(cls, arrays: Arrays, rows: IntArray) -> Arrays | None:
        """Saved `arrays` without what the model keeps of single users (their rows, int64); None where it keeps nothing
        of these. Most models keep nothing of any: they are about items."""
        return None

    def manifest(self) -> dict[str, Any]:
        """What is known of the model besides its arrays, as JSON values."""
        versions = {"encore": version("encore"), "numpy": np.__version__}
        return {"model": self.name, "config": asdict(self.config), "versions": versions}

    def save(self, folder: Path, items: ItemIds | None = None) -> None:
        """Writes the model into a local folder: the manifest and the arrays. items: the ids of its item rows, whose
        fingerprint the manifest keeps."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / ARRAYS, allow_pickle=False, **self.arrays())
        vocabulary = None if items is None else Vocabulary.of(items)._asdict()
        (folder / MANIFEST).write_text(json.dumps(self.manifest() | {"vocabulary": vocabulary}, indent=1))

    @classmethod
    def load(cls, folder: Path, items: ItemIds | None = None) -> Self:
        """Loads the model that `save` wrote.

        Raises ValueError where the folder holds another model, and VocabularyError where `items`, the ids by row, do
        not begin with those that it was saved with.
        """
        manifest = json.loads((folder / MANIFEST).read_text())
        if manifest["model"] != cls.name:
            raise ValueError(f"{folder}: holds the model {manifest['model']!r}, not {cls.name!r}")
        if items is not None:
            if manifest.get("vocabulary") is None:
                raise VocabularyError(f"{cls.name} was saved without the fingerprint of its items; train it again")
            Vocabulary(**manifest["vocabulary"]).require_begins(items, cls.name)
        model = cls(cls.Config(**manifest["config"]))
        with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
            model.restore(dict(arrays))
        return model


def _split_by_group(n: int, eligible: Mask | None, groups: IntArray | None) -> Iterator[tuple[IntArray, Mask | None]]:
    """The users of every group, int64, with what they may be recommended."""
    if eligible is None or eligible.ndim == 1:
        yield np.arange(n), eligible
        return
    assert groups is not None
    order = np.argsort(groups, kind="stable")
    present, first = np.unique(groups[order], return_index=True)
    for group, users in zip(present, np.split(order, first)[1:], strict=True):
        yield users, eligible[group]
