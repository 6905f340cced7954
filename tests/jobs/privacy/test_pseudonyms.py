"""Pseudonyms: what is hashed, which keys are refused, and that no planted id is in any file after an import."""

import hashlib
import hmac
import json
import os
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from jobs.cli import main
from jobs.privacy.ids import Ids, sha256
from jobs.privacy.keys import read_state
from jobs.privacy.pseudonyms import DIGITS, WITHHELD, Chain, is_invisible, rename, version
from jobs.privacy.scan import scan
from jobs.settings import Settings
from jobs.storage.deliveries import deliveries
from schemas.ids import ID_BYTES, says_nothing
from tests.support.fakes import DS
from tests.support.nights import tree
from tests.support.planted_users import LONG, ODD, SHORT, USERS, import_users, places_of_users
from tests.support.pseudonyms import KEYS, ONE, TWO, switch_on

Captured = pytest.CaptureFixture[str]
REVIEWS = [
    {"review_id": f"{LONG}-s1", "user_id": LONG, "item_id": "s1", "text": f"I, {LONG}, liked it", "rating": 4.0},
    {"review_id": "77:s1", "user_id": SHORT, "item_id": "s1", "text": "77 minutes too long", "rating": 1.0},
    {"review_id": "r3", "user_id": None, "item_id": "s1", "text": "fine", "rating": 3.0},
]


def landed(config: Settings, table: str) -> list[dict[str, object]]:
    """The landed rows of a table of movies, in the order of arrival."""
    files = [file for one in deliveries(config.landing, "movies") if one.table == table for file in one.data]
    return [row for file in files for row in pq.read_table(file.removeprefix("file://")).to_pylist()]


def import_reviews(folder: Path) -> int:
    source = folder / "reviews.jsonl"
    source.write_text("".join(json.dumps({**row, "email": f"{row['user_id']}@x.org"}) + "\n" for row in REVIEWS))
    return main(["import", "jsonl", str(source), "--table", "reviews", "--domain", "movies", "--ds", DS])


def test_a_pseudonym_is_a_chain_of_keyed_hashes() -> None:
    first = "p1-" + hmac.new(KEYS[0], LONG.encode(), hashlib.sha256).hexdigest()[:DIGITS]
    second = "p2-" + hmac.new(KEYS[1], first.encode(), hashlib.sha256).hexdigest()[:DIGITS]
    assert ONE.of(LONG) == first
    assert TWO.of(LONG) == TWO.advance(LONG) == TWO.advance(first) == TWO.advance(second) == second
    assert TWO.forms(LONG) == [LONG, first, second]
    assert [version(stored) for stored in (LONG, first, second)] == [0, 1, 2]
    assert Chain(KEYS[1:2]).of(LONG) != first
    assert ONE.of(first) != first  # an id that looks like a pseudonym is an id
    assert ONE.advance("erased:" + "0" * 32) == "erased:" + "0" * 32


def test_what_is_no_valid_id_stays_invalid() -> None:
    """Rows without a user, and with one whose id is too long, are rejected as ever."""
    assert [ONE.of(user) for user in ("", " \t", "\u200b\u3164")] == ["", " \t", "\u200b\u3164"]
    long = ONE.of("x" * (ID_BYTES + 1))
    assert len(long) > ID_BYTES
    assert "x" not in long
    assert version(long) == 1
    assert TWO.advance(long) == TWO.of("x" * (ID_BYTES + 1))
    assert len(TWO.advance(long)) > ID_BYTES


def test_invisible_is_what_the_checks_call_so() -> None:
    every = map(chr, range(sys.maxunicode + 1))
    letters = [letter for letter in every if unicodedata.category(letter) not in ("Cn", "Co", "Cs")]
    texts = pa.table({"x": letters})
    sql = says_nothing("x").replace("{{", "{").replace("}}", "}")
    nothing = set(duckdb.sql(f"SELECT x FROM texts WHERE {sql}").to_arrow_table()["x"].to_pylist())
    assert texts.num_rows > 100_000
    assert {letter for letter in letters if is_invisible(letter)} == nothing


