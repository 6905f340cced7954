"""NCF keeps the contract."""

from typing import Any, ClassVar

from models.ncf import NCF
from tests.models.contract import RecommenderContract


class TestNCF(RecommenderContract):
    model = NCF
    settings: ClassVar[dict[str, Any]] = {"dim": 4, "units": 8, "length": 6, "batch_users": 8, "epochs": 1}
    tolerance = 1e-5
    out_of_range: ClassVar[tuple[tuple[str, Any], ...]] = (
        ("dim", 0),
        ("units", 1),
        ("length", 1),
        ("positives", 0),
        ("negatives", 0),
        ("batch_users", 0),
        ("epochs", 0),
        ("patience", 0),
        ("learning_rate", 2.0),
    )
