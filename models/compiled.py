"""Compiles every numba kernel into the cache, so that no night pays for it: `python -m models.compiled`, in set-up."""

import numpy as np
import scipy.sparse as sp

from models.base import Recommender, TrainingData
from models.classic.content_knn import ContentKNN
from models.classic.ease import Ease
from models.classic.ensemble import Ensemble
from models.classic.hybrid_knn import HybridKNN
from models.classic.item_knn import ItemKNN
from models.classic.popularity import Popularity
from models.classic.user_knn import UserKNN
from models.data import Catalogue
from models.histories import from_events
from models.kernels.merging import argsort_pairs, merge_events
from models.kernels.nearest import nearest_in_history
from models.kernels.neighbours import top_k_neighbours
from models.kernels.top_k import top_products
from models.layers.packing import newest, packed
from models.serving.diversity import mmr


def main() -> None:
    """Learns, recommends and explains on a few events: this calls each kernel with the types that nights use."""
    users, items = np.repeat(np.arange(40), 5), np.arange(200) % 30
    histories = from_events(users, items, np.ones(200, np.float32), None, 40, 30)
    words = [f"word {row}" for row in range(30)]
    catalogue = Catalogue(words, words, [()] * 30, [()] * 30, words)
    data = TrainingData(histories, catalogue)
    kinds = (ItemKNN, UserKNN, ContentKNN, HybridKNN, Ease)
    models: dict[str, Recommender] = {kind.name: kind().fit(data) for kind in kinds}
    models["ensemble"] = Ensemble().fit(TrainingData(histories, models=dict(models)))
    for model in models.values():
        model.explain(histories, model.recommend(histories, 3).items)
    packed(newest(histories, 3), 3)
    popular = Popularity().fit(data).recommend(histories, 3)
    mmr(popular, sp.csr_array(np.eye(30, dtype=np.float32)), 2, 0.5)
    vectors = np.ones((30, 2), np.float32)
    top_k_neighbours(sp.csr_array(np.eye(3)), 1)  # in float64, as Spark's tasks have them
    columns = [np.zeros(2, kind) for kind in (np.int32, np.int32, np.int8, np.float64, np.int64, np.int64)]
    for column in columns:
        column.setflags(write=False)  # as Arrow's are
    row, _, matrix = columns[:3]
    argsort_pairs(matrix, row)
    merge_events(argsort_pairs(row, row), *columns, np.ones(1))
    nearest_in_history(
        histories, top_products(np.ones((40, 2), np.float32), vectors, 3, histories=histories).items, vectors
    )


if __name__ == "__main__":
    main()
