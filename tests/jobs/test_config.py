"""`encore config`: check, show, and the page of all settings."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from jobs.cli import main
from jobs.config.page import document, sections
from jobs.settings import SECTIONS, VARIABLES, model_config
from schemas.domains import Domain, Kind
from schemas.names import WITH_SETTINGS

ROOT = Path(__file__).parents[2]
Captured = pytest.CaptureFixture[str]
CONFIG = """
[catalog]
uri = "postgresql+psycopg2://encore:hunter2@db/catalog"
"s3.secret-access-key" = "hunter3"
[spark]
"spark.driver.memory" = "4g"
[domains.movies]
top_k = 7
[domains.movies.kinds.rating]
low = 1
high = 10
[models.item_knn]
neighbours = 50
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of ENCORE_CONFIG, and no other setting."""
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    file = tmp_path / "encore.toml"
    file.write_text(CONFIG)
    monkeypatch.setenv("ENCORE_CONFIG", str(file))
    return file


def test_right_files_are_said_to_be_right(config: Path, capsys: Captured) -> None:
    assert main(["config", "check"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"no fault in ENCORE_CONFIG={config}",
        "domains: games, movies, music",
    ]


@pytest.mark.slow
def test_settings_of_networks_are_checked_without_the_log_of_their_backend(config: Path) -> None:
    config.write_text("[models.sasrec]\ndim = 32\n")
    words = [sys.executable, "-m", "jobs", "config", "check"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("no fault in ENCORE_CONFIG=")
    assert done.stderr == ""


KNN = "[models.item_knn]\nneighbours = 50"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("top_k = 7", "top_k = 5000", "domains.movies.top_k must be between 1 and 1000, got 5000"),
        ("top_k = 7", "top_k = true", "domains.movies.top_k must be a whole number, got true"),
        ("top_k = 7", "first_day = 2020-01-01", "domains.movies.first_day must be a text, got 2020-01-01"),
        ("top_k = 7", "verb = [true, {a = 1}]", "domains.movies.verb must be a text, got [true, {a = 1}]"),
        (
            "[models.item_knn]\nneighbours = 50",
            "[models]\nitem_knn = false",
            "models.item_knn must be a table, got false",
        ),
        ("top_k = 7", "topk = 7", "domains.movies.topk is not a setting; there are: verb, kinds"),
        ("neighbours = 50", "neighbours = 0", "models.item_knn.neighbours must be between 1 and 100000, got 0"),
        ("neighbours = 50", 'neighbours = "50"', "models.item_knn.neighbours must be a whole number, got '50'"),
        ("neighbours = 50", "decay = 1.5", "models.item_knn.decay must be above 0 and at most 1, got 1.5"),
        ("[models.item_knn]", "[models.itemknn]", "unknown model 'itemknn'; there are: popularity"),
        (KNN, "[models.sasrec]\nheads = 3", "models.sasrec: sasrec.heads must divide sasrec.dim (64), got 3"),
        (KNN, '[models.lstm]\ncell = "rnn"', "models.lstm.cell must be one of gru, lstm, got 'rnn'"),
        (KNN, "[models.review_sentiment]\nwords = 0", "models.review_sentiment.words must be between 1 and"),
        ("high = 10", "high = 0", "domains.movies.kinds.rating: low must be below high = 0.0, got 1.0"),
        ("[spark]", "[sparks]", "unknown section 'sparks'; there are: catalog, spark, domains, models"),
    ],
)
def test_a_wrong_value_is_named_with_file_key_rule(
    config: Path, capsys: Captured, old: str, new: str, message: str
) -> None:
    assert old in CONFIG
    config.write_text(CONFIG.replace(old, new))
    assert main(["config", "check"]) == 2
    assert f"error: ENCORE_CONFIG={config}: {message}" in capsys.readouterr().err


def test_a_wrong_folder_of_domains_is_named(config: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCORE_DOMAINS", "/none")
    for words in (["config", "check"], ["status"], ["import", "demo", "--domain=movies", "--ds=2026-01-01"]):
        assert main(words) == 2
        assert "error: ENCORE_DOMAINS=/none: is not a folder" in capsys.readouterr().err


def test_values_are_shown_with_their_origin_and_secrets_are_not(
    config: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "books.toml").write_text('verb = "read"\ntop_k = 3\nkinds.loan.meaning = "borrowed"\n')
    monkeypatch.setenv("ENCORE_DOMAINS", str(tmp_path / "own"))
    monkeypatch.setenv("ENCORE_WAREHOUSE", "s3://bucket/encore")
    assert main(["config", "show"]) == 0
    out = capsys.readouterr().out
    assert {*out.splitlines()} >= {
        "warehouse = 's3://bucket/encore'  # ENCORE_WAREHOUSE",
        "spark_remote = None  # default",
        f"catalog.uri = 'postgresql+psycopg2://***@db/catalog'  # ENCORE_CONFIG={config}",
        f"catalog.s3.secret-access-key = ***  # ENCORE_CONFIG={config}",
        f"spark.spark.driver.memory = '4g'  # ENCORE_CONFIG={config}",
        f"domains.movies.top_k = 7  # ENCORE_CONFIG={config}",
        f"domains.movies.kinds.rating.high = 10.0  # ENCORE_CONFIG={config}",
        f"domains.movies.verb = 'watched'  # {ROOT}/schemas/domains/movies.toml",
        "domains.movies.neighbours = 50  # default",
        f"domains.books.top_k = 3  # {tmp_path}/own/books.toml",
        f"domains.books.kinds.loan.meaning = 'borrowed'  # {tmp_path}/own/books.toml",
        f"models.item_knn.neighbours = 50  # ENCORE_CONFIG={config}",
    }
    assert "hunter" not in out


def test_the_page_is_up_to_date() -> None:
    written = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert written == document(), "run: encore config document > docs/settings.md"


def test_the_page_has_every_setting_with_its_meaning() -> None:
    parts = dict(part.split("\n", 1) for part in re.split(r"\n##+ ", document())[1:])
    classes = {name.capitalize(): config for name, config in sections().items()}
    classes |= {"Domains": Domain, "Kinds": Kind} | {name: type(model_config(name)) for name in WITH_SETTINGS}
    for title, config in classes.items():
        rows = {row.split("|")[1].strip(): row for row in parts[title].splitlines() if row.startswith("| `")}
        assert [*rows] == [f"`{field.name}`" for field in fields(config) if field.name != "name"], title
        for row in rows.values():
            kind, unit, meaning = (row.split("|")[cell].strip() for cell in (2, 4, 6))
            assert len(meaning) > 5, f"{title} {row}: does not say what it means"
            assert unit or kind != "a whole number", f"{title} {row}: does not say what it counts"
    for variable in VARIABLES.values():
        assert f"| `{variable}` |" in parts["Environment"]
    assert all(f"| `[{section}" in parts["The file of ENCORE_CONFIG"] for section in SECTIONS)


def test_the_page_has_every_variable_of_encore() -> None:
    """What stands in code, scripts, units, images and templates, and nothing that no file knows."""
    variable = re.compile(r"\bENCORE(?:_[A-Z]+)*\b")
    files = [
        file for name in ("schemas", "jobs", "dags", "docker") for file in (ROOT / name).rglob("*") if file.is_file()
    ]
    used = {
        name: file
        for file in [*files, ROOT / "Makefile"]
        if file.suffix != ".pyc" and file != ROOT / "jobs" / "config" / "page.py"
        for name in variable.findall(file.read_text(encoding="utf-8"))
    }
    listed = set(re.findall(r"^\| `(ENCORE[A-Z_]*)` \|", document(), re.MULTILINE))
    assert {name: file for name, file in used.items() if name not in listed} == {}
    assert listed - {*used} == {"ENCORE_DATA"}, "which tests and benchmarks read"


def test_rows_of_the_page_by_eye() -> None:
    page = document().splitlines()
    assert "| `top_k` | a whole number | between 1 and 1000 | items | `20` | length of a user's list |" in page
    assert '| `cell` | a text | one of gru, lstm |  | `"gru"` | the recurrent cell |' in page
    [epochs] = {line for line in page if line.startswith("| `epochs` | ") and "| `8` |" in line}
    assert epochs.startswith("| `epochs` | a whole number | between 1 and 10000 | epochs | `8` | most passes over")
