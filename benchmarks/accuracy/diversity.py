"""What diversity costs: NDCG@10 and intra-list diversity of the lists that are served, for several λ.

    python -m benchmarks.accuracy.diversity --measurement docs/measurements/diversity.json

On MovieLens with genres, split by time: the newest tenth of the ratings is the test, and the users who have new items
in it are judged. Prints the table of docs/recommendations.md.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.shared.data import data_folder
from benchmarks.shared.measurement import Table, markdown, measured_now, write
from jobs.learning.arrays import held_out
from models.base import Recommender, TrainingData
from models.classic.content_knn import ContentKNN
from models.classic.item_knn import ItemKNN
from models.classic.popularity import Popularity
from models.data import Catalogue, HeldOut
from models.evaluation.beyond_accuracy import describe_items, diversity
from models.histories import Histories, from_events
from models.serving.lists import Serving, popular_by_segment

LAMBDAS = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.3)
TEST_SHARE, K = 0.1, 10
MICROSECONDS = 1_000_000


def latest_small(folder: Path) -> tuple[pd.DataFrame, dict[int, tuple[str, ...]]]:
    """Ratings (user, item, ts) and genres by item of movielens-latest-small."""
    ratings = pd.read_csv(folder / "ratings.csv").set_axis(["user", "item", "rating", "ts"], axis=1)
    movies = pd.read_csv(folder / "movies.csv")
    kinds = {row.movieId: tuple(str(row.genres).split("|")) for row in movies.itertuples()}
    return ratings, {item: () if names == ("(no genres listed)",) else names for item, names in kinds.items()}


def hundred_k(folder: Path) -> tuple[pd.DataFrame, dict[int, tuple[str, ...]]]:
    """Reads ratings (user, item, ts) and genres by item of movielens-100k."""
    ratings = pd.read_csv(folder / "u.data", sep="\t", names=["user", "item", "rating", "ts"])
    movies = pd.read_csv(folder / "u.item", sep="|", header=None, encoding="latin-1")
    marks = movies.iloc[:, 5:].to_numpy() == 1
    names = np.array([f"genre {n}" for n in range(marks.shape[1])])
    return ratings, {int(item): tuple(names[row]) for item, row in zip(movies[0], marks, strict=True)}


SETS = {"movielens-latest-small": latest_small, "movielens-100k": hundred_k}


def split(ratings: pd.DataFrame, n_items: int) -> tuple[Histories, HeldOut]:
    """Training events, and the test."""
    ratings = ratings.sort_values(["user", "ts", "item"], kind="stable")
    users = np.unique(ratings["user"], return_inverse=True)[1]
    border = np.sort(ratings["ts"])[int(len(ratings) * (1 - TEST_SHARE))]

    def events(part: npt.NDArray[np.bool_]) -> Histories:
        times = ratings["ts"].to_numpy()[part] * MICROSECONDS
        ones = np.ones(int(part.sum()), np.float32)
        return from_events(users[part], ratings["row"].to_numpy()[part], ones, times, users.max() + 1, n_items)

    late = ratings["ts"].to_numpy() >= border
    return events(~late), held_out(events(~late), events(late))


def ndcg(items: npt.NDArray[np.int64], test: HeldOut) -> float:
    """Mean NDCG@K over the held-out users (Järvelin, Kekäläinen 2002)."""
    gains = 1 / np.log2(np.arange(2, K + 2))
    hits = np.take_along_axis(test.relevant.toarray() > 0, np.maximum(items, 0), axis=1) & (items >= 0)
    ideal = np.cumsum(gains)[np.minimum(np.diff(test.relevant.indptr), K) - 1]
    return float(((hits * gains).sum(axis=1) / ideal).mean())


def rows() -> Iterator[dict[str, Any]]:
    """Data set, model, λ, NDCG and diversity."""
    for name, load in SETS.items():
        ratings, kinds = load(data_folder(name))
        ids, ratings["row"] = np.unique(ratings["item"], return_inverse=True)
        nothing = [""] * len(ids)
        genres = [kinds.get(int(item), ()) for item in ids]
        items = Catalogue(nothing, nothing, genres, [()] * len(ids), nothing)
        train, test = split(ratings, len(ids))
        data = TrainingData(train, items)
        content = ContentKNN().fit(data)
        for model in (Popularity().fit(data), ItemKNN().fit(data)):
            for lam in LAMBDAS:
                yield {
                    "data": name,
                    "model": model.name,
                    "lambda": lam,
                    **judge(train, test, items, model, content, lam),
                }


def judge(
    train: Histories, test: HeldOut, items: Catalogue, model: Recommender, content: Recommender, lam: float
) -> dict[str, float]:
    """What lists with this λ are worth."""
    known, nobody = describe_items(train, items), np.zeros(train.n_users, np.int64)
    everything = np.ones((1, train.n_items), bool)
    lists = Serving(
        nobody, popular_by_segment(train, nobody, 1), nobody, everything, known.cold, known.kinds, lambda: content, lam
    )
    result = lists.lists(model, test.histories, test.users, K).items
    varied = float(np.nanmean(diversity(result, known)))
    return {"ndcg@10": round(ndcg(result, test), 4), "diversity@10": round(varied, 4), "users": len(test.users)}


def main() -> None:
    """Prints the table, and writes its rows as JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measurement", metavar="FILE", type=Path, help="JSON for docs/measurements")
    args = parser.parse_args()
    result = [[row[name] for name in ("data", "model", "lambda", "ndcg@10", "diversity@10")] for row in rows()]
    caption = "MovieLens, split by time, the newest tenth is the test. λ = 1: no re-rank."
    table = Table(caption, ("data", "model", "λ", "NDCG@10", "diversity@10"), result)
    print("\n".join(markdown(table)))
    if args.measurement:
        command = "python -m benchmarks.accuracy.diversity"
        write(measured_now("What diversity costs", [command], [table]), args.measurement)


if __name__ == "__main__":
    main()
