"""Rotation of pseudonyms, and their first introduction: verified by decoding every file for what was there before."""

import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from jobs.cleaning.versions import fingerprint_reviews
from jobs.cli import main
from jobs.privacy import landing
from jobs.privacy.ids import sha256
from jobs.privacy.keys import read_state
from jobs.privacy.pseudonyms import WITHHELD
from jobs.privacy.records import Records
from jobs.privacy.rotation import review_fingerprints
from jobs.settings import Settings
from jobs.storage.catalog import Tables
from jobs.storage.sql import open_tables
from schemas.landing import LANDING
from tests.support import warehouse
from tests.support.fakes import DS, fake_night, publish_words
from tests.support.killable import killable
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
)
from tests.support.pseudonyms import KEYS, ONE, TWO, give, switch_on

pytestmark = pytest.mark.slow

Captured = pytest.CaptureFixture[str]
ROTATE = ["pseudonyms", "rotate", "--domain", "movies", "--yes", "--idle-minutes", "0"]
STEPS = ["jobs.storage.rewrite:delete_file", "jobs.privacy.leftovers:delete", "jobs.storage.files:delete_file"]
FIRST = tuple(map(ONE.of, USERS))
EXPORT = "exported"


def movies(users: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the users whom music, which has no pseudonyms, does not have."""
    return tuple(user for user in users if user not in STAYS)


def everything(config: Settings) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables with users, as every night has published them."""
    with open_tables(Tables(config)) as db:
        columns = {
            "vocabulary": "kind, id, row, ds",
            "interactions": "user_id, item_id, kind, ts, value, ds",
            "users": "user_id, ds, country",
            "reviews": "user_id, review_id, item_id, rating",
            "replaced": "user_id, item_id, line",
            "user_similarity": "ds, user_id, rank, similar_user_id",
            "recommendations": "ds, user_id, rank, item_id, score",
            "continuations": "ds, user_id, position, item_id",
            "activity": "ds, user_id, probability",
        }
        return {
            f"{schema}.{name}": db.execute(f"SELECT {some} FROM {schema}.{name} WHERE domain = 'movies'").fetchall()
            for name, some in columns.items()
            for schema in ("main", "latest")
        }


def mapped(rows: dict[str, list[tuple[object, ...]]], names: dict[object, str]) -> dict[str, list[str]]:
    return {name: sorted(str([names.get(v, v) for v in row]) for row in some) for name, some in rows.items()}


def with_leavings(config: Settings, folder: Path, user: str) -> None:
    """A log, a report, a working file, a cache, an error in a manifest and an export that name a user."""
    run = folder_of(config) / "runs" / "movies" / DS / "run"
    for file, text in {
        folder / "airflow" / "logs" / "task.log": f"error: the row ('{user}', 's1')\n",
        run / "report" / "a" / "report.html": f"<b>{user}</b>",
        run / "sequences" / "a" / "rows.bin": f"\0{user}",
        folder / "state" / "cache.json": f'{{"user": "{user}"}}',
    }.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def test_pseudonyms_and_then_others_take_the_place_of_ids(
    config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    both_nights(config)
    assert import_users(tmp_path) == 0
    assert main(["tables", "export", "--to", str(tmp_path / "airflow" / EXPORT)]) == 0
    gone, chain = USERS, ONE
    names: dict[object, str] = {}
    raw = everything(config)
    assert all(rows for name, rows in raw.items() if name.startswith("main"))
    music = ask(config, "FROM users WHERE domain = 'music' ORDER BY ALL")
    for keys in (1, 2):
        switch_on(tmp_path, monkeypatch, KEYS[:keys])
        with_leavings(config, tmp_path, chain.of(LONG) if keys == 2 else LONG)
        places = "".join(places_of_users(config, tmp_path, movies(gone)))
        bounds = [".avro"] if keys == 1 else []  # which have the first 16 characters
        for place in (*bounds, "landing", "task.log", "report.html", "rows.bin", "cache.json", EXPORT, "vocabulary"):
            assert place in places, place
        chain = TWO if keys == 2 else ONE
        capsys.readouterr()

        assert main(ROTATE) == 0

        output = capsys.readouterr().out
        assert "files with users of movies" in output
        assert "Earlier publications stop being roll-back targets" in output
        assert places_of_users(config, tmp_path, movies(gone)) == []
        names = {user: chain.of(user) for user in USERS}
        assert mapped(everything(config), {}) == mapped(raw, names)
        gone = tuple(map(chain.of, USERS))
        assert main(["tables", "check"]) == 0
        assert main(["pseudonyms", "verify", "--domain", "movies"]) == 0
        log = (tmp_path / "airflow" / "logs" / "task.log").read_text()
        assert log == f"error: the row ('{chain.of(LONG)}', 's1')\n"
        assert read_state(config.warehouse, "movies").rotating is None
        assert main(ROTATE) == 0
        assert "nothing to do" in capsys.readouterr().out
    assert {text for (text,) in ask(config, "SELECT raw FROM rejected WHERE domain = 'movies'")} == {WITHHELD}
    assert ask(config, "FROM users WHERE domain = 'music' ORDER BY ALL") == music
    assert main(["tables", "rollback", "--domain", "movies", "--ds", DS, "--to", "run"]) == 0


def test_a_rotation_goes_on_with_its_own_keys_and_nothing_runs_meanwhile(
    config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    both_nights(config)
    switch_on(tmp_path, monkeypatch)
    assert main([*ROTATE[:-3], "--idle-minutes", "0"]) == 2
    assert "--yes confirms" in capsys.readouterr().err
    with killable(STEPS) as run:
        assert run(ROTATE, 6) == -9
    assert read_state(config.warehouse, "movies").rotating is not None
    fake_night(config, 5, run="late", users=USERS)
    for words in (
        publish_words("late"),
        ["pin", "--domain", "movies", "--ds", DS, "--run", "later"],
        erase_words(LONG),
        ["user", LONG, "--domain", "movies"],
    ):
        assert main(words) == 2, words
        assert "encore pseudonyms rotate" in capsys.readouterr().err
    assert import_users(tmp_path) == 2
    give(tmp_path, monkeypatch, KEYS[:2])
    assert main(ROTATE) == 2  # another key than that of the rotation under way
    give(tmp_path, monkeypatch, KEYS[:1])
    assert main(ROTATE) == 0
    assert places_of_users(config, tmp_path, movies(USERS)) == []


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("stride", [7, 5])
def test_killed_at_many_steps_the_repeat_finishes_it(
    stride: int, config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From ids to one key at each fifth step, from one key to two at each seventh."""
    both_nights(config)
    switch_on(tmp_path, monkeypatch)
    (tmp_path / "encore.toml").write_text("")
    assert import_users(tmp_path) == 0
    switch_on(tmp_path, monkeypatch)
    raw = everything(config)
    gone, chain = movies(USERS), ONE
    if stride == 7:
        assert main(ROTATE) == 0
        give(tmp_path, monkeypatch, KEYS[:2])
        gone, chain = FIRST, TWO
    kept = tmp_path.with_name(f"{tmp_path.name} as made")
    shutil.copytree(tmp_path, kept)
    step, code = 0, -9
    with killable(STEPS) as command:  # begun now: it has this environment, the settings among it
        while code == -9:
            step += stride
            code = command(ROTATE, step)
            assert command(ROTATE, None) == 0, f"after step {step}"
            assert places_of_users(config, tmp_path, gone) == [], f"after step {step}"
            assert mapped(everything(config), {}) == mapped(raw, {user: chain.of(user) for user in USERS}), step
            assert main(["tables", "check"]) == 0, f"after step {step}"
            shutil.rmtree(tmp_path)
            shutil.copytree(kept, tmp_path)
            environment = warehouse.use(tmp_path, monkeypatch)
            switch_on(tmp_path, monkeypatch, chain.keys)
            assert environment.warehouse == config.warehouse
    print(f"killed at {(step - 1) // stride} steps")
    assert step > 40


def test_erasure_export_and_look_up_take_the_id_or_the_pseudonym(
    config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    switch_on(tmp_path, monkeypatch)
    publish(config, 1, ds=DS, users=FIRST)
    assert import_users(tmp_path) == 0
    capsys.readouterr()
    for name in (LONG, ONE.of(LONG)):
        assert main(["user", name, "--domain", "movies"]) == 0
        assert f"user {ONE.of(LONG)}" in capsys.readouterr().out
        assert main(["user", name, "--domain", "movies", "--export", "-"]) == 0
        assert ONE.of(LONG) in (out := capsys.readouterr().out)
        assert LONG not in out
    assert main(erase_words("--sha256", sha256(SHORT))) == 2
    assert "of the pseudonym's" in capsys.readouterr().err
    assert main(["erase", LONG, "--domain", "movies", "--verify"]) == 1
    monkeypatch.delenv("ENCORE_PSEUDONYM_KEY_FILE")  # as in Airflow, which has no key
    assert main(erase_words(SHORT)) == 2
    assert "key is missing" in capsys.readouterr().err
    assert main(erase_words("--sha256", sha256(ONE.of(SHORT)))) == 0
    assert main(erase_words(ONE.of(ODD))) == 0
    give(tmp_path, monkeypatch, KEYS[:1])
    assert main(erase_words(LONG)) == 0
    assert places_of_users(config, tmp_path, tuple(map(ONE.of, (LONG, SHORT, ODD)))) == []
    assert main(["erase", LONG, "--domain", "movies", "--verify"]) == 0
    assert main(["user", LONG, "--domain", "movies"]) == 2
    assert ONE.of(STAYS[0]) in str(places_of_users(config, tmp_path, FIRST))


def test_an_erased_user_stays_out_after_a_rotation(
    config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """Erased as an id, as a pseudonym of one key, of two: the hash of what was stored then is all that is kept."""
    publish(config, 1, ds=DS, users=USERS)
    assert main(erase_words(SHORT)) == 0
    for keys, user in ((1, LONG), (2, ODD)):
        switch_on(tmp_path, monkeypatch, KEYS[:keys])
        assert main(ROTATE) == 0
        assert main(erase_words(user)) == 0
    capsys.readouterr()
    assert import_users(tmp_path) == 0
    assert "refused: 5 rows of erased users" in capsys.readouterr().out
    forms = tuple(form for user in ERASED for form in TWO.forms(user))
    assert places_of_users(config, tmp_path, forms) == []


def test_no_rotation_runs_on_an_unfinished_erasure(
    config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    publish(config, 1, ds=DS, users=USERS)
    switch_on(tmp_path, monkeypatch)
    Records(config.warehouse).start("movies", [sha256(LONG)])
    assert main(ROTATE) == 2
    assert "is not finished" in capsys.readouterr().err


def test_a_review_that_is_delivered_again_is_known_after_a_rotation() -> None:
    """Its fingerprint becomes that of the same review with the new pseudonym."""
    row = {"review_id": "r1", "user_id": ONE.of(LONG), "item_id": "s1", "text": "fine", "rating": 4.0}
    row |= {"raw": WITHHELD, "file": "f", "line": 1, "unparsable": []}
    schema = LANDING["reviews"].schema
    old = pa.Table.from_pylist([row], schema=schema)
    new = pa.Table.from_pylist([{**row, "user_id": TWO.of(LONG)}], schema=schema)
    assert review_fingerprints(iter([old]), TWO) == {
        fingerprint_reviews(old)[0].as_py(): fingerprint_reviews(new)[0].as_py()
    }
    assert landing.of_users("reviews")
