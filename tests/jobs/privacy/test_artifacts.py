"""Models without a user: the row of theirs is empty, the rest is as it was."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from jobs.learning.artifacts import fingerprint
from jobs.privacy.artifacts import without
from models.base import Recommender, TrainingData
from models.classic.candidates import ItemTimes
from models.classic.ensemble import Ensemble
from models.classic.item_knn import ItemKNN
from models.classic.second_stage import SecondStage
from models.classic.user_knn import UserKNN
from models.kernels.trees import from_lightgbm
from models.registry import REGISTRY
from schemas.names import NEURAL
from schemas.tables import TABLES
from tests.support.examples import example


def row(model: str, folder: Path) -> pa.Table:
    """A row of `models`."""
    values = {"domain": "movies", "ds": "2026-11-20", "model": model, "status": "challenger", "reason": ""}
    values |= {"artifact": folder.as_uri(), "checksum": fingerprint(folder)}
    return pa.Table.from_pylist([values], schema=TABLES["models"].schema)


@pytest.mark.parametrize(("name", "staged"), [("user_knn", False), ("ensemble", False), ("ensemble", True)])
def test_the_row_of_a_user_is_emptied(name: str, staged: bool, tmp_path: Path) -> None:
    knn = UserKNN(UserKNN.Config()).fit(TrainingData(example()))
    model: Recommender = knn
    if name == "ensemble":
        others = {"user_knn": knn, "item_knn": ItemKNN(ItemKNN.Config()).fit(TrainingData(example()))}
        model = ensemble = Ensemble(Ensemble.Config()).fit(TrainingData(example(), models=others))
        if staged:  # which holds counts of items' events and trees over them, nothing of a user
            leaf = {"tree_structure": {"leaf_value": 2.0}}
            ensemble.stage = SecondStage(from_lightgbm({"tree_info": [leaf]}), ItemTimes.of(example()))
    model.save(tmp_path / "old", ["i"] * example().n_items)
    user = int(np.flatnonzero(np.diff(knn.users.indptr))[0])
    before = knn.users.toarray()
    assert before[user].any()

    new = without(row(name, tmp_path / "old"), [user], (tmp_path / "new").as_uri())

    assert new is not None
    (saved,) = new.to_pylist()
    folder = Path(saved["artifact"].removeprefix("file://"))
    assert saved["checksum"] == fingerprint(folder) != fingerprint(tmp_path / "old")
    loaded = REGISTRY[name].load(folder, ["i"] * example().n_items)
    learned = loaded.members["user_knn"] if isinstance(loaded, Ensemble) else loaded
    assert isinstance(learned, UserKNN)
    assert (isinstance(loaded, Ensemble) and loaded.stage is not None) == staged
    expected = before.copy()
    expected[user] = 0
    np.testing.assert_array_equal(learned.users.toarray(), expected)
    assert without(new, [user], (tmp_path / "again").as_uri()) is None


def test_models_of_items_stay_as_they_are(tmp_path: Path) -> None:
    ItemKNN(ItemKNN.Config()).fit(TrainingData(example())).save(tmp_path / "old")
    assert without(row("item_knn", tmp_path / "old"), [0], (tmp_path / "new").as_uri()) is None


def test_no_network_has_a_row_of_a_user() -> None:
    """`without` does not look into them, which would import Keras."""
    from models.neural.recommender import Neural

    assert Neural.without_users.__func__ is Recommender.without_users.__func__  # type: ignore[attr-defined]
    assert all(REGISTRY.places[name].startswith("models.neural.") for name in NEURAL)
