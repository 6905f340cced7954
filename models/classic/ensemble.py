"""Ensemble: weighted reciprocal-rank fusion of the night's other models, and a learned second stage over it."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Interval, Unit, doc

from models.base import BLOCK_USERS, Recommender, Scores, TrainingData
from models.classic.candidates import SIMILAR, Candidates, ItemTimes
from models.classic.fusion import Floats, align_lists, ascend, fused_quality, rank_shares
from models.classic.second_stage import SecondStage
from models.config import Config
from models.data import HeldOut
from models.evaluation.validation import sample_users
from models.histories import Histories, IntArray
from models.kernels.top_k import TopK, top_scores
from models.registry import REGISTRY
from models.vocabulary import ItemIds

MEMBERS = "members"
SEED = "-"  # between a member's name and the number of its further seed
CONSTANTS = (10.0, 3.0, 30.0)  # to choose from on validation; the first where there is none
MAX_USERS = 20_000  # by whom weights are fitted: small gains need many
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EnsembleConfig(Config):
    """Settings of the ensemble."""

    model: ClassVar[str] = "ensemble"
    constant: Annotated[
        float | None,
        Ge(0.0),
        doc("k0: the larger, the less the first places count; none: chosen on validation"),
    ] = None
    depth: Annotated[int, Interval(ge=1, le=10_000), Unit("items"), doc("places of a member's list that count")] = 300
    fitted: Annotated[
        int,
        Interval(ge=10, le=1000),
        Unit("items"),
        doc("places by which the members' weights are fitted; what stands behind hardly reaches the first ten"),
    ] = 50
    seeds: Annotated[
        int,
        Interval(ge=1, le=20),
        Unit("trainings"),
        doc("of each member that is a network, with other seeds, in the task of the ensemble; they share its weight"),
    ] = 1
    second_stage: Annotated[
        bool,
        doc("learn to re-rank the first items (LambdaMART), where that is better on validation by more than chance"),
    ] = True


class Ensemble(Recommender):
    """score(u, i) = Σ over members m of w_m / (k0 + rank_m(u, i)), for the ranks up to `depth`.

    rank_m counts from 1 among the items that the user has not had, best first; an item of the history has the rank that
    it would have among them. No evidence where no member ranks the item. The weights w sum to 1; they are found by
    coordinate ascent of NDCG@10 on validation, from the best single member on, and are equal without validation.
    Members that get no weight are left out. Memory: that of the members.

    A second stage (`models.classic.second_stage`) scores the first items of that list anew, where it was better than
    the list on validation; `config.second_stage` says whether.
    """

    name: ClassVar[str] = "ensemble"
    Config: ClassVar[type] = EnsembleConfig
    members: Mapping[str, Recommender]
    weights: Floats
    stage: SecondStage | None = None

    def fit(self, data: TrainingData) -> Self:
        """Weighs the trained models of `data.models`. Raises ValueError where there are none."""
        if not data.models:
            raise ValueError("ensemble: there is no trained model to combine; train others before it")
        self.members, self.n_items = dict(data.models), data.histories.n_items
        constants = CONSTANTS if self.config.constant is None else (self.config.constant,)
        validation = sample_users(data.validation, data.seed, MAX_USERS)
        if validation is None:
            self.weights = np.full(len(self.members), 1 / len(self.members))
            self.config = replace(self.config, constant=constants[0])
        else:
            self._weigh(validation, constants)
        self._add_seeds(data)
        if validation is not None and self.config.second_stage:
            self._add_stage(data, validation)
        self.config = replace(self.config, second_stage=self.stage is not None)
        return self

    def _weigh(self, held_out: HeldOut, constants: Sequence[float]) -> None:
        lists = [model.recommend(held_out.histories, self.config.fitted).items for model in self.members.values()]
        weights, most = np.zeros(0), -1.0
        for constant in constants:
            candidates, shares = align_lists(lists, constant)
            climbed, reached = ascend(len(lists), partial(fused_quality, candidates, shares, held_out))
            if reached > most:
                weights, most = climbed, reached
                self.config = replace(self.config, constant=constant)
        chosen, names = np.flatnonzero(weights), list(self.members)
        self.members = {names[m]: self.members[names[m]] for m in chosen}
        self.weights = weights[chosen] / weights.sum()
        log.info("ensemble: %s", ", ".join(f"{n} {w:.2f}" for n, w in zip(self.members, self.weights, strict=True)))

    def _add_seeds(self, data: TrainingData) -> None:
        """Trains the networks among the members again, with the settings that they have and the seeds that follow."""
        members, weights = dict[str, Recommender](), list[float]()
        for weight, (name, model) in zip(self.weights, self.members.items(), strict=True):
            count = self.config.seeds if model.by_chance else 1
            members[name] = model
            for n in range(1, count):
                workspace = None if data.workspace is None else data.workspace / f"{name}{SEED}{n}"
                if workspace is not None:
                    workspace.mkdir(exist_ok=True)
                given = replace(data, seed=data.seed + n, workspace=workspace, store=None, start=None, models={})
                members[f"{name}{SEED}{n}"] = type(model)(model.config).fit(given)
            weights += [weight / count] * count
        self.members, self.weights = members, np.array(weights)

    def _add_stage(self, data: TrainingData, validation: HeldOut) -> None:
        """Learns the second stage; what measures similarity is a member then, without weight if it has none."""
        before = self.members, self.weights
        if SIMILAR in data.models and SIMILAR not in self.members:
            self.members = {**self.members, SIMILAR: data.models[SIMILAR]}
            self.weights = np.append(self.weights, 0.0)
        times, users = ItemTimes.of(data.histories), validation.histories
        blocks = (np.arange(low, min(low + BLOCK_USERS, users.n_users)) for low in range(0, users.n_users, BLOCK_USERS))
        parts = (users.take(block) for block in blocks)
        candidates = Candidates.join([self._candidates(part, *self._fuse(part), times) for part in parts])
        self.stage = SecondStage.fit(validation, candidates, times, data.seed)
        if self.stage is None:
            self.members, self.weights = before

    def refit(self, data: TrainingData) -> Self:
        """Its members learn the later events too; their weights stay."""
        self.members = {name: model.refit(data) for name, model in self.members.items()}
        self.n_items = data.histories.n_items
        if self.stage is not None:
            self.stage = replace(self.stage, times=ItemTimes.of(data.histories))
        return self

    def score(self, histories: Histories) -> Scores:
        """Every member scores and ranks all items; the second stage scores the first ones anew."""
        if histories.n_items != self.n_items:
            raise ValueError(f"ensemble learned {self.n_items} items, the histories have {histories.n_items}")
        scores, lists = self._fuse(histories)
        if self.stage is not None:
            self.stage.rerank(scores, self._candidates(histories, scores, lists, self.stage.times))
        return scores

    def _fuse(self, histories: Histories) -> tuple[Scores, dict[str, TopK]]:
        """The fused scores of all items, and every member's list."""
        fused, lists = np.zeros((histories.n_users, histories.n_items), np.float32), {}
        for weight, (name, model) in zip(self.weights, self.members.items(), strict=True):
            shares, lists[name] = self._rank(model, histories)
            fused += np.float32(weight) * shares
        fused[fused == 0] = -np.inf
        return fused, lists

    def _rank(self, model: Recommender, histories: Histories) -> tuple[Scores, TopK]:
        """The member's list of the first `depth` items, and float32 [n_users, n_items]: 1 / (k0 + rank) for what it
        ranks among them, else 0."""
        scores = np.asarray(model.score(histories), np.float32)
        top, had = top_scores(scores, self.config.depth, histories=histories), histories.matrix()
        shares = np.zeros(scores.shape, np.float32)
        rank_shares(top.items, top.scores, had.indptr, had.indices, scores, self.config.constant, shares)
        return shares, top

    def _candidates(
        self, histories: Histories, fused: Scores, lists: Mapping[str, TopK], times: ItemTimes
    ) -> Candidates:
        return Candidates.of(histories, fused, lists, self.members.get(SIMILAR), times)

    def explain(self, histories: Histories, items: IntArray) -> IntArray:
        """The reason of the member whose share is the largest of those that give one."""
        reasons = np.full(items.shape, -1, np.int64)
        for low in range(0, histories.n_users, BLOCK_USERS):
            part = slice(low, min(low + BLOCK_USERS, histories.n_users))
            users, asked = histories.take(np.arange(part.start, part.stop)), items[part]
            largest = np.zeros(asked.shape)
            for weight, model in zip(self.weights, self.members.values(), strict=True):
                share = weight * np.take_along_axis(self._rank(model, users)[0], np.maximum(asked, 0), axis=1)
                given = model.explain(users, asked)
                better = (given >= 0) & (share > largest)
                reasons[part][better], largest[better] = given[better], share[better]
        return reasons

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """weights: float64 [members]; names: of the members; those of the second stage where there is one."""
        arrays = {"weights": self.weights, "names": np.array(list(self.members)), "n_items": np.array(self.n_items)}
        return arrays if self.stage is None else arrays | self.stage.arrays()

    def restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Takes the weights back; `load` the members."""
        self.weights, self.n_items = arrays["weights"], int(arrays["n_items"])
        self.names = arrays["names"].tolist()
        self.stage = SecondStage.restore(arrays, self.names, self.n_items) if "trees_roots" in arrays else None

    def save(self, folder: Path, items: ItemIds | None = None) -> None:
        """Writes the weights, and every member into a folder of its own below `members`."""
        super().save(folder, items)
        for name, model in self.members.items():
            model.save(folder / MEMBERS / name, items)

    @classmethod
    def load(cls, folder: Path, items: ItemIds | None = None) -> Self:
        """The ensemble with its members; imports what these need."""
        model = super().load(folder, items)
        kinds = {name: REGISTRY[name.partition(SEED)[0]] for name in model.names}
        model.members = {name: kind.load(folder / MEMBERS / name, items) for name, kind in kinds.items()}
        return model
