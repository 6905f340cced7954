"""MovieLens (GroupLens; Harper and Konstan 2015) in the layouts of all its releases, told apart by their files."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from jobs.errors import InputError
from jobs.sources.cells import lists
from jobs.sources.cells.fields import Field, age, day, flags, identity, look_up_name, moment, number, parts, text
from jobs.sources.cells.scalars import Parsed
from jobs.sources.delimited import Delimited
from jobs.sources.folder import Folder
from jobs.sources.options import Options
from jobs.sources.reading import Reading

CSV = Delimited(",")


def year_of_title(titles: pa.Array) -> Parsed:
    """The first of January of the year that ends a title, as in `Toy Story (1995)`."""
    year = pc.struct_field(pc.extract_regex(titles, r"\((?P<year>[12]\d{3})\)\s*$"), "year")
    return pc.binary_join_element_wise(year, "01-01", "-").cast(pa.date32()), None


RATING = {
    "user_id": identity("userId"),
    "item_id": identity("movieId"),
    "value": number("rating"),
    "ts": moment("timestamp", "seconds"),
}
MOVIE = {
    "item_id": identity("movieId"),
    "title": text("title"),
    "genres": parts("genres", "|", none="(no genres listed)"),
    "released": Field(year_of_title, ("title",)),
}
TAG = {"item_id": identity("movieId"), "tags": parts("tag")}
LINKS = Field(partial(lists.links, names=("imdb", "tmdb")), ("imdbId", "tmdbId"))

# latest, latest-small, 20M, 25M, 32M: csv with headers, UTF-8
RELEASE = (
    Reading("ratings.csv", "interactions", CSV, RATING, {"kind": "rating"}),
    Reading("movies.csv", "items", CSV, MOVIE, {"available": True}),
    Reading("tags.csv", "annotations", CSV, TAG),
    Reading("links.csv", "annotations", CSV, {"item_id": identity("movieId"), "links": LINKS}),
)

# 1M: no headers, latin-1; 10M is the same in UTF-8, with tags and without users
OCCUPATIONS = (
    *("other", "educator", "artist", "clerical", "student", "customer service", "health care", "executive", "farmer"),
    *("homemaker", "K-12 student", "lawyer", "programmer", "retired", "sales", "scientist", "self-employed"),
    *("engineer", "craftsman", "unemployed", "writer"),
)
COLONS = partial(Delimited, "::", encoding="latin-1", quote="")
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
            "user_id": identity("userId"),
            "age": age("age"),
            "segment": look_up_name("occupation", dict(enumerate(OCCUPATIONS))),
        },
    ),
)

# 100k: tabs and bars, no headers, latin-1
GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children", "Comedy", "Crime", "Documentary", "Drama", "Fantasy"),
    *("Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
BARS = partial(Delimited, "|", encoding="latin-1", quote="")
HUNDRED = (
    Reading(
        "u.data",
        "interactions",
        Delimited("\t", ("userId", "movieId", "rating", "timestamp"), quote=""),
        RATING,
        {"kind": "rating"},
    ),
    Reading(
        "u.item",
        "items",
        BARS(("movieId", "title", "released", "video", "url", *GENRES)),
        {
            "item_id": identity("movieId"),
            "title": text("title"),
            "released": day("released", "iso"),
            "genres": flags(GENRES),
        },
        {"available": True},
    ),
    Reading(
        "u.user",
        "users",
        BARS(("userId", "age", "gender", "occupation", "zip")),
        {"user_id": identity("userId"), "age": age("age"), "segment": text("occupation")},
    ),
)


def readings(folder: Folder, options: Options) -> list[Reading]:
    """The files of one release that the folder has; any of them may be missing, as in a day's increment."""
    for release in (RELEASE, MILLION, HUNDRED):
        if result := [reading for reading in release if reading.file in folder.names]:
            is_10m = release is MILLION and "users.dat" not in folder.names
            return [_in_utf8(reading) for reading in result] if is_10m else result
    raise InputError(
        f"{folder.path}: no file of a MovieLens release here ({_files(RELEASE)}; or {_files(MILLION)}; or "
        f"{_files(HUNDRED)}); it holds: {folder.listing}"
    )


def _in_utf8(reading: Reading) -> Reading:
    assert isinstance(reading.form, Delimited)
    return replace(reading, form=replace(reading.form, encoding="utf-8"))


def _files(release: Sequence[Reading]) -> str:
    return ", ".join(reading.file for reading in release)
