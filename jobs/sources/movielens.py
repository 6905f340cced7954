"""MovieLens (GroupLens; Harper and Konstan 2015) in the layouts of all its releases, told apart by their files."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from jobs.errors import InputError
from jobs.sources import cells
from jobs.sources.delimited import Delimited
from jobs.sources.folder import Folder
from jobs.sources.reading import Field, Options, Reading, flags, integer, moment, named, number, parts, text

CSV = Delimited(",")
RATING = {"user_id": text("userId"), "item_id": text("movieId"), "value": number("rating"), "ts": moment("timestamp")}
MOVIE = {
    "item_id": text("movieId"),
    "title": text("title"),
    "genres": parts("genres", "|", none="(no genres listed)"),
    "released": Field(cells.year_of_title, ("title",)),
}
TAG = {"item_id": text("movieId"), "tags": parts("tag", cells.LIST)}
LINKS = Field(partial(cells.links, names=("imdb", "tmdb")), ("imdbId", "tmdbId"))

# latest, latest-small, 20M, 25M, 32M: csv with headers, UTF-8
RELEASE = (
    Reading("ratings.csv", "interactions", CSV, RATING, {"kind": "rating"}),
    Reading("movies.csv", "items", CSV, MOVIE, {"available": True}),
    Reading("tags.csv", "annotations", CSV, TAG),
    Reading("links.csv", "annotations", CSV, {"item_id": text("movieId"), "links": LINKS}),
)

# 1M: no headers, latin-1; 10M is the same in UTF-8, with tags and without users
OCCUPATIONS = (
    *("other", "educator", "artist", "clerical", "student", "customer service", "health care", "executive", "farmer"),
    *("homemaker", "K-12 student", "lawyer", "programmer", "retired", "sales", "scientist", "self-employed"),
    *("engineer", "craftsman", "unemployed", "writer"),
)
COLONS = partial(Delimited, "::", encoding="latin-1", quoted=False)
MILLION = (
    Reading(
        "ratings.dat", "interactions", COLONS(("userId", "movieId", "rating", "timestamp")), RATING, {"kind": "rating"}
    ),
    Reading("movies.dat", "items", COLONS(("movieId", "title", "genres")), MOVIE, {"available": True}),
    Reading("tags.dat", "annotations", COLONS(("userId", "movieId", "tag", "timestamp")), TAG),
    Reading(
        "users.dat",
        "users",
        COLONS(("userId", "gender", "age", "occupation", "zip")),
        {
            "user_id": text("userId"),
            "age": integer("age"),
            "segment": named("occupation", dict(enumerate(OCCUPATIONS))),
        },
    ),
)

# 100k: tabs and bars, no headers, latin-1
GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children", "Comedy", "Crime", "Documentary", "Drama", "Fantasy"),
    *("Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
BARS = partial(Delimited, "|", encoding="latin-1", quoted=False)
HUNDRED = (
    Reading(
        "u.data",
        "interactions",
        Delimited("\t", ("userId", "movieId", "rating", "timestamp"), quoted=False),
        RATING,
        {"kind": "rating"},
    ),
    Reading(
        "u.item",
        "items",
        BARS(("movieId", "title", "released", "video", "url", *GENRES)),
        {
            "item_id": text("movieId"),
            "title": text("title"),
            "released": Field(cells.day, ("released",)),
            "genres": flags(GENRES),
        },
        {"available": True},
    ),
    Reading(
        "u.user",
        "users",
        BARS(("userId", "age", "gender", "occupation", "zip")),
        {"user_id": text("userId"), "age": integer("age"), "segment": text("occupation")},
    ),
)


def readings(folder: Folder, options: Options) -> list[Reading]:
    """The files of one release that the folder has; any of them may be missing, as in a day's increment."""
    for release in (RELEASE, MILLION, HUNDRED):
        if found := [reading for reading in release if reading.file in folder.names]:
            is_10m = release is MILLION and "users.dat" not in folder.names
            return [_in_utf8(reading) for reading in found] if is_10m else found
    raise InputError(
        f"{folder.path}: no file of a MovieLens release here ({_files(RELEASE)}; or {_files(MILLION)}; or "
        f"{_files(HUNDRED)}); it holds: {folder.listing}"
    )


def _in_utf8(reading: Reading) -> Reading:
    assert isinstance(reading.form, Delimited)
    return replace(reading, form=replace(reading.form, encoding="utf-8"))


def _files(release: Sequence[Reading]) -> str:
    return ", ".join(reading.file for reading in release)
