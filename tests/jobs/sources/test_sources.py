"""Last.fm, Steam and IMDb: a handful of lines each, then the real files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import InputError
from jobs.sources import imdb, lastfm, steam


def values(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def test_lastfm(folder: Any, read: Any) -> None:
    files = {
        "user_artists.dat": "userID\tartistID\tweight\r\n2\t51\t13883\r\n2\t52\tmany\r\n",
        "artists.dat": 'id\tname\turl\tpictureURL\n51\tDuran "D" Duran\thttp://x\t\n',
        "tags.dat": "tagID\ttagValue\r\n1\tcaf\u00e9\r\n".encode("latin-1"),
        "user_taggedartists.dat": "userID\tartistID\ttagID\tday\tmonth\tyear\r\n2\t51\t1\t1\t4\t9\n2\t51\t9\t1\t4\t9\n",
        "user_friends.dat": "userID\tfriendID\n2\t275\n",
    }
    result = read(lastfm.readings, folder(files))
    assert sorted(result) == ["artists.dat", "user_artists.dat", "user_taggedartists.dat"]
    assert values(result["user_artists.dat"], "user_id", "item_id", "kind", "value", "ts", "ordinal", "unparsable") == [
        ("2", "51", "play", 13883.0, None, None, []),
        ("2", "52", "play", None, None, None, ["value"]),
    ]
    assert values(result["artists.dat"], "item_id", "title", "available") == [("51", 'Duran "D" Duran', True)]
    assert values(result["user_taggedartists.dat"], "item_id", "tags", "unparsable") == [
        ("51", ["café"], []),
        ("51", None, []),
    ]


def test_steam(folder: Any, read: Any) -> None:
    files = {
        "game_play.dat": "User_ID\tGame_ID\tHours\n1\t1\t273.0\n",
        "game_purchase.dat": "User_ID\tGame_ID\tPurchase\n1\t2\t1.0\n",
        "item_info.dat": "Game_ID\tGame Name\n1\tThe Elder Scrolls V Skyrim\n",
    }
    result = read(steam.readings, folder(files))
    own = ("user_id", "item_id", "kind", "value", "ts", "unparsable")
    assert values(result["game_play.dat"], *own) == [("1", "1", "play", 273.0, None, [])]
    assert values(result["game_purchase.dat"], *own) == [("1", "2", "purchase", None, None, [])]
    assert values(result["item_info.dat"], "item_id", "title") == [("1", "The Elder Scrolls V Skyrim")]


def review(**other: Any) -> str:
    return json.dumps(
        {"split": "test", "label": "pos", "idx": 0, "rating": 9, "imdb_id": "tt0114709", "text": "Fine."} | other
    )


def test_imdb(folder: Any, read: Any) -> None:
    lines = [review(), review(split="train", label="neg", rating=1, imdb_id=""), review(label="unknown")]
    (rows,) = read(imdb.readings, folder({"labeled.jsonl.gz": "\n".join(lines)})).values()
    assert values(rows, "review_id", "item_link", "item_id", "text", "rating", "sentiment", "unparsable") == [
        ("test-1", "imdb:0114709", None, "Fine.", 9.0, 1.0, []),
        ("train-2", None, None, "Fine.", 1.0, 0.0, []),
        ("test-3", "imdb:0114709", None, "Fine.", 9.0, None, []),
    ]


@pytest.mark.parametrize("source", [lastfm, steam, imdb])
def test_a_folder_without_its_files(folder: Any, read: Any, source: Any) -> None:
    with pytest.raises(InputError, match=r"no file of .* here .*; it holds: notes\.txt"):
        read(source.readings, folder({"notes.txt": "x"}))


def test_lastfm_needs_the_names_of_tags(folder: Any, read: Any) -> None:
    with pytest.raises(InputError, match=r"tags\.dat: there is no such file"):
        read(lastfm.readings, folder({"user_taggedartists.dat": "userID\tartistID\ttagID\n"}))


def test_real_lastfm(real: Callable[[str], Path], read: Any) -> None:
    result = read(lastfm.readings, real("lastfm-hetrec2011"))
    assert {file: len(rows) for file, rows in result.items()} == {"user_artists.dat": 92_834, "artists.dat": 17_632}
    assert len({row["user_id"] for row in result["user_artists.dat"]}) == 1_892
    assert len({row["item_id"] for row in result["user_artists.dat"]}) == 17_632
    assert all(row["unparsable"] == [] for rows in result.values() for row in rows)


def test_real_steam(real: Callable[[str], Path], read: Any) -> None:
    result = read(steam.readings, real("steam-200k"))
    counts = {"game_play.dat": 70_489, "game_purchase.dat": 129_511, "item_info.dat": 5_155}
    assert {file: len(rows) for file, rows in result.items()} == counts
    users = {row["user_id"] for file in ("game_play.dat", "game_purchase.dat") for row in result[file]}
    assert len(users) == 12_393
    assert all(row["unparsable"] == [] for rows in result.values() for row in rows)


@pytest.mark.slow
def test_real_imdb(real: Callable[[str], Path], read: Any) -> None:
    (rows,) = read(imdb.readings, real("imdb-reviews")).values()
    assert len({row["review_id"] for row in rows}) == len(rows) == 50_000
    splits = [(row["review_id"].split("-")[0], row["sentiment"]) for row in rows]
    assert {pair: splits.count(pair) for pair in set(splits)} == {
        (split, sentiment): 12_500 for split in ("train", "test") for sentiment in (0.0, 1.0)
    }
    assert all(row["unparsable"] == [] and row["item_link"].startswith("imdb:") for row in rows)
