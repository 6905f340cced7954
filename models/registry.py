"""The recommenders by name."""

from collections.abc import Mapping

from models.base import Recommender
from models.item_knn import ItemKNN
from models.popularity import Popularity

REGISTRY: Mapping[str, type[Recommender]] = {model.name: model for model in (Popularity, ItemKNN)}
