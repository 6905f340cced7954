"""Trees as arrays: by eye, and against LightGBM's own predictions."""

from typing import Any

import lightgbm
import numpy as np
import pytest

from models.kernels.trees import Trees, from_lightgbm

STUMP = Trees(
    roots=np.array([0]),
    feature=np.array([1, -1, -1]),
    left=np.array([1, 1, 2]),
    right=np.array([2, 1, 2]),
    value=np.array([0.5, 10.0, 20.0]),
    unknown_left=np.array([False, False, False]),
)


def test_a_row_goes_left_up_to_the_threshold() -> None:
    rows = np.array([[9, 0.4], [9, 0.5], [9, 0.6], [9, np.nan]], np.float32)
    assert STUMP.predict(rows).tolist() == [10, 10, 20, 20]


def test_the_values_of_all_trees_add_up() -> None:
    twice = STUMP._replace(roots=np.array([0, 0, 2]))
    assert twice.predict(np.array([[0, 0], [0, 1]], np.float32)).tolist() == [40, 60]


def test_no_tree_and_no_row() -> None:
    assert from_lightgbm({"tree_info": []}).predict(np.zeros((2, 1), np.float32)).tolist() == [0, 0]
    assert STUMP.predict(np.zeros((0, 2), np.float32)).tolist() == []


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("unknown", [0.0, 0.2])
def test_predictions_are_those_of_lightgbm(seed: int, unknown: float) -> None:
    """Also for rows with unknown features where training had none (LightGBM then takes a 0), and far outside."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(1500, 6)).astype(np.float32)
    rows[random.random(rows.shape) < unknown] = np.nan
    target = np.nan_to_num(rows[:, 0]) * np.isnan(rows[:, 1]) + np.nan_to_num(rows[:, 2]) ** 2
    settings = {"objective": "regression", "num_leaves": 12, "verbosity": -1, "num_threads": 1}
    booster = lightgbm.train(settings, lightgbm.Dataset(rows, target), 30)
    asked = 3 * random.normal(size=(3000, 6)).astype(np.float32)
    asked[random.random(asked.shape) < 0.3] = np.nan
    trees = from_lightgbm(booster.dump_model())
    assert len(trees.roots) == 30
    trees.require_whole(6)
    np.testing.assert_allclose(trees.predict(asked), booster.predict(asked), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "damage",
    [
        {"feature": np.array([2, -1, -1])},
        {"feature": np.array([-2, -1, -1])},
        {"left": np.array([0, 1, 2])},
        {"right": np.array([3, 1, 2])},
        {"roots": np.array([3])},
        {"roots": np.array([-1])},
        {"value": np.zeros(2)},
        {"left": np.array([1, 1])},
        {"unknown_left": np.zeros((3, 1), bool)},
    ],
)
def test_nodes_that_name_what_there_is_not_are_refused(damage: dict[str, Any]) -> None:
    """The kernel would read outside its arrays, or never end."""
    STUMP.require_whole(2)
    with pytest.raises(ValueError, match="trees of 3 nodes and 2 features: a node names what there is not"):
        STUMP._replace(**damage).require_whole(2)
