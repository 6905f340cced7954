"""Erasure: nights with planted users, then a scan of every file that there is."""

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from jobs.cli import main
from jobs.learning.artifacts import fingerprint
from jobs.privacy.ids import sha256
from jobs.privacy.records import Records
from jobs.settings import Settings
from jobs.storage import files
from jobs.storage.catalog import Tables
from jobs.storage.deliveries import deliveries
from jobs.storage.runs import Entry, Run
from jobs.storage.sql import open_tables
from models.base import TrainingData
from models.classic.user_knn import UserKNN
from tests.support.examples import example
from tests.support.fakes import DS, Rows, fake_night, publish_words
from tests.support.nights import publish
from tests.support.nights import warehouse as folder_of
from tests.support.planted_users import (
    ERASED,
    LONG,
    ODD,
    SHORT,
    STAYS,
    USERS,
    ask,
    both_nights,
    erase_words,
    import_users,
    places_of_users,
    users_file,
)

pytestmark = pytest.mark.slow

Captured = pytest.CaptureFixture[str]


def test_a_user_is_gone_from_every_file(config: Settings, tmp_path: Path) -> None:
    both_nights(config)
    assert import_users(tmp_path) == 0
    log = tmp_path / "airflow" / "logs" / "task.log"
    log.parent.mkdir(parents=True)
    log.write_text(f"error: the rows ('{LONG}', 's1') and ('{SHORT}', 's1') share a key; 77 rows\n")
    run = folder_of(config) / "runs" / "movies" / DS / "run"
    page = run / "report" / "a" / "report.html"
    page.parent.mkdir(parents=True)
    page.write_text(f"<b>{LONG}</b>")
    working = run / "sequences" / "a" / "rows.bin"
    working.parent.mkdir(parents=True)
    working.write_bytes(b"\0" + LONG.encode())
    manifest = Run(config.warehouse, "movies", DS, "run")
    manifest.record(Entry("train_ease", "failed", "a", error=f"no row of '{LONG}'"))
    state = tmp_path / "state"
    kept_aside = [state / "training" / "movies" / "weights.bin", state / "cache" / "users.npz"]
    for file in kept_aside:
        file.parent.mkdir(parents=True)
        file.write_bytes(LONG.encode() if file.suffix == ".npz" else b"of nobody")
    before = places_of_users(config, tmp_path)
    places = {place.split("#")[-1].split(":")[0] for place in before}
    assert {"user_id", "similar_user_id", "raw", "id"} <= places
    assert any(".avro" in place for place in before)
    assert {user for user in ERASED for place in before if repr(user) in place} == set(ERASED)
    kept = {table: ask(config, f"SELECT count(*) FROM latest.{table} WHERE domain = 'music'") for table in ("users",)}

    assert main(erase_words("--users", users_file(tmp_path))) == 0

    assert places_of_users(config, tmp_path) == []
    assert log.read_text() == "error: the rows ('[erased]', 's1') and ('[erased]', 's1') share a key; 77 rows\n"
    assert not page.exists()
    assert not working.exists()
    entry = manifest.find("train_ease")
    assert entry is not None
    assert entry.error == "no row of '[erased]'"
    assert [file for file in kept_aside if file.exists()] == []
    assert kept == {t: ask(config, f"SELECT count(*) FROM latest.{t} WHERE domain = 'music'") for t in kept}
    assert main(["tables", "check"]) == 0


