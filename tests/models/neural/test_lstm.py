"""The recurrent model keeps the contract."""

from typing import Any, ClassVar

from models.neural.lstm import LSTM
from tests.support.contract import RecommenderContract


class TestLSTM(RecommenderContract):
    model = LSTM
    settings: ClassVar[dict[str, Any]] = {"dim": 4, "units": 8, "length": 6, "batch_rows": 4, "epochs": 1}
    tolerance = 1e-5
    out_of_range: ClassVar[tuple[tuple[str, Any], ...]] = (
        ("cell", "rnn"),
        ("units", 0),
        ("dim", 0),
        ("length", 0),
        ("dropout", -0.1),
        ("batch_rows", 0),
        ("epochs", 0),
        ("patience", 0),
        ("learning_rate", float("nan")),
    )
