"""MovieLens-1M as SASRec and BERT4Rec used it (`ml-1m.txt`), leave-last-out, with what is known of its films.

The file numbers its items anew. A film is found again by who rated it: for every item, the number of ratings of each of
its users is the same multiset in the full ratings, and no two films share one.
"""

from collections import defaultdict

import numpy as np
import numpy.typing as npt

from benchmarks.shared import splits
from benchmarks.shared.data import data_folder
from models.data import Catalogue, HeldOut
from models.histories import Histories

NAME = "movielens-1m"
LEAST = 5  # ratings that a film must have to be in the file
Array = npt.NDArray[np.int64]


def leave_last_out() -> tuple[Histories, HeldOut, HeldOut]:
    """What to learn, validation and test (see `benchmarks.shared.splits`)."""
    return splits.leave_last_out(*events())


def events() -> tuple[Array, Array]:
    """Users and items from 0, in the order of the file."""
    user, item = np.loadtxt(data_folder(NAME) / "ml-1m.txt", np.int64, unpack=True)
    return user - 1, item - 1


def catalogue() -> Catalogue:
    """Title, plot, genres and poster of every item row of `ml-1m.txt`."""
    films = {int(fields[0]): fields for fields in lines("movies.dat")}
    plots = {int(fields[0]): fields[-2] for fields in lines("movies_extrainfos.dat") if fields[0].isdigit()}
    movies = movie_of_item()
    posters = [data_folder(NAME) / "posters" / f"{movie}.jpg" for movie in movies]
    return Catalogue(
        [films[movie][1] for movie in movies],
        [plots.get(movie, "") for movie in movies],
        [tuple(films[movie][2].split("|")) for movie in movies],
        [()] * len(movies),
        [str(poster) if poster.exists() else "" for poster in posters],
    )


def movie_of_item() -> list[int]:
    """The film's number in the full ratings for every item row. Raises ValueError where it is not certain."""
    full = np.loadtxt(
        data_folder(NAME) / "ratings_chrono_no_ts.csv", np.int64, delimiter=",", skiprows=1, usecols=(0, 1)
    )
    kept = full[np.bincount(full[:, 1])[full[:, 1]] >= LEAST]
    movies = defaultdict(list)
    for movie, raters in raters_by_item(kept[:, 0], kept[:, 1]).items():
        movies[raters].append(movie)
    result = [movies[raters] for _, raters in sorted(raters_by_item(*events()).items())]
    if any(len(candidates) != 1 for candidates in result):
        raise ValueError(f"{data_folder(NAME)}: ml-1m.txt and ratings_chrono_no_ts.csv do not hold the same ratings")
    return [movie for (movie,) in result]


def raters_by_item(user: Array, item: Array) -> dict[int, bytes]:
    """For every item the sorted numbers of ratings that its users gave."""
    activity = np.bincount(user)[user]
    order = np.lexsort((activity, item))
    items, first = np.unique(item[order], return_index=True)
    parts = np.split(activity[order], first[1:])
    return {int(one): part.tobytes() for one, part in zip(items, parts, strict=True)}


def lines(name: str) -> list[list[str]]:
    """The fields of a `::` file."""
    return [line.split("::") for line in (data_folder(NAME) / name).read_text("latin-1").splitlines()]
