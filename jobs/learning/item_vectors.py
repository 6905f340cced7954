"""The table of the items as vectors of a model that reads their titles, descriptions and posters.

`train` writes it with the model: what is published is what was judged.
"""

import numpy as np
import pyarrow as pa

from jobs.learning.arrays import Ids
from jobs.night import Night
from models.base import Scores
from schemas.tables import TABLES

MODEL = "two_tower"


def table(night: Night, known: Ids, vectors: Scores) -> pa.Table:
    """Rows of `item_vectors`, by item_id; none for an item whose vector is not finite."""
    placed = np.flatnonzero(np.isfinite(vectors).all(axis=1))
    size = vectors.shape[1]
    flat = pa.array(vectors[placed].ravel(), pa.float32())
    columns = {
        "domain": pa.repeat(night.run.domain, len(placed)),
        "ds": pa.repeat(night.ds, len(placed)),
        "model": pa.repeat(MODEL, len(placed)),
        "item_id": known.items.take(pa.array(placed)),
        "vector": pa.ListArray.from_arrays(pa.array(np.arange(len(placed) + 1) * size, pa.int32()), flat),
    }
    return pa.table(columns, schema=TABLES["item_vectors"].schema).sort_by("item_id")
