"""MovieLens: every layout against a handful of lines whose answer is visible."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import InputError
from jobs.sources.movielens import readings

RATINGS = "userId,movieId,rating,timestamp\r\n"
TIME = datetime(2000, 7, 30, 18, 45, 3, tzinfo=UTC)


def values(row: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def test_a_rating_is_an_interaction(folder: Any, read: Any) -> None:
    (row,) = read(readings, folder({"ratings.csv": RATINGS + "1,31,4.5,964982703\r\n"}))["ratings.csv"]
    assert values(row, "user_id", "item_id", "kind", "value", "ts") == ("1", "31", "rating", 4.5, TIME)
    assert values(row, "raw", "file", "line", "unparsable") == ("1,31,4.5,964982703", "ratings.csv", 2, [])


def test_a_movie_is_an_item_released_in_the_year_of_its_title(folder: Any, read: Any) -> None:
    text = '''movieId,title,genres
1,Toy Story (1995),Adventure|Animation
11,"American President, The (1995)",Comedy
2,"He said ""hi""",(no genres listed)
'''
    one, eleven, two = read(readings, folder({"movies.csv": text}))["movies.csv"]
    columns = ("item_id", "title", "genres", "released", "available", "line")
    assert values(one, *columns) == ("1", "Toy Story (1995)", ["Adventure", "Animation"], date(1995, 1, 1), True, 2)
    assert values(eleven, *columns[:3]) == ("11", "American President, The (1995)", ["Comedy"])
    assert values(two, *columns) == ("2", 'He said "hi"', [], None, True, 4)
    assert two["raw"] == '2,"He said ""hi""",(no genres listed)'


def test_tags_and_links_are_annotations(folder: Any, read: Any) -> None:
    tags = 'userId,movieId,tag,timestamp\n2,60756,funny,1445714994\n2,7,"one, two",1\n'
    links = "movieId,imdbId,tmdbId\n1,0114709,862\n2,0113497,\n3,,\n"
    result = read(readings, folder({"tags.csv": tags, "links.csv": links}))
    assert [values(row, "item_id", "tags", "links") for row in result["tags.csv"]] == [
        ("60756", ["funny"], None),
        ("7", ["one, two"], None),
    ]
    assert [values(row, "item_id", "tags", "links") for row in result["links.csv"]] == [
        ("1", None, ["imdb:0114709", "tmdb:862"]),
        ("2", None, ["imdb:0113497"]),
        ("3", None, None),
    ]


def test_what_cannot_be_read_is_null_and_named(folder: Any, read: Any) -> None:
    lines = ["1,2,four,964982703", "1,2,,964982703", ",2,nan,soon", "1,2,3", "1,2,3,4,5", "", '1,"2,3,4', "ü,2,-inf,5"]
    rows = read(readings, folder({"ratings.csv": RATINGS + "\n".join(lines)}))["ratings.csv"]
    every = ["user_id", "item_id", "value", "ts"]
    assert [row["unparsable"] for row in rows] == [["value"], [], ["ts"], every, every, every, []]
    assert [row["raw"] for row in rows] == [line for line in lines if line]
    assert [row["line"] for row in rows] == [2, 3, 4, 5, 6, 8, 9]
    assert [row["user_id"] for row in rows] == ["1", "1", None, None, None, None, "ü"]
    assert rows[2]["value"] is None
    assert rows[6]["value"] == float("-inf")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"other.csv": "a"}, r"no file of a MovieLens release here .* it holds: other\.csv"),
        ({"ratings.csv": "userId,rating,timestamp\n1,2,3\n"}, "no column 'movieId'; it has: userId,rating,timestamp"),
        ({"ratings.csv": "userId;movieId;rating;timestamp\n"}, "wrong delimiter: .* has ';'"),
        ({"ratings.csv": "userId\tmovieId\trating\ttimestamp\n"}, r"wrong delimiter: .* has '\\t'"),
        (
            {"movies.csv": "movieId,title,genres\n1,Am\u00e9lie,x\n".encode("latin-1")},
            "line 2: byte 5 .* 0xe9.*--encoding",
        ),
        ({"movies.csv": "movieId,title,genres\n".encode("utf-16-le")}, "line 1: .*--encoding utf-16-le"),
    ],
)
def test_wrong_files_are_named_with_rule_and_fix(folder: Any, read: Any, files: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(readings, folder(files))


def test_latest_small(real: Callable[[str], Path], read: Any) -> None:
    result = read(readings, real("movielens-latest-small"))
    assert {file: len(rows) for file, rows in result.items()} == {
        "ratings.csv": 100_836,
        "movies.csv": 9_742,
        "tags.csv": 3_683,
        "links.csv": 9_742,
    }
    assert all(row["unparsable"] == [] for rows in result.values() for row in rows)
    assert len({row["user_id"] for row in result["ratings.csv"]}) == 610
    assert len({row["item_id"] for row in result["ratings.csv"]}) == 9_724
    assert sum(row["released"] is None for row in result["movies.csv"]) == 13


def test_100k(folder: Any, read: Any) -> None:
    flags = "|".join("1" if n in (3, 5) else "0" for n in range(19))
    files = {
        "u.data": "196\t242\t3\t881250949\n",
        "u.item": f'1|"Mis\u00e9rables" (1995)|01-Jan-1995||http://x|{flags}\n'.encode("latin-1"),
        "u.user": "1|24|M|technician|85711\n2|old|F|other|94043\n",
    }
    result = read(readings, folder(files))
    rated = [values(row, "user_id", "item_id", "kind", "value", "line") for row in result["u.data"]]
    assert rated == [("196", "242", "rating", 3.0, 1)]
    (item,) = result["u.item"]
    assert values(item, "title", "genres", "released") == (
        '"Mis\u00e9rables" (1995)',
        ["Animation", "Comedy"],
        date(1995, 1, 1),
    )
    assert [values(row, "user_id", "age", "segment", "unparsable") for row in result["u.user"]] == [
        ("1", 24, "technician", []),
        ("2", None, "other", []),
    ]


def test_1m(folder: Any, read: Any) -> None:
    files = {
        "ratings.dat": "1::1193::5::978300760\n",
        "movies.dat": "1::Mis\u00e9rables (1995)::Animation|Children's\n".encode("latin-1"),
        "users.dat": "1::F::1::10::48067\n2::M::56::99::70072\n",
    }
    result = read(readings, folder(files))
    assert [values(row, "user_id", "item_id", "value") for row in result["ratings.dat"]] == [("1", "1193", 5.0)]
    (item,) = result["movies.dat"]
    assert values(item, "title", "genres", "released") == (
        "Mis\u00e9rables (1995)",
        ["Animation", "Children's"],
        date(1995, 1, 1),
    )
    assert [values(row, "user_id", "age", "segment", "unparsable") for row in result["users.dat"]] == [
        ("1", 1, "K-12 student", []),
        ("2", 56, None, []),
    ]


def test_10m_is_like_1m_in_utf_8(folder: Any, read: Any) -> None:
    files = {
        "ratings.dat": "1::122::4.5::838985046\n",
        "movies.dat": "1::Mis\u00e9rables (1995)::Drama\n",
        "tags.dat": "15::4973::excellent!::1215184630\n",
    }
    result = read(readings, folder(files))
    assert result["movies.dat"][0]["title"] == "Mis\u00e9rables (1995)"
    assert values(result["tags.dat"][0], "item_id", "tags") == ("4973", ["excellent!"])
    assert result["ratings.dat"][0]["value"] == 4.5


def test_real_100k(real: Callable[[str], Path], read: Any) -> None:
    result = read(readings, real("movielens-100k"))
    assert {file: len(rows) for file, rows in result.items()} == {"u.data": 100_000, "u.item": 1_682, "u.user": 943}
    assert all(row["unparsable"] == [] for rows in result.values() for row in rows)
    assert all(row["genres"] for row in result["u.item"])


def test_real_1m(real: Callable[[str], Path], read: Any) -> None:
    result = read(readings, real("movielens-1m"))
    assert {file: len(rows) for file, rows in result.items()} == {"movies.dat": 3_883, "users.dat": 6_040}
    assert all(row["unparsable"] == [] and row["released"] for row in result["movies.dat"])
    assert all(row["unparsable"] == [] and row["segment"] for row in result["users.dat"])
