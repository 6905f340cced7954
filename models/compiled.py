"""Compiles every numba kernel into the cache, so that no night pays for it: `python -m models.compiled`, in set-up."""

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from models.base import Recommender, TrainingData
from models.classic.candidates import ItemTimes
from models.classic.content_knn import ContentKNN
from models.classic.ease import Ease
from models.classic.ensemble import Ensemble
from models.classic.hybrid_knn import HybridKNN
from models.classic.item_knn import ItemKNN
from models.classic.popularity import Popularity
from models.classic.second_stage import SecondStage
from models.classic.user_knn import UserKNN
from models.data import Catalogue
from models.evaluation.beyond_accuracy import describe_items
from models.histories import Histories, from_events
from models.kernels.merging import argsort_pairs, merge_events
from models.kernels.nearest import nearest_in_history
from models.kernels.neighbours import Neighbours, RowBlock, merge_neighbours, share_neighbours, stream_neighbours
from models.kernels.top_k import top_products
from models.kernels.trees import from_lightgbm
from models.layers.packing import newest, pack
from models.serving.diversity import mmr

USERS, ITEMS = 40, 30


def main() -> None:
    """Calls each kernel on a few events with the types that nights use: arrays of Arrow are read-only."""
    users, items = np.repeat(np.arange(USERS), 5), np.arange(200) % ITEMS
    histories = from_events(users, items, np.ones(200, np.float32), None, USERS, ITEMS)
    learn_and_serve(histories)
    merge_and_compare()


def learn_and_serve(histories: Histories) -> None:
    """Learns, recommends and explains with every model that is no network, and calls what networks call."""
    words = [f"word {row}" for row in range(ITEMS)]
    catalogue = Catalogue(words, words, [("genre",)] * ITEMS, [()] * ITEMS, words)
    data = TrainingData(histories, catalogue)
    kinds = (ItemKNN, UserKNN, ContentKNN, HybridKNN, Ease)
    models: dict[str, Recommender] = {kind.name: kind().fit(data) for kind in kinds}
    models["ensemble"] = ensemble = Ensemble().fit(TrainingData(histories, models=dict(models)))
    stump = {"tree_structure": {"leaf_value": 0.0}}
    ensemble.stage = SecondStage(from_lightgbm({"tree_info": [stump]}), ItemTimes.of(histories))
    for model in models.values():
        model.explain(histories, model.recommend(histories, 3).items)
    popular = Popularity().fit(data).recommend(histories, 3)
    mmr(popular, describe_items(histories, catalogue).kinds, 2, 0.5)
    pack(newest(histories, 3), 3)
    vectors = np.ones((ITEMS, 2), np.float32)
    top = top_products(np.ones((USERS, 2), np.float32), vectors, 3, histories=histories)
    nearest_in_history(histories, top.items, vectors)


def merge_and_compare() -> None:
    """Merges events and compares rows as Spark's tasks do, in shares and in streams."""
    row, feature, kind, value, ts, ordinal = (
        read_only(np.zeros(2, dtype)) for dtype in (np.int32, np.int32, np.int8, np.float64, np.int64, np.int64)
    )
    argsort_pairs(kind, row)
    merge_events(argsort_pairs(row, row), row, feature, kind, value, ts, ordinal, np.ones(1))
    counts, numbers = np.ones(3, np.int64), np.arange(3, dtype=np.int32)
    written = RowBlock(numbers, sp.csr_array(np.eye(3)))
    for measure in ("cosine", "jaccard", "log_likelihood"):
        share_neighbours(written, 1, 0, 2, feature_counts=counts, measure=measure)
    hybrid = RowBlock(numbers, written.matrix, np.ones(3))
    share_neighbours(hybrid, 1, 0, 2, feature_counts=counts)
    stored = RowBlock(numbers, sp.csr_array((3, 3)))
    stored.matrix.data, stored.matrix.indices = read_only(np.ones(3)), read_only(np.arange(3, dtype=np.int32))
    stored.matrix.indptr = np.arange(4, dtype=np.int32)
    stream_neighbours(written, [stored], 1, feature_counts=counts)
    merge_neighbours([Neighbours(read_only(np.zeros((2, 1), np.int32)), read_only(np.ones((2, 1), np.float32)))])


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array, which nobody may write into."""
    array.setflags(write=False)
    return array


if __name__ == "__main__":
    main()
