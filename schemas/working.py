"""Intermediate tables: what the tasks of a run hand to each other, never published."""

import pyarrow as pa

from schemas.inputs import TIMESTAMP

# How `sequences` held events out, by what the data knows of time.
TIME, LEAVE_LAST_OUT, HASH = "time", "leave_last_out", "hash"

# The parts: models learn from the first, choose their settings on the second, are judged on the third.
TRAIN, VALIDATION, TEST = "train", "validation", "test"

# Every user's events in the vocabulary's rows, sorted by user and, within a user, oldest first.
SEQUENCES = pa.schema(
    [
        pa.field("user_row", pa.int64(), metadata={"doc": "the user"}),
        pa.field("item_row", pa.int64(), metadata={"doc": "the item"}),
        pa.field("value", pa.float32(), metadata={"doc": "weight of the kind times the value (1 without one)"}),
        pa.field("ts", TIMESTAMP, metadata={"doc": "when; null where the source has no times"}),
        pa.field("part", pa.string(), metadata={"doc": "train, validation or test"}),
    ]
)

# The value of the gate's metric for every judged user, by which models are compared in pairs.
USER_METRICS = pa.schema(
    [
        pa.field("model", pa.string(), metadata={"doc": "the model"}),
        pa.field("user_row", pa.int64(), metadata={"doc": "the user; the same users for every model"}),
        pa.field("new", pa.bool_(), metadata={"doc": "whether the user had no events before the test"}),
        pa.field("ndcg", pa.float64(), metadata={"doc": "NDCG@10"}),
    ]
)
