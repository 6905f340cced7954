"""How well items that nobody has taken yet are placed: HR@10 among them, on MovieLens-1M.

    python -m benchmarks.accuracy.cold_items [--seed 0] [--validation] [--set epochs=10 …]

A tenth of the rated films is new: models learn the ratings of the others, and the catalogue of all. Each user who rated
a new film is asked for once: the last such rating is the right answer, the history is what the user rated before it
(without new films), and all new films are ranked. Settings are chosen with --validation: then as many of the other
films are new, and no rating of the test's films is read. Needs ratings_chrono_no_ts.csv, movies.dat,
movies_extrainfos.dat and posters/ in $ENCORE_DATA/movielens-1m.
"""

import argparse
import logging
import time
from pathlib import Path

import numpy as np

from benchmarks.shared.data import data_folder
from models.base import Recommender, TrainingData
from models.classic.content_knn import ContentKNN, ContentKNNConfig
from models.classic.popularity import Popularity
from models.data import Catalogue, HeldOut
from models.histories import Histories, IntArray, from_events
from models.neural.two_tower import TwoTower, TwoTowerConfig

NEW_SHARE, VALIDATION_SHARE, K = 0.1, 0.05, 10
CONTENT_KNN = ContentKNNConfig(neighbours=4_000, decay=0.8)  # the best on validation among new films: all neighbours


def load(folder: Path) -> tuple[Histories, Catalogue]:
    """All ratings as events, in each user's order, and what is known of the rated films, by item row."""
    user, movie, _, order = np.loadtxt(folder / "ratings_chrono_no_ts.csv", np.int64, delimiter=",", skiprows=1).T
    sort = np.lexsort((order, user))
    movies, items = np.unique(movie[sort], return_inverse=True)
    users = np.unique(user[sort], return_inverse=True)[1]
    n_users = int(users.max()) + 1
    ones = np.ones(len(users), np.float32)
    histories = from_events(users, items.astype(np.int64), ones, None, n_users, len(movies))
    lines = (folder / "movies.dat").read_text("latin-1").splitlines()
    films = {int(f[0]): f for f in (line.split("::") for line in lines)}
    lines = (folder / "movies_extrainfos.dat").read_text("latin-1").splitlines()
    plots = {int(f[0]): f[-2] for f in (line.split("::") for line in lines) if f[0].isdigit() and len(f) > 2}
    posters = [folder / "posters" / f"{movie}.jpg" for movie in movies]
    return histories, Catalogue(
        [films[movie][1] for movie in movies],
        [plots.get(movie, "") for movie in movies],
        [tuple(films[movie][2].split("|")) for movie in movies],
        [()] * len(movies),
        [str(poster) if poster.exists() else "" for poster in posters],
    )


def new_films(n_items: int, seed: int) -> tuple[IntArray, IntArray]:
    """Those of the test, and as many others for validation; sorted."""
    random = np.random.default_rng(seed)
    share = round(NEW_SHARE * n_items)
    new = np.sort(random.choice(n_items, share, replace=False))
    return new, np.sort(random.choice(np.setdiff1d(np.arange(n_items), new), share, replace=False))


def hide_items(histories: Histories, new: IntArray) -> tuple[Histories, Histories, IntArray]:
    """The events about other items than `new`; of each user with an event about one the history before the last such
    event, without new items; and that event's item."""
    cold = np.isin(histories.items, new)
    users = histories.users
    warm = _kept(histories, ~cold)
    last = np.full(histories.n_users, -1)
    last[users[cold]] = np.flatnonzero(cold)  # the later ones overwrite
    asked = np.flatnonzero(last >= 0)
    earlier = ~cold & (np.arange(len(users)) < last[users])
    known = _kept(histories, earlier)
    asked = asked[np.diff(known.indptr)[asked] > 0]
    return warm, known.take(asked), histories.items[last[asked]]


def _kept(histories: Histories, keep: np.ndarray) -> Histories:
    columns = (histories.users, histories.items, histories.values)
    users, items, values = (column[keep] for column in columns)
    return from_events(users, items, values, None, histories.n_users, histories.n_items)


def leave_last_out(warm: Histories, share: float, seed: int) -> tuple[Histories, HeldOut]:
    """For early stopping: the last events of some users, taken out of what is learned."""
    chosen = np.random.default_rng(seed).random(warm.n_users) < share
    chosen &= np.diff(warm.indptr) > 1
    keep = np.ones(len(warm.items), bool)
    last = warm.indptr[1:][chosen] - 1
    keep[last] = False
    train = _kept(warm, keep)
    users = np.flatnonzero(chosen)
    after = _kept(warm, ~keep).take(users).matrix()
    history = train.take(users)
    after = after - after.multiply(history.matrix())
    after.eliminate_zeros()
    some = np.flatnonzero(np.diff(after.indptr))
    return train, HeldOut(users[some], history.take(some), after[some])


def hit_rate(model: Recommender, histories: Histories, answers: IntArray, new: IntArray) -> float:
    """Share of the users whose answer is among the K best new items; equal ones in an order of their own."""
    eligible = np.zeros(histories.n_items, bool)
    eligible[new] = True
    top = model.recommend(histories, K, eligible=eligible)
    return float((top.items == answers[:, None]).any(axis=1).mean())


def main() -> None:
    """Prints a row for each model."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--validation", action="store_true", help="new films of their own, to choose settings by")
    parser.add_argument("--set", nargs="*", default=[], help="settings of TwoTowerConfig, as epochs=10")
    args = parser.parse_args()
    given = dict(text.split("=") for text in args.set)
    defaults = TwoTowerConfig()
    config = TwoTowerConfig(**{name: type(getattr(defaults, name))(value) for name, value in given.items()})
    histories, catalogue = load(data_folder("movielens-1m"))
    new, others = new_films(histories.n_items, args.seed)
    if args.validation:
        histories, new = hide_items(histories, new)[0], others
    warm, asked, answers = hide_items(histories, new)
    train, validation = leave_last_out(warm, VALIDATION_SHARE, args.seed)
    print(f"{len(new)} new films of {histories.n_items}, {len(answers)} users asked; random {K / len(new):.4f}")
    for model in (Popularity(), ContentKNN(CONTENT_KNN), TwoTower(config)):
        started = time.perf_counter()
        model.fit(TrainingData(train, catalogue, validation, args.seed))
        seconds = time.perf_counter() - started
        result = hit_rate(model, asked, answers, new)
        print(f"{model.name:12} HR@{K} {result:.4f}  {seconds:.0f} s  {model.config}", flush=True)


if __name__ == "__main__":
    main()
