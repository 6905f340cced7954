"""Publishing again what an earlier run of a night published."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.cli import main
from jobs.settings import Settings
from jobs.storage.catalog import Tables
from jobs.storage.sql import open_tables
from jobs.tables.rollback import CAME_IN
from tests.support.fakes import DS, USERS, Seen, both, expected, fake_night, publish_words, together
from tests.support.nights import publish
from tests.support.warehouse import borrowed, use

Captured = pytest.CaptureFixture[str]


def words(to: str, domain: str = "movies", ds: str = DS) -> list[str]:
    return ["tables", "rollback", "--domain", domain, "--ds", ds, "--to", to]


def history(config: Settings) -> list[tuple[str, str, int]]:
    with open_tables(Tables(config)) as db:
        return db.execute("SELECT run_id, trigger, sequence FROM runs WHERE domain = 'movies' ORDER BY ALL").fetchall()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two publications of one night, `first` and `second`, the latter with a user more."""
    folder = tmp_path_factory.mktemp("replaced")
    with pytest.MonkeyPatch.context() as monkeypatch:
        config = use(folder, monkeypatch)
        publish(config, 1, ds=DS, run="first")
        publish(config, 2, ds=DS, run="second", users=(*USERS, "u5"))
    return folder


@pytest.fixture
def replaced(made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The warehouse as it was made."""
    with borrowed(made, monkeypatch) as config:
        yield config


def rolled(lists: int, came_in: int, users: int) -> Seen:
    """What there is where the lists are of one mark, and what came in stays of another."""
    kept = expected(came_in, users=users)
    return expected(lists) | {name: kept[name] for name in CAME_IN}


def test_the_earlier_rows_are_back_and_history_says_so(replaced: Settings, capsys: Captured) -> None:
    capsys.readouterr()
    assert main(words("first")) == 0
    assert capsys.readouterr().out == "published again: rollback-3\n"
    assert both(replaced) == (rolled(1, 2, 5), rolled(1, 2, 5))
    assert history(replaced) == [
        ("first", "manual", 1),
        ("rollback-3", "rollback to first", 3),
        ("second", "manual", 2),
    ]


def test_a_row_of_the_vocabulary_is_never_given_back(replaced: Settings) -> None:
    assert main(words("first")) == 0
    with open_tables(Tables(replaced)) as db:
        for schema in ("main", "latest"):
            result = db.execute(f"SELECT id, row FROM {schema}.vocabulary WHERE kind = 'user' ORDER BY row").fetchall()
            assert [row for _, row in result] == [0, 1, 2, 3, 4]
            assert result[-1] == ("u5", 4)


def test_twice_back_and_forth(replaced: Settings) -> None:
    assert main(words("first")) == 0
    assert main(words("second")) == 0
    assert both(replaced) == (expected(2, users=5), expected(2, users=5))
    assert main(words("rollback-3")) == 0
    assert both(replaced) == (rolled(1, 2, 5), rolled(1, 2, 5))
    assert [sequence for _, _, sequence in sorted(history(replaced), key=lambda row: row[2])] == [1, 2, 3, 4, 5]


def test_other_domains_and_nights_stay(replaced: Settings) -> None:
    users = (*USERS, "u5")
    fake_night(replaced, 3, ds="2026-11-21", run="next", users=users)
    assert main(publish_words("next", ds="2026-11-21")) == 0
    fake_night(replaced, 4, domain="music")
    assert main(publish_words("run", domain="music")) == 0
    assert main(words("first")) == 0
    now, latest = both(replaced)
    after, music = expected(3, ds="2026-11-21", users=5), expected(4, domain="music")
    assert now == together(rolled(1, 2, 5), after, music)
    assert latest["recommendations"] == together(after, music)["recommendations"], "the newest night stays the last"


def test_a_rolled_back_night_can_be_published_anew(replaced: Settings) -> None:
    assert main(words("first")) == 0
    fake_night(replaced, 3, run="third", users=(*USERS, "u5"))
    assert main(publish_words("third")) == 0
    assert both(replaced) == (expected(3, users=5), expected(3, users=5))


@pytest.mark.parametrize(
    ("where", "there"),
    [
        (("nowhere", "movies", DS), "first, second"),
        (("first", "music", DS), "none"),
        (("first", "movies", "2026-11-19"), "none"),
    ],
)
def test_an_unknown_run_is_refused_with_those_there_are(
    replaced: Settings, capsys: Captured, where: tuple[str, str, str], there: str
) -> None:
    to, domain, ds = where
    assert main(words(*where)) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"error: run {to} has not completed {domain} {ds}; there are: {there}"
    )
    assert both(replaced) == (expected(2, users=5), expected(2, users=5))
