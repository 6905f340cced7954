"""What each reader can do with encrypted Parquet: why docs/privacy.md has the storage encrypt, and not the files.

Fails where a library learns it, so that the page can say so.
"""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet as pq
from pyarrow.parquet import encryption
from pyiceberg.io.pyarrow import PyArrowFileIO, parquet_file_to_data_file

from jobs.settings import Settings
from jobs.storage.catalog import Tables
from tests.support.fakes import DS, fake_night

MASTER = b"0123456789abcdef"
ROWS = pa.table({"user_id": ["planted-user-4711", "b"], "value": [1, 2]})


class Kms(encryption.KmsClient):
    """A key service that wraps data keys with one master key."""

    def __init__(self, connection: Any) -> None:
        super().__init__()

    def wrap_key(self, key: bytes, name: str) -> bytes:
        return base64.b64encode(MASTER + key)

    def unwrap_key(self, wrapped: bytes, name: str) -> bytes:
        return base64.b64decode(wrapped)[len(MASTER) :]


FACTORY, SERVICE = encryption.CryptoFactory(Kms), encryption.KmsConnectionConfig()


def by_service(**form: Any) -> Any:
    """Envelope encryption, which Spark shares where a Java class does what `Kms` does."""
    configuration = encryption.EncryptionConfiguration(footer_key="footer", double_wrapping=False, **form)
    return FACTORY.file_encryption_properties(SERVICE, configuration)


def by_key() -> Any:
    """One key for the whole file, which DuckDB shares."""
    return encryption.create_encryption_properties(footer_key=MASTER)


@pytest.fixture(params=["uniform", "column", "key"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    made: dict[str, Callable[[], Any]] = {
        "uniform": lambda: by_service(uniform_encryption=True),
        "column": lambda: by_service(column_keys={"c": ["user_id"]}),
        "key": by_key,
    }
    path = tmp_path / "rows.parquet"
    pq.write_table(ROWS, path, encryption_properties=made[request.param]())
    assert b"planted" not in path.read_bytes()
    return request.param, path


def test_arrow_reads_it_with_the_key_alone(file: tuple[str, Path]) -> None:
    form, path = file
    with pytest.raises(OSError, match="encrypted metadata"):
        pq.read_table(path)
    direct = encryption.create_decryption_properties(footer_key=MASTER)
    enveloped = FACTORY.file_decryption_properties(SERVICE, encryption.DecryptionConfiguration())
    assert pq.read_table(path, decryption_properties=direct if form == "key" else enveloped) == ROWS


def test_duckdb_reads_what_has_one_key_and_no_key_service(file: tuple[str, Path]) -> None:
    form, path = file
    db = duckdb.connect()
    db.execute(f"PRAGMA add_parquet_key('k', '{MASTER.decode()}')")
    query = f"SELECT * FROM read_parquet('{path}', encryption_config = {{footer_key: 'k'}})"
    if form == "key":
        assert db.execute(query).fetchall() == [("planted-user-4711", 1), ("b", 2)]
        return
    with pytest.raises(duckdb.Error):
        db.execute(query)


def test_polars_takes_no_key(file: tuple[str, Path]) -> None:
    with pytest.raises(pl.exceptions.ComputeError, match="decryption properties were not provided"):
        pl.read_parquet(file[1])


def test_iceberg_takes_no_key(file: tuple[str, Path], config: Settings) -> None:
    """`add_files` reads footers."""
    fake_night(config, 1, ds=DS)
    table = Tables(config)._load("users")
    with pytest.raises(OSError, match="encrypted metadata"):
        parquet_file_to_data_file(PyArrowFileIO(), table.metadata, str(file[1]))
