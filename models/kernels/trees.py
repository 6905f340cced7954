"""Regression trees as arrays, and the sum of their values: a model of LightGBM is read and evaluated without it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.histories import IntArray
from models.kernels.compilation import kernel
from models.kernels.top_k import TASK_USERS, in_blocks

LEAF = -1


class Trees(NamedTuple):
    """Binary trees whose nodes stand one after the other, every node before its children.

    roots: int64 [trees]. feature: int64 [nodes], LEAF for a leaf. left, right: int64 [nodes], the children of a node;
    left where the feature is at most the threshold. value: float64 [nodes], the threshold, or what the leaf adds.
    unknown_left: bool [nodes], where a row goes whose feature is NaN.
    """

    roots: IntArray
    feature: IntArray
    left: IntArray
    right: IntArray
    value: npt.NDArray[np.float64]
    unknown_left: npt.NDArray[np.bool_]

    def predict(self, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """The sum of the trees' values for each of `rows` [n, features], float64 [n]."""
        sums = np.zeros(len(rows))

        def one(low: int) -> None:
            add_values(*self, rows, low, min(low + TASK_USERS, len(rows)), sums)

        in_blocks(one, len(rows))
        return sums

    def require_whole(self, features: int) -> None:
        """Raises ValueError where a node names a feature or a child that there is not."""
        nodes = len(self.feature)
        inner = np.flatnonzero(self.feature != LEAF)
        children = np.stack([self.left, self.right], axis=1)[inner] if self.left.shape == self.right.shape else None
        whole = (
            children is not None
            and all(array.shape == (nodes,) for array in self[1:])
            and ((self.roots >= 0) & (self.roots < nodes)).all()
            and ((self.feature >= LEAF) & (self.feature < features)).all()
            and ((children > inner[:, None]) & (children < nodes)).all()
        )
        if not whole:
            raise ValueError(f"trees of {nodes} nodes and {features} features: a node names what there is not")


def from_lightgbm(dump: Mapping[str, Any]) -> Trees:
    """The trees of `lightgbm.Booster.dump_model()` whose splits are numerical."""
    nodes: list[list[Any]] = []
    roots = [_add(tree["tree_structure"], nodes) for tree in dump["tree_info"]]
    feature, left, right, value, unknown_left = zip(*nodes, strict=True) if nodes else ([],) * 5
    first, *places = (np.array(column, np.int64) for column in (roots, feature, left, right))
    return Trees(first, places[0], places[1], places[2], np.array(value, np.float64), np.array(unknown_left, np.bool_))


def _add(node: Mapping[str, Any], nodes: list[list[Any]]) -> int:
    """Appends a node and those below it; returns its place."""
    place = len(nodes)
    if "leaf_value" in node:
        nodes.append([LEAF, place, place, node["leaf_value"], False])
        return place
    threshold = float(node["threshold"])
    unknown_left = bool(node["default_left"]) if node["missing_type"] == "NaN" else threshold >= 0  # else NaN is a 0
    nodes.append([node["split_feature"], 0, 0, threshold, unknown_left])
    nodes[place][1:3] = _add(node["left_child"], nodes), _add(node["right_child"], nodes)
    return place


@kernel
def add_values(roots, feature, left, right, value, unknown_left, rows, low, high, sums):  # type: ignore[no-untyped-def]
    """Adds the values of all trees for rows[low:high] to `sums`, tree after tree as LightGBM does."""
    for n in range(low, high):
        for root in roots:
            node = root
            while feature[node] >= 0:
                x = np.float64(rows[n, feature[node]])
                down = unknown_left[node] if np.isnan(x) else x <= value[node]
                node = left[node] if down else right[node]
            sums[n] += value[node]