def test_everyone_else_stays(config: Settings, tmp_path: Path) -> None:
    both_nights(config)
    assert import_users(tmp_path) == 0
    query = {
        "interactions": "user_id, item_id, value",
        "recommendations": "user_id, rank, item_id",
        "activity": "user_id, probability, segment",
        "reviews": "review_id",
        "users": "user_id, ds",
        "replaced": "user_id",
        "vocabulary": "id, row",
    }
    gone = ", ".join("'" + user.replace("'", "''") + "'" for user in ERASED)

    def rest() -> dict[str, list[tuple[Any, ...]]]:
        counts = {}
        with open_tables(Tables(config)) as db:
            for name, some in query.items():
                user = {"vocabulary": "id", "reviews": "coalesce(user_id, '')"}.get(name, "user_id")
                where = f"{user} NOT IN ({gone}) AND NOT starts_with({user}, 'erased:')"
                for schema in ("main", "latest"):
                    rows = db.execute(f"SELECT {some} FROM {schema}.{name} WHERE {where} ORDER BY ALL").fetchall()
                    counts[f"{schema}.{name}"] = rows
        return counts

    before = rest()
    assert all(rows for name, rows in before.items() if name.startswith("main"))
    assert main(erase_words("--users", users_file(tmp_path))) == 0
    assert rest() == before
    # rows numbers stay taken, ranks have no gap, both sides are gone
    rows = ask(
        config, "SELECT row, starts_with(id, 'erased:') FROM vocabulary WHERE domain = 'movies' AND kind = 'user'"
    )
    assert sorted(row for row, _ in rows) == list(range(len(USERS)))
    assert sum(erased for _, erased in rows) == len(ERASED)
    assert ask(config, "SELECT max(rank), min(rank) FROM user_similarity WHERE domain = 'movies'") == [(1, 1)]
    raws = [raw for (raw,) in ask(config, "SELECT raw FROM rejected WHERE domain = 'movies'")]
    assert sorted(raw.split(",")[0] for raw in raws) == sorted([*STAYS, "2"])


def test_a_later_import_is_refused_unless_asked_for(config: Settings, tmp_path: Path, capsys: Captured) -> None:
    assert import_users(tmp_path) == 0
    assert main(erase_words("--users", users_file(tmp_path))) == 0
    assert places_of_users(config, tmp_path) == []
    capsys.readouterr()
    assert import_users(tmp_path, "--replace") == 0
    assert "refused: 5 rows of erased users" in capsys.readouterr().out
    assert places_of_users(config, tmp_path) == []
    assert import_users(tmp_path, "--replace", "--allow-erased") == 0
    assert any("interactions" in place and repr(LONG) in place for place in places_of_users(config, tmp_path))


def test_what_remains_is_a_keyed_hash_with_time_and_counts(config: Settings, tmp_path: Path) -> None:
    both_nights(config)
    assert main(erase_words(LONG)) == 0
    (record,) = Records(config.warehouse).of("movies")
    assert (record.state, len(record.users)) == ("done", 1)
    assert record.done is not None
    assert record.started <= record.done
    assert record.counts["interactions"] == 2
    assert record.counts["activity"] == 2  # one in each night that stays
    assert record.counts["vocabulary"] == 1
    assert sha256(LONG) not in str(record)


def test_a_hash_stands_for_the_id_and_an_unknown_one_is_refused(
    config: Settings, tmp_path: Path, capsys: Captured
) -> None:
    both_nights(config)
    assert main(erase_words("--sha256", sha256("nobody"))) == 2
    assert "no user of movies has the SHA-256" in capsys.readouterr().err
    assert main(erase_words("--sha256", sha256(LONG).upper(), "--sha256", sha256(SHORT))) == 0
    assert [place for place in places_of_users(config, tmp_path) if repr(LONG) in place or repr(SHORT) in place] == []
    assert main(erase_words("--sha256", sha256(LONG))) == 0  # again: nothing is there any more


def test_verify_finds_what_is_planted_and_hashes_too(config: Settings, tmp_path: Path, capsys: Captured) -> None:
    both_nights(config)
    assert main(["erase", LONG, "--domain", "movies", "--verify"]) == 1
    assert "runs/movies" in capsys.readouterr().out
    assert main(erase_words(LONG)) == 0
    assert main(["erase", LONG, "--domain", "movies", "--verify"]) == 0
    capsys.readouterr()
    (tmp_path / "state").mkdir(exist_ok=True)
    (tmp_path / "state" / "cache.bin").write_bytes(b"\0\1" + bytes.fromhex(sha256(LONG)))
    assert main(["erase", LONG, "--domain", "movies", "--verify"]) == 1
    assert "cache.bin: a hash of" in capsys.readouterr().out


