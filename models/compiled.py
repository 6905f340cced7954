"""Compiles every numba kernel into the cache, so that no night pays for it: `python -m models.compiled`, in set-up."""

import numpy as np

from models.histories import from_events
from models.item_knn import ItemKNN
from models.training import TrainingData


def main() -> None:
    """Learns, recommends and explains on a few events: this calls each kernel with the types that nights use."""
    users, items = np.repeat(np.arange(40), 5), np.arange(200) % 30
    histories = from_events(users, items, np.ones(200, np.float32), None, 40, 30)
    model = ItemKNN().fit(TrainingData(histories))
    model.explain(histories, model.recommend(histories, 3).items)


if __name__ == "__main__":
    main()
