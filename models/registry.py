"""Registry of the recommenders by name, simplest first. A model is imported when asked for: Keras takes ten seconds."""

from collections.abc import Iterator, Mapping
from importlib import import_module

from models.base import Recommender


class Registry(Mapping[str, type[Recommender]]):
    """name → class, from name → "module:Class"."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self.places = places

    def __getitem__(self, name: str) -> type[Recommender]:
        """Imports the model. Raises KeyError for a name that there is not."""
        module, _, model = self.places[name].partition(":")
        loaded: type[Recommender] = getattr(import_module(module), model)
        return loaded

    def __contains__(self, name: object) -> bool:
        """Imports nothing."""
        return name in self.places

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self.places)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.places)


REGISTRY = Registry(
    {
        "popularity": "models.classic.popularity:Popularity",
        "item_knn": "models.classic.item_knn:ItemKNN",
        "user_knn": "models.classic.user_knn:UserKNN",
        "content_knn": "models.classic.content_knn:ContentKNN",
        "hybrid_knn": "models.classic.hybrid_knn:HybridKNN",
        "ease": "models.classic.ease:Ease",
        "ncf": "models.neural.ncf:NCF",
        "lstm": "models.neural.lstm:LSTM",
        "sasrec": "models.neural.sasrec:SASRec",
        "two_tower": "models.neural.two_tower:TwoTower",
        "seq2seq": "models.neural.seq2seq:Seq2Seq",
        "ensemble": "models.classic.ensemble:Ensemble",
    }
)
