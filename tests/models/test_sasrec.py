"""SASRec keeps the contract."""

from typing import Any, ClassVar

from models.sasrec import SASRec
from tests.models.contract import RecommenderContract


class TestSASRec(RecommenderContract):
    model = SASRec
    settings: ClassVar[dict[str, Any]] = {"dim": 8, "blocks": 1, "length": 6, "batch_rows": 4, "epochs": 1}
    tolerance = 1e-5
    out_of_range: ClassVar[tuple[tuple[str, Any], ...]] = (
        ("dim", 0),
        ("blocks", 0),
        ("heads", 0),
        ("heads", 3),
        ("length", 0),
        ("block", "other"),
        ("dropout", 1.0),
        ("batch_rows", 0),
        ("epochs", 0),
        ("patience", 0),
        ("learning_rate", 0.0),
    )
