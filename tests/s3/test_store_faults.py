"""A store that is slow, busy, lost, read-only or wrongly configured; and writers that die."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow.fs import S3FileSystem

from jobs import contracts, settings
from jobs.cli import main
from jobs.night import Night
from jobs.settings import Settings
from jobs.storage import files, frames, immutable, locks, store_check
from jobs.storage.catalog import Tables
from jobs.storage.sql import open_tables
from tests.support.fakes import fake_night, publish_words
from tests.support.servers import services
from tests.support.servers.s3_proxy import Store

SECRET = "secret-of-the-store"
PIN = ["pin", "--domain", "movies", "--ds", "2026-11-20", "--run", "r"]
WRITER = """
import sys, time
import numpy as np
import pyarrow as pa
from jobs.storage import frames
schema = pa.schema([("a", pa.float64())])
def batches():
    for n in range(40):
        yield pa.record_batch([np.random.default_rng(n).random(1 << 17)], schema)
        print(n, flush=True)
    time.sleep(60)
frames.write_batches(batches(), schema, sys.argv[1], "part-0")
"""


@pytest.fixture
def config(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings of an empty bucket, with a catalog in SQLite beside it."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "ENCORE_", "SPARK_"))]:
        monkeypatch.delenv(name)
    store.well()
    bucket = f"b{abs(hash(str(tmp_path)))}"
    file = tmp_path / "encore.toml"
    file.write_text(f'[catalog]\ntype = "sql"\nuri = "sqlite:///{tmp_path}/catalog.db"\n')
    for name, value in {
        "AWS_ENDPOINT_URL": store.address,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_EC2_METADATA_DISABLED": "true",
        "ENCORE_WAREHOUSE": f"s3://{bucket}/warehouse",
        "ENCORE_LANDING": f"s3://{bucket}/landing",
        "ENCORE_STATE": str(tmp_path / "state"),
        "ENCORE_CONFIG": str(file),
    }.items():
        monkeypatch.setenv(name, value)
    S3FileSystem(endpoint_override=store.address, region="us-east-1", allow_bucket_creation=True).create_dir(bucket)
    monkeypatch.setattr(store_check, "WAIT_SECONDS", 0.0)
    yield settings.load()
    store.well()


def publications(config: Settings) -> int:
    """How many nights are published."""
    return len(Tables(config).current_files("runs", "movies"))


def test_a_publication_asks_no_more_of_the_store_than_the_page_says(config: Settings, store: Store) -> None:
    fake_night(config, 1)
    immutable._small_files.cache_clear()  # as in a process of its own
    store.well()
    assert main(publish_words("run")) == 0
    print(store.requests, store.bytes_in + store.bytes_out)
    assert 100 < sum(store.requests.values()) <= 220
    assert store.bytes_in + store.bytes_out <= 1 << 20


def test_a_slow_and_busy_store_changes_nothing(config: Settings, store: Store) -> None:
    store.latency, store.busy_every = 0.02, 9
    fake_night(config, 1)
    assert main(publish_words("run")) == 0
    assert publications(config) == 1
    assert sum(store.requests.values()) > 100


def test_a_file_that_is_shorter_than_a_refusal_is_read_after_it(config: Settings, store: Store) -> None:
    files.write_bytes(f"{config.warehouse}/short", b"12")
    store.well()
    store.busy_every = 4  # a reading asks for the size, then for the content
    assert [files.read_bytes(f"{config.warehouse}/short") for _ in range(2)] == [b"12", b"12"]
    assert store.requests["GET"] == 3


def test_a_lost_store_is_a_fault_and_the_night_goes_on_when_it_is_back(
    config: Settings, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    fake_night(config, 1)
    store.lost = True
    began = time.monotonic()
    assert main(publish_words("run")) == 1
    assert time.monotonic() - began < 120
    assert "error: publish" in capsys.readouterr().err
    store.well()
    assert main(publish_words("run")) == 0
    assert publications(config) == 1


def test_a_store_that_turns_read_only_publishes_nothing(config: Settings, store: Store) -> None:
    fake_night(config, 1)
    store.read_only = True
    assert main(publish_words("run")) == 1
    store.well()
    assert publications(config) == 0


def test_of_a_writer_that_is_killed_nothing_shows(config: Settings) -> None:
    folder = f"{config.warehouse}/dying"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, folder], stdout=subprocess.PIPE, cwd=services.ROOT, text=True
    )
    assert writer.stdout is not None
    for line in writer.stdout:  # 40 MiB are on their way, in parts of an upload
        if line.strip() == "39":
            break
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert files.listing(folder, recursive=True) == []
    assert files.read_bytes(f"{folder}/part-0.parquet") is None
    frames.write(pa.table({"a": [1.0]}), folder)
    assert files.parquet_rows(f"{folder}/part-0.parquet") == 1


def wrong(words: list[str], message: str, capsys: pytest.CaptureFixture[str], config: Settings) -> None:
    """The command ends with exit code 2 and this message; no Spark was started, no secret said."""
    assert main(words) == 2
    output = "".join(capsys.readouterr())
    assert message in output.replace("\n", " ")
    assert SECRET not in output
    assert not (Path(config.state) / "spark").exists()


STARTS = pytest.mark.parametrize("words", [PIN, ["spark", "start", "--run", "r"]], ids=["pin", "spark"])


@STARTS
@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        (
            "AWS_ENDPOINT_URL",
            "127.0.0.1:9000",
            "AWS_ENDPOINT_URL=127.0.0.1:9000: must be http:// or https:// and a host",
        ),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1", "http://127.0.0.1:1 does not answer"),
        ("AWS_MAX_ATTEMPTS", "many", "AWS_MAX_ATTEMPTS=many: must be a number from 1 to 99"),
        ("ENCORE_WAREHOUSE", "s3://not-there/warehouse", "has no bucket 'not-there'; create it"),
        ("ENCORE_CONFIG", "", "the SQLite catalog needs a local folder; name a catalog in [catalog] of ENCORE_CONFIG"),
    ],
)
def test_a_wrong_variable_is_wrong_input(
    words: list[str], variable: str, value: str, message: str, config: Settings,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv(variable, value)
    if value.endswith(":1"):
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    wrong(words, message, capsys, config)


@STARTS
@pytest.mark.parametrize(
    ("section", "message"),
    [
        ('[catalog]\ntype = "sql"\nuri = "postgresql+psycopg2://encore:hidden@127.0.0.1:1/encore"', "does not open: "),
        ('[catalog]\ntype = "rest"\nuri = "http://127.0.0.1:1"', "does not open: "),
        ('[catalog]\ntype = "nothing"', "does not open: "),
        (
            '[catalog]\ntype = "sql"\nuri = "sqlite:////x"\n"s3.endpoint" = "http://other"',
            "set AWS_ENDPOINT_URL=http://other",
        ),
        (
            '[catalog]\ntype = "sql"\nuri = "sqlite:////x"\n"s3.secret-access-key" = "hidden"',
            "set AWS_SECRET_ACCESS_KEY",
        ),
    ],
)
def test_a_wrong_catalog_is_wrong_input(
    words: list[str], section: str, message: str, config: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "encore.toml").write_text(section)
    assert main(words) == 2
    output = "".join(capsys.readouterr())
    assert message in output
    assert "hidden" not in output
    assert not (Path(config.state) / "spark").exists()


@STARTS
def test_a_store_that_denies_or_cannot_be_written_is_wrong_input(
    words: list[str], config: Settings, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    for fault in ("denied", "read_only"):
        store.well()
        setattr(store, fault, True)
        wrong(words, "the environment needs AWS_ACCESS_KEY_ID", capsys, config)


def test_a_jar_that_is_not_there_is_wrong_input(
    config: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "encore.toml").open("a") as file:
        file.write('[spark]\n"spark.jars" = "/opt/none.jar"\n')
    wrong(
        ["spark", "start", "--run", "r"],
        '[spark] "spark.jars" of ENCORE_CONFIG: there is no /opt/none.jar',
        capsys,
        config,
    )


def test_two_publications_of_a_domain_wait_for_each_other(config: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """As from two machines: an object store has no locks, so the catalog holds one."""
    monkeypatch.setattr(locks, "POLL", 0.1)
    for mark in (1, 2):
        fake_night(config, mark, run=f"run{mark}")
    check, order, codes = contracts.check, [], []
    second = threading.Thread(target=lambda: codes.append(main(publish_words("run2"))))

    def watched(night: Night, *more: object) -> None:
        order.append(night.run.run_id)
        if night.run.run_id == "run1":
            second.start()
            second.join(5)
            order.append("run1")
        check(night, *more)

    monkeypatch.setattr(contracts, "check", watched)
    assert main(publish_words("run1")) == 0
    second.join(120)
    assert (codes, order) == ([0], ["run1", "run1", "run2"])
    assert publications(config) == 2
    with open_tables(Tables(config)) as db:
        assert db.execute("SELECT run_id, sequence FROM runs ORDER BY sequence").fetchall() == [
            ("run1", 1),
            ("run2", 2),
        ]


def test_a_publication_that_was_taken_over_commits_nothing_more(
    config: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_night(config, 1)
    check = contracts.check

    def suspended(night: Night, *more: object) -> None:
        check(night, *more)
        night.tables.catalog.create_table(f"{locks.NAMESPACE}.movies_2", locks.SCHEMA)  # what another run does then

    monkeypatch.setattr(contracts, "check", suspended)
    assert main(publish_words("run")) == 1
    assert "another process has taken over the lock of movies" in capsys.readouterr().err
    assert publications(config) == 0
