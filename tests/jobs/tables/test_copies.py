"""A warehouse that was copied: its catalog names the files of the other one, which nothing may change from the copy."""

import shutil
from pathlib import Path

import pytest

from jobs.cli import main
from jobs.errors import InputError
from jobs.settings import Settings
from jobs.storage.catalog import Tables
from jobs.storage.commits import require_below
from jobs.storage.files import listing
from tests.support.fakes import DS
from tests.support.nights import publish, warehouse


@pytest.mark.parametrize(
    "words",
    [
        ["erase", "u1", "--domain", "movies", "--yes", "--idle-minutes", "0"],
        ["pin", "--domain", "movies", "--ds", "2026-11-21", "--run", "next"],
        ["tables", "rollback", "--domain", "movies", "--ds", DS, "--to", "run"],
        ["tables", "expire", "--grace-hours", "0"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_nothing_is_changed_from_a_copy(
    config: Settings,
    tmp_path: Path,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    publish(config, 1, ds=DS)
    copy = tmp_path / "copy"
    shutil.copytree(warehouse(config), copy)
    before = [listing(place, recursive=True) for place in (config.warehouse, f"file://{copy}/tables")]
    monkeypatch.setenv("ENCORE_WAREHOUSE", str(copy))
    assert main(words) == 2
    assert str(warehouse(config)) in capsys.readouterr().err
    assert [listing(place, recursive=True) for place in (config.warehouse, f"file://{copy}/tables")] == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["", "--domain", "movies"], "'' is no user's id"),
        ([" ", "--domain", "movies"], "' ' is no user's id"),
        (["u1", "--domain", "movis"], "there is no domain 'movis'; there are: games, movies, music"),
        (["u1", "--domain", "movies", "--idle-minutes", "-5"], "must be a number of minutes, 0 or more, got '-5'"),
        (["u1", "--domain", "movies", "--idle-minutes", "nan"], "must be a number of minutes, 0 or more, got 'nan'"),
    ],
)
def test_an_erasure_of_nobody_is_refused(
    words: list[str], message: str, config: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """As where a variable of a shell is empty, or a name is mistyped: it would say that it is done."""
    publish(config, 1, ds=DS)
    before = listing(config.warehouse, recursive=True)
    try:
        code: object = main(["erase", *words, "--yes"])
    except SystemExit as ended:  # argparse's way
        code = ended.code
    assert (code, message in capsys.readouterr().err) == (2, True)
    assert listing(config.warehouse, recursive=True) == before


def test_a_warehouse_on_s3_is_its_own_under_every_name_of_the_scheme(config: Settings) -> None:
    publish(config, 1, ds=DS)
    tables = Tables(config)
    tables.require_own()
    table = tables._load("users")
    table.metadata = table.metadata.model_copy(update={"location": "s3a://bucket/nights/tables/users"})
    require_below("s3://bucket/nights", table)
    with pytest.raises(InputError, match="as a copy of a warehouse does"):
        require_below("s3://bucket/night", table)
