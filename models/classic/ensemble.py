"""Ensemble: weighted reciprocal-rank fusion of the night's other models (Cormack, Clarke & Büttcher 2009)."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numba
import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Interval, Unit, doc

from models.base import BLOCK_USERS, Recommender, Scores, TrainingData
from models.config import Config
from models.data import HeldOut
from models.evaluation.metrics import ndcg
from models.evaluation.ties import groups_without_ties
from models.evaluation.validation import CUTOFF, sample_users
from models.histories import Histories, IntArray
from models.kernels.top_k import top_scores
from models.registry import REGISTRY
from models.vocabulary import ItemIds

MEMBERS = "members"
CONSTANTS = (10.0, 3.0, 30.0)  # to choose from on validation; the first where there is none
STEPS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)  # a member's weight, tried with the others' weights as they are
ROUNDS = 3
MAX_USERS = 20_000  # by whom weights are fitted: small gains need many
log = logging.getLogger(__name__)
Floats = npt.NDArray[np.float64]


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


class Ensemble(Recommender):
    """score(u, i) = Σ over members m of w_m / (k0 + rank_m(u, i)), for the ranks up to `depth`.

    rank_m counts from 1 among the items that the user has not had, best first; an item of the history has the rank that
    it would have among them. No evidence where no member ranks the item. The weights w sum to 1; they are found by
    coordinate ascent of NDCG@10 on validation, from the best single member on, and are equal without validation.
    Members that get no weight are left out. Memory: that of the members.
    """

    name: ClassVar[str] = "ensemble"
    Config: ClassVar[type] = EnsembleConfig
    members: Mapping[str, Recommender]
    weights: Floats

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

    def refit(self, data: TrainingData) -> Self:
        """Its members learn the later events too; their weights stay."""
        self.members = {name: model.refit(data) for name, model in self.members.items()}
        self.n_items = data.histories.n_items
        return self

    def score(self, histories: Histories) -> Scores:
        """Every member scores and ranks all items."""
        if histories.n_items != self.n_items:
            raise ValueError(f"ensemble learned {self.n_items} items, the histories have {histories.n_items}")
        scores = np.zeros((histories.n_users, histories.n_items), np.float32)
        for weight, model in zip(self.weights, self.members.values(), strict=True):
            scores += np.float32(weight) * self._shares(model, histories)
        scores[scores == 0] = -np.inf
        return scores

    def _shares(self, model: Recommender, histories: Histories) -> Scores:
        """float32 [n_users, n_items]: 1 / (k0 + rank) for what the member ranks among its first `depth`, else 0."""
        scores = np.asarray(model.score(histories), np.float32)
        top, had = top_scores(scores, self.config.depth, histories=histories), histories.matrix()
        shares = np.zeros(scores.shape, np.float32)
        rank_shares(top.items, top.scores, had.indptr, had.indices, scores, self.config.constant, shares)
        return shares

    def explain(self, histories: Histories, items: IntArray) -> IntArray:
        """The reason of the member whose share is the largest of those that give one."""
        reasons = np.full(items.shape, -1, np.int64)
        for low in range(0, histories.n_users, BLOCK_USERS):
            part = slice(low, min(low + BLOCK_USERS, histories.n_users))
            users, asked = histories.take(np.arange(part.start, part.stop)), items[part]
            largest = np.zeros(asked.shape)
            for weight, model in zip(self.weights, self.members.values(), strict=True):
                share = weight * np.take_along_axis(self._shares(model, users), np.maximum(asked, 0), axis=1)
                given = model.explain(users, asked)
                better = (given >= 0) & (share > largest)
                reasons[part][better], largest[better] = given[better], share[better]
        return reasons

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """weights: float64 [members]; names: of the members."""
        return {"weights": self.weights, "names": np.array(list(self.members)), "n_items": np.array(self.n_items)}

    def restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Takes the weights back; `load` the members."""
        self.weights, self.n_items = arrays["weights"], int(arrays["n_items"])
        self.names = arrays["names"].tolist()

    def save(self, folder: Path, items: ItemIds | None = None) -> None:
        """Writes the weights, and every member into a folder of its own below `members`."""
        super().save(folder, items)
        for name, model in self.members.items():
            model.save(folder / MEMBERS / name, items)

    @classmethod
    def load(cls, folder: Path, items: ItemIds | None = None) -> Self:
        """The ensemble with its members; imports what these need."""
        model = super().load(folder, items)
        model.members = {name: REGISTRY[name].load(folder / MEMBERS / name, items) for name in model.names}
        return model


