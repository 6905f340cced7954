"""Clean on hand-written files: every rule catches its row, nothing is lost, nights build on each other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Encore = Callable[..., int]
Rows = Callable[..., list[dict[str, Any]]]

MOVIES = 'movieId,title,genres\n1,"Toy Story (1995)",Animation|Comedy\n2,Heat (1995),Action\n3,Ünï ☃ (2001),Drama\n'
GOOD = ["u1,1,4.0,946684800", "u1,2,3.5,946684801", "ü☃,3,0.5,946684800"]


def release(folder: Path, ratings: list[str], movies: str = MOVIES, **others: str) -> str:
    """A MovieLens csv release with these rating lines."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *ratings, ""]), encoding="utf-8")
    (folder / "movies.csv").write_text(movies, encoding="utf-8")
    headers = {"tags": "userId,movieId,tag,timestamp\n", "links": "movieId,imdbId,tmdbId\n"}
    for name, header in headers.items():
        (folder / f"{name}.csv").write_text(header + others.get(name, ""), encoding="utf-8")
    return str(folder)


def clean(encore: Encore, source: str, ds: str, share: str = "1.0") -> int:
    assert encore("import", "movielens", source, ds=ds) == 0
    assert encore("pin", ds=ds) == 0
    return encore("clean", ds=ds)


pytestmark = pytest.mark.usefixtures("lenient")

BAD = {
    "u5,1,four,946684800": ["unparsable", "value_missing"],
    "u1,1,4.0": ["unparsable", "user_id_missing", "item_id_missing", "value_missing"],
    ",1,4.0,946684800": ["user_id_missing"],
    "u1,,4.0,946684800": ["item_id_missing"],
    f"{'x' * 513},1,4.0,946684800": ["user_id_too_long"],
    "u2,1,,946684800": ["value_missing"],
    "u2,1,NaN,946684800": ["value_missing"],
    "u2,1,inf,946684800": ["value_not_finite", "value_out_of_range"],
    "u2,1,5.5,946684800": ["value_out_of_range"],
    "u2,1,-1,946684800": ["value_out_of_range"],
    "u2,1,4.0,-1": ["ts_before_first_day"],
    "u3,99,9,946771200": ["value_out_of_range", "ts_in_future", "unknown_item"],
}
EARLY = {"u2,1,4.0,946771200": ["ts_in_future"], "u2,99,4.0,946684800": ["unknown_item"]}
KNOWN = "u1,2,3.5,946684801"


def test_every_rule_catches_its_row_with_all_reasons(encore: Encore, rows: Rows, tmp_path: Path) -> None:
    ds = "2000-01-01"  # ends before 946771200
    assert clean(encore, release(tmp_path / "in", [*GOOD, *BAD, *EARLY, KNOWN]), ds) == 0
    rejected = {row["raw"]: row for row in rows("clean", "rejected", ds=ds)}
    assert {raw: sorted(row["reasons"]) for raw, row in rejected.items()} == {k: sorted(v) for k, v in BAD.items()}
    assert all(row["file"] == "ratings.csv" for row in rejected.values())
    lines = {raw: 2 + len(GOOD) + number for number, raw in enumerate(BAD)}
    assert {raw: row["line"] for raw, row in rejected.items()} == lines
    assert {row["raw"]: row["reasons"] for row in rows("clean", "held", ds=ds)} == EARLY
    kept = rows("clean", "interactions", ds=ds)
    assert sorted((row["user_id"], row["item_id"], row["value"]) for row in kept) == [
        ("u1", "1", 4.0), ("u1", "2", 3.5), ("ü☃", "3", 0.5),
    ]  # fmt: skip
    names = ("rows", "accepted", "known", "corrected", "held", "rejected")
    files = {row["path"]: tuple(row[name] for name in names) for row in rows("clean", "files", ds=ds)}
    assert files == {
        "ratings.csv": (len(GOOD) + len(BAD) + 3, len(GOOD), 1, 0, len(EARLY), len(BAD)),
        "movies.csv": (3, 3, 0, 0, 0, 0),
        "tags.csv": (0, 0, 0, 0, 0, 0), "links.csv": (0, 0, 0, 0, 0, 0),
    }  # fmt: skip


def test_an_id_of_exactly_512_bytes_is_kept(encore: Encore, rows: Rows, tmp_path: Path) -> None:
    long = "ü" * 256
    assert (
        clean(encore, release(tmp_path / "in", [f"{long},1,4.0,946684800", f"{long}x,1,4.0,946684800"]), "2000-01-01")
        == 0
    )
    assert [row["user_id"] for row in rows("clean", "interactions", ds="2000-01-01")] == [long]
    assert [row["reasons"] for row in rows("clean", "rejected", ds="2000-01-01")] == [["user_id_too_long"]]


def test_a_catalogue_gathers_tags_and_links(encore: Encore, rows: Rows, tmp_path: Path) -> None:
    source = release(
        tmp_path / "in",
        GOOD,
        tags="u1,1,pixar,1\nu2,1,fun,1\nu3,1,pixar,1\nu1,77,lost,1\n",
        links="1,0114709,862\n2,,\n",
    )
    assert clean(encore, source, "2000-01-01") == 0
    items = {row["item_id"]: row for row in rows("clean", "items", ds="2000-01-01")}
    assert items["1"]["title"] == "Toy Story (1995)"
    assert sorted(items["1"]["genres"]) == ["Animation", "Comedy"]
    assert items["1"]["tags"] == ["fun", "pixar"]
    assert items["1"]["links"] == ["imdb:0114709", "tmdb:862"]
    assert items["2"]["links"] == []
    assert all(row["available"] for row in items.values())
    held = rows("clean", "held", ds="2000-01-01")
    assert [(row["file"], row["line"], row["reasons"]) for row in held] == [("tags.csv", 5, ["unknown_item"])]


def test_too_many_rejected_rows_fail_the_task_and_are_kept(
    encore: Encore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "strict.toml").write_text("[domains.movies]\nmax_rejected_share = 0.1\n")
    monkeypatch.setenv("ENCORE_CONFIG", str(tmp_path / "strict.toml"))
    assert clean(encore, release(tmp_path / "in", [*GOOD, "u9,1,9.0,946684800"]), "2000-01-01") == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert (
        "1 of 7 rows rejected (14.3%), over max_rejected_share = 10.0%; most by the rule value_out_of_range" in message
    )
    kept = list((tmp_path / "warehouse").rglob("clean/*/rejected/*.parquet"))
    assert kept


def test_a_damaged_landing_file_is_named(encore: Encore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert encore("import", "movielens", release(tmp_path / "in", GOOD), ds="2000-01-01") == 0
    assert encore("pin", ds="2000-01-01") == 0
    victim = next(path for path in (tmp_path / "landing").rglob("*.parquet") if "interactions" in str(path))
    victim.write_bytes(victim.read_bytes()[:-20])
    assert encore("clean", ds="2000-01-01") == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert victim.name in message
    assert "import" in message
