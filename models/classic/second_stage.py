"""The ensemble's learned second stage: LambdaMART (Burges 2010) by LightGBM (Ke et al. 2017) re-ranks the first items
of the fused list."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from models.base import Scores
from models.classic.candidates import Candidates, ItemTimes, count_features
from models.data import HeldOut, UnlearnableError
from models.evaluation.bootstrap import intervals
from models.evaluation.metrics import ndcg
from models.evaluation.ties import groups_without_ties
from models.evaluation.validation import CUTOFF
from models.histories import IntArray
from models.kernels.trees import Trees, from_lightgbm

TREES = 80
FOLDS = 5
MIN_USERS = 50  # with a held-out item among the candidates: fewer teach nothing
SETTINGS: dict[str, Any] = {
    "objective": "lambdarank",
    "lambdarank_truncation_level": 2 * CUTOFF,
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 50,
    "lambda_l2": 5.0,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
Floats = npt.NDArray[np.float64]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SecondStage:
    """Trees that score candidates, and what was known of the items' times when their ensemble learned."""

    trees: Trees
    times: ItemTimes

    @classmethod
    def fit(cls, held_out: HeldOut, candidates: Candidates, times: ItemTimes, seed: int) -> "SecondStage | None":
        """Learns to put the held-out items of validation first; None where that is not better than the fused list by
        more than the interval (95 %, bootstrap).

        Each fifth of the users is judged by trees that learned from the others; those that are kept learn from all.
        """
        labels = find_labels(candidates.items, held_out)
        learnable = int(labels.any(axis=1).sum())
        if learnable < MIN_USERS:
            log.info("second stage: left out, %d users have a held-out item among the candidates", learnable)
            return None
        gains = cross_validate(held_out, candidates, labels, seed)
        low, high = intervals(gains[:, None], seed)[0]
        verb = "re-ranks" if low > 0 else "left out"
        log.info("second stage: %s, NDCG@%d %+.4f (%+.4f to %+.4f)", verb, CUTOFF, gains.mean(), low, high)
        return cls(learn_trees(candidates, labels, seed), times) if low > 0 else None

    def rerank(self, fused: Scores, candidates: Candidates) -> None:
        """Gives the candidates scores between 1 and 2, above all others of `fused` [n, n_items], in place."""
        scores = predict(self.trees, candidates)
        user, place = np.nonzero(candidates.items >= 0)
        fused[user, candidates.items[user, place]] = 1 + 1 / (1 + np.exp(-scores[user, place]))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The fields of the trees and of the items' times, by their names with `trees_` and `times_`."""
        trees = {f"trees_{name}": array for name, array in self.trees._asdict().items()}
        return trees | {f"times_{name}": array for name, array in vars(self.times).items()}

    @classmethod
    def restore(cls, arrays: dict[str, npt.NDArray[Any]], members: Sequence[str], n_items: int) -> Self:
        """From what `arrays` returned; ValueError where it does not fit together or not to members and items."""
        trees = Trees(*(arrays[f"trees_{name}"] for name in Trees._fields))
        trees.require_whole(count_features(members))
        times = ItemTimes(*(arrays[f"times_{field.name}"] for field in fields(ItemTimes)))
        times.require_items(n_items)
        return cls(trees, times)


def cross_validate(held_out: HeldOut, candidates: Candidates, labels: npt.NDArray[np.bool_], seed: int) -> Floats:
    """By how much each user's NDCG@10 grows where trees re-rank that learned from the other folds; float64 [n]."""
    fold = np.random.default_rng(seed).permutation(len(labels)) % FOLDS
    reranked = np.empty_like(candidates.items)
    for part in range(FOLDS):
        judged = np.flatnonzero(fold == part)
        others = np.flatnonzero(fold != part)
        trees = learn_trees(candidates.take(others), labels[others], seed)
        order = np.argsort(-predict(trees, candidates.take(judged)), axis=1, kind="stable")
        reranked[judged] = np.take_along_axis(candidates.items[judged], order, axis=1)
    return list_quality(reranked, held_out) - list_quality(candidates.items, held_out)


def find_labels(items: IntArray, held_out: HeldOut) -> npt.NDArray[np.bool_]:
    """bool [n, k]: whether a candidate is held out."""
    user, place = np.nonzero(items >= 0)
    labels = np.zeros(items.shape, np.bool_)
    labels[user, place] = held_out.relevant[user, items[user, place]] > 0
    return labels


def list_quality(items: IntArray, held_out: HeldOut) -> Floats:
    """NDCG@10 of each user's list, float64 [n]."""
    return ndcg(groups_without_ties(items[:, :CUTOFF], held_out.relevant), CUTOFF)


def learn_trees(candidates: Candidates, labels: npt.NDArray[np.bool_], seed: int) -> Trees:
    """LambdaMART over the users' candidates, on one thread, so that the same rows give the same trees."""
    library = lightgbm()
    there = candidates.items >= 0
    groups = there.sum(axis=1)
    rows = library.Dataset(candidates.features[there], labels[there].astype(np.int32), group=groups[groups > 0])
    return from_lightgbm(library.train(SETTINGS | {"seed": seed}, rows, TREES).dump_model())


def predict(trees: Trees, candidates: Candidates) -> Floats:
    """The trees' scores, float64 [n, k]; -inf where there is no candidate."""
    there = candidates.items >= 0
    scores = np.full(there.shape, -np.inf)
    scores[there] = trees.predict(candidates.features[there])
    return scores


def lightgbm() -> Any:
    """LightGBM, which only learning needs. Raises UnlearnableError where it cannot be loaded."""
    try:
        import lightgbm as library  # half a second, most of it pandas
    except (ImportError, OSError) as error:  # OSError: there is no libgomp
        raise UnlearnableError(
            f"ensemble.second_stage learns with LightGBM, which cannot be loaded ({error}); install libgomp1 (Debian, "
            "Ubuntu) or libgomp (Fedora), or set models.ensemble.second_stage to false"
        ) from error
    return library