def test_nothing_happens_unasked(config: Settings, tmp_path: Path, capsys: Captured) -> None:
    both_nights(config)
    before = places_of_users(config, tmp_path)
    assert main(["erase", LONG, "--domain", "movies", "--idle-minutes", "0"]) == 2
    output = capsys.readouterr()
    assert "Earlier publications stop being roll-back targets" in output.out
    assert "--yes confirms" in output.err
    assert places_of_users(config, tmp_path) == before


def test_a_superseded_publication_is_no_roll_back_target_any_more(config: Settings, capsys: Captured) -> None:
    publish(config, 1, ds=DS, users=USERS, run="first")
    publish(config, 2, ds=DS, users=USERS, run="second")
    assert main(erase_words(LONG)) == 0
    assert main(["tables", "rollback", "--domain", "movies", "--ds", DS, "--to", "first"]) == 2
    assert "run first has not completed movies" in capsys.readouterr().err
    assert main(["tables", "rollback", "--domain", "movies", "--ds", DS, "--to", "second"]) == 0
    assert main(["tables", "check"]) == 0


def test_no_night_runs_on_an_unfinished_erasure(config: Settings, capsys: Captured) -> None:
    publish(config, 1, ds=DS, users=USERS)
    Records(config.warehouse).start("movies", [sha256(LONG)])
    fake_night(config, 2, run="late", users=USERS)
    assert main(publish_words("late")) == 2
    assert "is not finished" in capsys.readouterr().err
    assert main(["pin", "--domain", "movies", "--ds", DS, "--run", "later"]) == 2
    publish(config, 3, ds=DS, domain="music", users=STAYS)  # another domain goes on


def test_it_waits_for_a_run_that_writes(config: Settings, tmp_path: Path, capsys: Captured) -> None:
    both_nights(config)
    fake_night(config, 5, run="busy", users=USERS)
    before = places_of_users(config, tmp_path)
    assert main(["erase", LONG, "--domain", "movies", "--yes"]) == 2
    assert "run busy of movies" in capsys.readouterr().err
    assert set(before) <= set(places_of_users(config, tmp_path))


def test_it_waits_for_an_import_and_clears_up_after_a_killed_one(config: Settings, tmp_path: Path) -> None:
    both_nights(config)
    aside = tmp_path / "landing" / ".aside" / "movies-2026-11-20-killed" / "rows"
    aside.parent.mkdir(parents=True)
    aside.write_text(LONG)
    handle = os.open(aside.parent, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)  # as an import does while it runs
    before = places_of_users(config, tmp_path)
    assert main(erase_words(LONG)) == 2
    assert places_of_users(config, tmp_path) == before
    os.close(handle)
    assert main(erase_words(LONG)) == 0
    assert not aside.exists()


def test_it_refuses_where_a_branch_would_keep_the_user(config: Settings, tmp_path: Path, capsys: Captured) -> None:
    both_nights(config)
    table = Tables(config)._load("users")
    snapshot = table.current_snapshot()
    assert snapshot is not None
    table.manage_snapshots().create_branch(snapshot.snapshot_id, "theirs").commit()
    before = places_of_users(config, tmp_path)
    assert main(erase_words(LONG)) == 2
    assert "table users has branches beside main" in capsys.readouterr().err
    assert set(before) <= set(places_of_users(config, tmp_path))


def test_a_rejected_row_goes_with_its_landed_row_where_its_text_has_the_id_in_another_form(
    config: Settings, tmp_path: Path
) -> None:
    """As csv doubles the quotes of an id; of another user's row the same text stays."""
    assert import_users(tmp_path) == 0
    text = '"' + ODD.replace('"', '""') + '",s1,rating,x'
    (ratings,) = (one for one in deliveries(config.landing, "movies") if one.table == "interactions")
    rows = pq.read_table([file.removeprefix("file://") for file in ratings.data]).to_pylist()
    lines = {row["user_id"]: row["line"] for row in rows}

    def reject(night: dict[str, Rows]) -> None:
        one = night["rejected"][0]
        night["rejected"] = [
            {**one, "delivery": ratings.number, "line": lines[user], "raw": text} for user in (ODD, STAYS[0])
        ]

    publish(config, 1, ds=DS, users=USERS, broken=reject)
    assert main(erase_words(ODD)) == 0
    assert ask(config, "SELECT line FROM rejected") == [(lines[STAYS[0]],)]