def test_an_import_leaves_no_id_in_any_file(
    config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    assert import_users(tmp_path) == 0
    assert import_reviews(tmp_path) == 0
    assert any("landing" in place for place in places_of_users(config, tmp_path, USERS))  # without pseudonyms
    assert LONG in capsys.readouterr().out  # an example of a row that cannot be read
    folder = tmp_path / "other"
    folder.mkdir()
    monkeypatch.setenv("ENCORE_LANDING", str(folder / "landing"))
    monkeypatch.setenv("ENCORE_WAREHOUSE", str(folder / "warehouse"))
    switch_on(tmp_path, monkeypatch)
    assert import_users(tmp_path) == 0
    assert import_reviews(tmp_path) == 0
    assert LONG not in capsys.readouterr().out

    result = scan(Ids(USERS), [f"file://{folder}"])
    assert result.files > 5
    assert result.findings == []
    hidden = type(config)(landing=f"file://{folder}/landing")
    ratings = landed(hidden, "interactions")
    assert [row["user_id"] for row in ratings] == [*map(ONE.of, [*USERS, LONG]), None]
    assert {row["raw"] for row in ratings} == {row["raw"] for row in landed(hidden, "annotations")} == {WITHHELD}
    assert all("s1" in str(row["raw"]) for row in landed(hidden, "items"))  # the catalogue is about nobody
    reviews = landed(hidden, "reviews")
    assert [row["review_id"] for row in reviews] == [f"{ONE.of(LONG)}-s1", f"{ONE.of(SHORT)}:s1", "r3"]
    assert [row["text"] for row in reviews] == [f"I, {ONE.of(LONG)}, liked it", "77 minutes too long", "fine"]
    assert KEYS[0].hex() not in "".join(map(str, scan(Ids([KEYS[0].hex()]), [f"file://{folder}"]).findings))


def a_short_one(file: Path) -> None:
    file.write_text("abcd\n")


def others_may_read(file: Path) -> None:
    file.chmod(0o640)


def another(file: Path) -> None:
    file.write_text(KEYS[1].hex())


def one_more(file: Path) -> None:
    file.write_text(f"{KEYS[0].hex()}\n{KEYS[1].hex()}\n")


def gone(file: Path) -> None:
    file.unlink()


def empty(file: Path) -> None:
    file.write_text("")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (a_short_one, "64 hexadecimal"),
        (others_may_read, "chmod 600"),
        (another, "not the key of movies"),
        (one_more, "encore pseudonyms rotate"),
        (gone, "cannot be read"),
        (empty, "key is missing"),
    ],
)
def test_another_key_is_refused_before_anything_is_written(
    change: Callable[[Path], None],
    reason: str,
    config: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:
    file = switch_on(tmp_path, monkeypatch)
    assert import_users(tmp_path) == 0
    change(file)
    before = tree(tmp_path)
    for more in ((), ("--replace",)):
        assert import_users(tmp_path, *more) == 2
        assert tree(tmp_path) == before
    output = capsys.readouterr().err
    assert reason in output
    assert KEYS[0].hex() not in output


def test_ids_and_pseudonyms_are_not_mixed(
    config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    assert import_users(tmp_path) == 0
    switch_on(tmp_path, monkeypatch)
    assert import_users(tmp_path, "--replace") == 2
    assert "encore pseudonyms rotate --domain movies" in capsys.readouterr().err
    assert read_state(config.warehouse, "movies").keys == ()
    assert main(["pseudonyms", "rotate", "--domain", "movies", "--yes"]) == 0
    assert import_users(tmp_path, "--replace") == 0
    (tmp_path / "encore.toml").write_text("")
    assert import_users(tmp_path, "--replace") == 2
    assert "pseudonyms is off" in capsys.readouterr().err


def test_the_key_comes_from_the_environment_too_and_goes_no_further(
    config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch_on(tmp_path, monkeypatch).unlink()
    monkeypatch.delenv("ENCORE_PSEUDONYM_KEY_FILE")
    monkeypatch.setenv("ENCORE_PSEUDONYM_KEY", KEYS[0].hex())
    assert import_users(tmp_path) == 0
    assert landed(config, "interactions")[0]["user_id"] == ONE.of(LONG)
    assert main(["deliveries", "ls", "--domain", "movies"]) == 0  # a command that needs no key
    assert "ENCORE_PSEUDONYM_KEY" not in os.environ


def test_a_new_key_is_its_owners_alone(tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "a.key"
    assert main(["pseudonyms", "new-key", str(file)]) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    (first,) = file.read_text().split()
    assert main(["pseudonyms", "new-key", str(file)]) == 0
    assert file.read_text().split()[0] == first
    assert len({*file.read_text().split()}) == 2
    assert first not in capsys.readouterr().out
    assert main(["pseudonyms", "new-key", str(tmp_path / "nowhere" / "a.key")]) == 2


def test_a_new_key_is_refused_by_the_name_of_its_argument(tmp_path: Path, capsys: Captured) -> None:
    assert main(["pseudonyms", "new-key", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"error: FILE {tmp_path}: is a folder; name a file in it\n"
    (tmp_path / "open.key").write_text("00")
    (tmp_path / "open.key").chmod(0o644)
    assert main(["pseudonyms", "new-key", str(tmp_path / "open.key")]) == 2
    assert capsys.readouterr().err.startswith(f"error: FILE {tmp_path}/open.key: others than its owner may use it")


def test_the_holder_of_the_key_looks_ids_up(
    config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    switch_on(tmp_path, monkeypatch)
    assert import_users(tmp_path) == 0
    capsys.readouterr()
    assert main(["pseudonyms", "show", "--domain", "movies", LONG]) == 0
    assert capsys.readouterr().out == f"{LONG}\t{ONE.of(LONG)}\t{sha256(ONE.of(LONG))}\n"
    (tmp_path / "ids.txt").write_text("\n".join(USERS))
    assert main(["pseudonyms", "show", "--domain", "movies", "--users", str(tmp_path / "ids.txt")]) == 0
    assert [line.split("\t")[1] for line in capsys.readouterr().out.splitlines()] == [*map(ONE.of, USERS)]
    assert main(["pseudonyms", "show", "--domain", "movies"]) == 2
    monkeypatch.delenv("ENCORE_PSEUDONYM_KEY_FILE")
    assert main(["pseudonyms", "show", "--domain", "movies", LONG]) == 2


def test_every_distinct_user_is_hashed_once() -> None:
    calls: list[str] = []
    table = pa.table({"user_id": [ODD, None, ODD, "b"], "similar_user_id": ["b", ODD, None, "c"]})
    new = rename(table, lambda user: calls.append(user) or f"<{user}>")  # type: ignore[func-returns-value]
    assert sorted(calls) == sorted([ODD, "b", "c"])
    assert new["user_id"].to_pylist() == [f"<{ODD}>", None, f"<{ODD}>", "<b>"]