def align_lists(lists: list[IntArray], constant: float) -> tuple[IntArray, Scores]:
    """The items of the members' lists ([n, places] each, -1 for none), once for every user, and the members' shares.

    items: int64 [n, most], by row, padded with -1. shares: float32 [members, n, most], 0 where a list lacks the item.
    """
    together = np.sort(np.concatenate(lists, axis=1), axis=1)
    none = 1 + together.max(initial=-1)  # stands behind all items
    again = together[:, 1:] == together[:, :-1]
    together[:, 1:][again] = none
    together[together < 0] = none
    together.sort(axis=1)
    items = together[:, : max((together < none).sum(axis=1).max(initial=0), 1)]
    apart = np.arange(len(items))[:, None] * (none + 1)
    keys = (items + apart).ravel()
    shares = np.zeros((len(lists), *items.shape), np.float32)
    for share, ranked in zip(shares, lists, strict=True):
        there = ranked >= 0
        at = np.searchsorted(keys, (ranked + apart)[there])
        share.ravel()[at] = (1 / (constant + 1 + np.nonzero(there)[1])).astype(np.float32)
    return np.where(items < none, items, -1), shares


def fused_quality(candidates: IntArray, shares: Scores, held_out: HeldOut, weights: Floats) -> Floats:
    """Every user's NDCG@10, float64 [n], of the members' lists as `aligned` returned them, under weights [members]."""
    top = top_scores(np.tensordot(weights.astype(np.float32), shares, 1), CUTOFF).items
    items = np.where(top >= 0, np.take_along_axis(candidates, top, axis=1), -1)
    return ndcg(groups_without_ties(items, held_out.relevant), CUTOFF)


def ascend(members: int, values: Callable[[Floats], Floats]) -> tuple[Floats, float]:
    """Weights, float64 [members], for which the mean of `values`, float64 [n] by user, is large, and that mean.

    From the best single member on, one weight at a time is set to that of STEPS which gives most, for ROUNDS rounds or
    until none gives more. A gain that is less than its standard error over the users is taken for chance (after the
    rule of Breiman et al. 1984), since every member costs its time.
    """
    alone = np.eye(members)
    best, most = max(((weights, values(weights)) for weights in alone), key=lambda pair: float(pair[1].mean()))
    for _ in range(ROUNDS):
        before = best
        for m in range(members):
            for step in STEPS:
                weights = np.where(alone[m] > 0, step, best)
                if step == best[m] or not weights.any():
                    continue
                reached = values(weights)
                gain = reached - most
                if gain.mean() > gain.std() / np.sqrt(len(gain)):
                    best, most = weights, reached
        if best is before:
            break
    return best, float(most.mean())


@numba.njit(cache=True, nogil=True)
def rank_shares(items, listed, indptr, had, scores, constant, shares):  # type: ignore[no-untyped-def]
    """Writes 1 / (constant + rank) into shares [n, n_items]: for the lists `items` [n, k] with their scores `listed`,
    and for the items that users had, where they would stand among them; behind the k-th place nothing."""
    n, k = items.shape
    for u in range(n):
        for place in range(k):
            if items[u, place] >= 0:
                shares[u, items[u, place]] = 1 / (constant + 1 + place)
        for e in range(indptr[u], indptr[u + 1]):
            score = scores[u, had[e]]
            if score > -np.inf:
                place = k - np.searchsorted(listed[u, ::-1], score, side="right")
                if place < k:
                    shares[u, had[e]] = 1 / (constant + 1 + place)