def test_a_model_loses_its_row_of_the_user(config: Settings) -> None:
    """The artifact that `models` names afterwards is another one with a checksum of its own; the old one is gone."""
    knn = UserKNN(UserKNN.Config()).fit(TrainingData(example()))
    user = int(np.flatnonzero(np.diff(knn.users.indptr))[0])
    old = folder_of(config) / "runs" / "movies" / DS / "run" / "train_user_knn" / "a" / "artifact"
    knn.save(old, ["i"] * example().n_items)

    def name_it(night: dict[str, Rows]) -> None:
        night["models"][0] |= {"model": "user_knn", "artifact": f"file://{old}", "checksum": fingerprint(old)}

    publish(config, 1, ds=DS, users=USERS, broken=name_it)
    ((one,),) = ask(config, f"SELECT id FROM vocabulary WHERE kind = 'user' AND row = {user}")
    assert main(erase_words(one)) == 0
    ((address, checksum),) = ask(config, "SELECT artifact, checksum FROM models WHERE model = 'user_knn'")
    folder = Path(address.removeprefix("file://"))
    assert checksum == fingerprint(folder)
    learned = UserKNN.load(folder, ["i"] * example().n_items)
    expected = knn.users.toarray()
    assert expected[user].any()
    expected[user] = 0
    np.testing.assert_array_equal(learned.users.toarray(), expected)
    assert not old.exists()


def test_exports_lose_the_user_too(config: Settings, tmp_path: Path) -> None:
    both_nights(config)
    export = tmp_path / "exported"
    assert main(["tables", "export", "--to", str(export)]) == 0
    assert any(file.read_bytes().count(LONG.encode()) for file in export.rglob("*.parquet"))
    assert main(erase_words("--users", users_file(tmp_path))) == 0
    assert main(["erase", "--users", users_file(tmp_path), "--domain", "movies", "--verify"]) == 0
    assert json.loads(files.read_bytes(f"{config.warehouse}/exports.json") or b"") == [f"file://{export}"]


def test_a_backup_from_before_is_not_restored(config: Settings, tmp_path: Path, capsys: Captured) -> None:
    both_nights(config)
    assert main(["tables", "backup", "--to", str(tmp_path / "catalog.bak")]) == 0
    assert main(erase_words(LONG)) == 0
    assert main(["tables", "restore", "--from", str(tmp_path / "catalog.bak")]) == 2
    assert "which is gone" in capsys.readouterr().err


@pytest.mark.slow
def test_ten_thousand_users_cost_about_one_pass(
    config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file is written anew at most once, however many users go."""
    from jobs.privacy import tables

    users = tuple(f"user-{n:05d}" for n in range(12_000))
    publish(config, 1, ds=DS, users=users)
    (tmp_path / "gone.txt").write_text("\n".join(users[:10_000]))
    written: list[str] = []
    real = tables.write
    monkeypatch.setattr(tables, "write", lambda *args, **named: written.append(args[1]) or real(*args, **named))
    started = time.process_time()
    assert main(erase_words("--users", str(tmp_path / "gone.txt"))) == 0
    assert sorted(address.rsplit("/", 1)[1] for address in written) == [
        "activity", "continuations", "interactions", "recommendations", "user_similarity", "users", "vocabulary",
    ]  # fmt: skip
    assert time.process_time() - started < 60
    assert ask(config, "SELECT count(DISTINCT user_id) FROM latest.recommendations") == [(2000,)]
    assert main(["erase", "--users", str(tmp_path / "gone.txt"), "--domain", "movies", "--verify"]) == 0
