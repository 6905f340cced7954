"""Settings: where things are, and what one TOML file may override."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
from annotated_types import Ge

from jobs.addresses import address
from jobs.errors import InputError
from jobs.settings import ROOT, Settings, load, override
from tests.support.domains import DOMAINS

Loader = Callable[[str], Settings]


@dataclass(frozen=True)
class Choices:
    whole: Annotated[int, Ge(0)] = 1
    real: float = 0.5
    word: str = "a"
    yes: bool = False
    words: tuple[str, ...] = ("a",)
    chosen: float | None = None

    def __post_init__(self) -> None:
        if self.whole < len(self.words):
            raise ValueError(f"whole must not be below the number of words = {len(self.words)}, got {self.whole}")


@pytest.fixture
def load_toml(tmp_path: Path) -> Loader:
    """Loads settings with this text as the file that ENCORE_CONFIG names."""

    def load_text(text: str) -> Settings:
        file = tmp_path / "encore.toml"
        file.write_text(text, encoding="utf-8")
        return load({"ENCORE_CONFIG": str(file)})

    return load_text


def test_defaults_lie_under_the_clone() -> None:
    settings = load({})
    assert settings.warehouse == f"file://{ROOT}/warehouse"
    assert settings.landing == f"file://{ROOT}/landing"
    assert settings.airflow_home == str(ROOT / ".airflow")
    assert settings.state == str(ROOT / ".state")
    assert settings.airflow == str(ROOT / ".venv-airflow" / "bin" / "airflow")
    assert settings.domains == DOMAINS
    assert (settings.catalog, settings.spark, settings.models) == ({}, {}, {})
    assert settings.spark_remote is None
    assert not settings.spark_submitted


def test_the_environment_says_where_things_are() -> None:
    settings = load(
        {
            "ENCORE_WAREHOUSE": "s3://bucket/encore/",
            "ENCORE_LANDING": "/data/landing",
            "ENCORE_AIRFLOW": "/opt/airflow",
            "ENCORE_STATE": "/run/encore",
            "AIRFLOW_HOME": "/var/airflow",
            "SPARK_REMOTE": "sc://spark:15002",
            "PYSPARK_GATEWAY_PORT": "1234",
        }
    )
    assert (settings.warehouse, settings.landing) == ("s3://bucket/encore", "file:///data/landing")
    assert (settings.airflow, settings.airflow_home, settings.state) == ("/opt/airflow", "/var/airflow", "/run/encore")
    assert settings.spark_remote == "sc://spark:15002"
    assert settings.spark_submitted


def test_empty_variables_count_as_not_set() -> None:
    names = ("ENCORE_CONFIG", "ENCORE_WAREHOUSE", "ENCORE_LANDING", "ENCORE_AIRFLOW", "ENCORE_STATE", "AIRFLOW_HOME")
    assert load(dict.fromkeys(names, "")) == load({})


def test_without_argument_the_process_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENCORE_CONFIG", raising=False)
    monkeypatch.setenv("ENCORE_WAREHOUSE", "/elsewhere")
    assert load().warehouse == "file:///elsewhere"


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("/data/encore", "file:///data/encore"),
        ("/data/encore/", "file:///data/encore"),
        (Path("/data/encore"), "file:///data/encore"),
        ("/data/../encore", "file:///encore"),
        ("/with space/ü", "file:///with space/ü"),
        ("file:///data/encore/", "file:///data/encore"),
        ("/", "file:///"),
        ("s3://bucket/encore", "s3://bucket/encore"),
        ("s3a://bucket/encore//", "s3a://bucket/encore"),
        ("gs://bucket", "gs://bucket"),
        ("hdfs://name:9000/encore", "hdfs://name:9000/encore"),
        ("/odd/s3://path", "file:///odd/s3:/path"),
    ],
)
def test_addresses(place: str | Path, expected: str) -> None:
    assert address(place) == expected


@pytest.mark.parametrize("place", ["", " ", "s3://", "s3:/", "gs:///"])
def test_what_names_nothing_is_no_address(place: str) -> None:
    with pytest.raises(InputError, match="is no address"):
        address(place)


def test_a_relative_path_is_below_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert address("here/there") == f"file://{tmp_path}/here/there"


def test_the_file_overrides_domains_models_catalog_and_spark(load_toml: Loader) -> None:
    settings = load_toml(
        """
        [catalog]
        type = "rest"
        uri = "http://catalog"
        [spark]
        "spark.driver.memory" = "2g"
        "spark.sql.shuffle.partitions" = 8
        [domains.movies]
        top_k = 5
        test_share = 0.2
        max_rejected_share = 1
        [models.item_knn]
        neighbours = 50
        """
    )
    assert settings.catalog == {"type": "rest", "uri": "http://catalog"}
    assert settings.spark == {"spark.driver.memory": "2g", "spark.sql.shuffle.partitions": "8"}
    movies = settings.domains["movies"]
    assert (movies.top_k, movies.test_share, movies.max_rejected_share) == (5, 0.2, 1)
    assert movies.neighbours == DOMAINS["movies"].neighbours
    assert settings.domains["music"] == DOMAINS["music"]
    assert list(settings.domains) == list(DOMAINS)
    assert settings.models == {"item_knn": {"neighbours": 50}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[domain.movies]\ntop_k = 5", "unknown section 'domain'; there are: catalog, spark, domains, models"),
        ("[domains.books]\ntop_k = 5", "unknown domain 'books'; there are: games, movies, music"),
        ("[models.magic]\nfactors = 5", "unknown model 'magic'; there are: popularity, item_knn"),
        ("[domains.movies]\ntopk = 5", "domains.movies.topk is not a setting; there are: "),
        ("[domains.movies]\ntop_k = 5.5", "domains.movies.top_k must be a whole number, got 5.5"),
        ("[domains.movies]\ntop_k = '5'", "domains.movies.top_k must be a whole number, got '5'"),
        ("[domains.movies]\ntop_k = true", "domains.movies.top_k must be a whole number, got true"),
        ("[domains.movies]\ntest_share = '10 %'", "domains.movies.test_share must be a number, got '10 %'"),
        ("[domains.movies]\ntop_k = 0", "domains.movies.top_k must be between 1 and 1000, got 0"),
        ("[domains.movies]\ntest_share = nan", "domains.movies.test_share must be between 0.001 and 0.5, got nan"),
        ("[catalog.local]\ntype = 'sql'", "catalog.local must be a single value, got "),
    ],
)
def test_a_wrong_file_is_refused(load_toml: Loader, text: str, message: str) -> None:
    with pytest.raises(InputError, match=rf"^ENCORE_CONFIG=/.*/encore\.toml: {re.escape(message)}"):
        load_toml(text)


@pytest.mark.parametrize(
    ("text", "thing"),
    [
        ("domains = 3", "domains"),
        ("domains.movies = 3", "domains.movies"),
        ("models = 3", "models"),
        ("models.item_knn = 3", "models.item_knn"),
        ("catalog = 'x'", "catalog"),
        ("spark = [1]", "spark"),
        ("spark.jars = ['a', 'b']", "spark.jars"),
        ("domains.movies.name = 'films'", "domains.movies.name"),
        ("domains.movies.kinds = 3", "domains.movies.kinds"),
        ("domains.movies.kinds.like = 3", "domains.movies.kinds.like"),
    ],
)
def test_what_is_no_setting_of_its_kind_is_refused(load_toml: Loader, text: str, thing: str) -> None:
    with pytest.raises(InputError, match=rf"encore\.toml: {re.escape(thing)} (must be|is not)"):
        load_toml(text)


@pytest.mark.parametrize("text", ["top_k =", "[domains.movies]\ntop_k = 5\ntop_k = 6"])
def test_what_is_not_toml_is_refused_by_the_files_name(load_toml: Loader, text: str) -> None:
    with pytest.raises(InputError, match=r"^ENCORE_CONFIG=.*encore\.toml: not valid TOML: "):
        load_toml(text)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "encore.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not valid TOML: "):
        load({"ENCORE_CONFIG": str(file)})


@pytest.mark.parametrize(("name", "why"), [("missing.toml", "No such file or directory"), ("", "Is a directory")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(InputError, match=rf"^ENCORE_CONFIG={tmp_path / name}: cannot be read \({why}\)"):
        load({"ENCORE_CONFIG": str(tmp_path / name)})


def test_an_override_keeps_the_rest() -> None:
    default = Choices()
    changes = {"whole": 2, "real": 3, "word": "b", "yes": True, "words": ["b", "c"], "chosen": 4}
    assert override(default, changes, "choices") == Choices(2, 3.0, "b", True, ("b", "c"), 4.0)
    assert override(default, {}, "choices") == default == Choices()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unknown": 1}, "choices.unknown is not a setting; there are: whole, real, word, yes, words, chosen"),
        ({"whole": 1.0}, "choices.whole must be a whole number, got 1.0"),
        ({"whole": True}, "choices.whole must be a whole number, got true"),
        ({"real": "1"}, "choices.real must be a number, got '1'"),
        ({"yes": 1}, "choices.yes must be true or false, got 1"),
        ({"yes": "true"}, "choices.yes must be true or false, got 'true'"),
        ({"word": 1}, "choices.word must be a text, got 1"),
        ({"word": ["b"]}, "choices.word must be a text, got ['b']"),
        ({"words": "b"}, "choices.words must be a list of texts, got 'b'"),
        ({"words": ["b", 3]}, "choices.words must be a list of texts, got ['b', 3]"),
        ({"words": ["b", "c"]}, "choices: whole must not be below the number of words = 2, got 1"),
        ({"chosen": "1"}, "choices.chosen must be a number, got '1'"),
        ({"whole": -1}, "choices.whole must be at least 0, got -1"),
    ],
)
def test_a_wrong_override_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        override(Choices(), changes, "choices")
