"""The object store by AWS's variables, and that PyIceberg is given the same."""

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from jobs.errors import InputError
from jobs.storage import iceberg_files, immutable
from jobs.storage.iceberg_files import IcebergFiles
from jobs.storage.immutable import SMALL, ImmutableFiles, SmallFiles
from jobs.storage.object_store import ENDPOINTS, ObjectStore, Retries, iceberg_properties, object_store

VARIABLES = (*ENDPOINTS, "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_MAX_ATTEMPTS")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ObjectStore(None, None, 5)),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9000/"}, ObjectStore("http://127.0.0.1:9000", "us-east-1", 5)),
        (
            {"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_S3": "https://b"},
            ObjectStore("https://b", "us-east-1", 5),
        ),
        ({"AWS_DEFAULT_REGION": "eu-west-1", "AWS_MAX_ATTEMPTS": "9"}, ObjectStore(None, "eu-west-1", 9)),
        ({"AWS_DEFAULT_REGION": "x", "AWS_REGION": "y"}, ObjectStore(None, "y", 5)),
    ],
)
def test_the_store_of_some_variables(variables: dict[str, str], expected: ObjectStore) -> None:
    assert object_store(variables) == expected


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9000", "ftp://host", "http://host/bucket", "http://user:secret@host"])
def test_an_endpoint_that_is_none_is_named(endpoint: str) -> None:
    with pytest.raises(InputError, match=r"AWS_ENDPOINT_URL=.*: must be http:// or https:// and a host"):
        object_store({"AWS_ENDPOINT_URL": endpoint})


def test_the_catalog_is_given_the_store_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "7")
    properties = iceberg_properties({"type": "rest", "s3.connect-timeout": "9"})
    assert properties["s3.endpoint"] == "http://127.0.0.1:9000"
    assert properties["s3.region"] == "us-east-1"
    assert properties["s3.connect-timeout"] == "9"
    assert properties["s3.retry-strategy-impl"] == "jobs.storage.object_store.Retries"
    assert Retries().max_attempts == 7


@pytest.mark.parametrize(
    ("name", "variable"),
    [("s3.endpoint", "AWS_ENDPOINT_URL"), ("s3.region", "AWS_REGION"), ("s3.access-key-id", "AWS_ACCESS_KEY_ID")],
)
def test_what_only_the_catalog_would_have_is_refused(name: str, variable: str) -> None:
    with pytest.raises(InputError, match=rf"\[catalog\] {name}.* set {variable}"):
        iceberg_properties({name: "another"})


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> SmallFiles:
    """An empty cache of this process."""
    files = SmallFiles()
    monkeypatch.setattr(iceberg_files, "small_files", lambda: files)
    return files


def test_files_for_duckdb_are_asked_for_once(tmp_path_factory: pytest.TempPathFactory, kept: SmallFiles) -> None:
    folder = tmp_path_factory.mktemp("files")
    file = folder / "a"
    file.write_bytes(b"one")
    files = ImmutableFiles(LocalFileSystem(), "s3", kept)
    assert files.protocol == "s3"
    assert files.exists(str(file))
    file.unlink()
    assert files.info(str(file))["size"] == 3
    assert files.open(str(file), "rb").read() == b"one"
    assert not files.exists(str(folder / "b"))
    with pytest.raises(PermissionError, match="only read"):
        files.open(str(folder / "b"), "wb")


def test_the_files_used_longest_ago_are_forgotten_and_large_ones_never_kept(
    tmp_path: Path, kept: SmallFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(immutable, "SMALL", 4)
    monkeypatch.setattr(immutable, "KEPT", 8)
    opened = []

    def read(name: str) -> bytes:
        def open_file() -> pa.NativeFile:
            opened.append(name)
            return LocalFileSystem().open_input_file(str(tmp_path / name))

        with kept.open(name, open_file) as file:
            return bytes(file.read())

    for name, content in {"a": b"aaaa", "b": b"bbbb", "c": b"cccc", "large": b"12345"}.items():
        (tmp_path / name).write_bytes(content)
    assert [read(name) for name in ("a", "b", "a", "c")] == [b"aaaa", b"bbbb", b"aaaa", b"cccc"]
    assert opened == ["a", "b", "c"]
    assert [read(name) for name in ("a", "b", "large", "large")] == [b"aaaa", b"bbbb", b"12345", b"12345"]
    assert opened == ["a", "b", "c", "b", "large", "large"]
    assert kept.size("large", lambda: pytest.fail("its size is known")) == 5


@pytest.fixture
def tables_files(tmp_path: Path, kept: SmallFiles, monkeypatch: pytest.MonkeyPatch) -> IcebergFiles:
    """PyIceberg's access to a store that is a folder."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    monkeypatch.setattr(iceberg_files, "s3", lambda: SubTreeFileSystem(str(tmp_path), LocalFileSystem()))
    return IcebergFiles(iceberg_properties({"type": "rest"}))


def test_iceberg_reads_a_file_of_the_store_once_and_one_that_it_wrote_never(
    tmp_path: Path, tables_files: IcebergFiles
) -> None:
    (tmp_path / "read").write_bytes(b"from another")
    with tables_files.new_input("s3://read").open() as file:
        assert file.read() == b"from another"
    with tables_files.new_output("s3://written").create() as sink:
        sink.write(b"our ")
        sink.write(b"own")
    assert (tmp_path / "written").read_bytes() == b"our own"
    for name, content in {"read": b"from another", "written": b"our own"}.items():
        (tmp_path / name).unlink()
        file = tables_files.new_input(f"s3://{name}")
        assert len(file) == len(content)
        with file.open() as stream:
            assert stream.read() == content
    with pytest.raises(FileNotFoundError):
        tables_files.new_input("s3://missing").open()


def test_a_large_file_is_written_whole_and_read_from_the_store(tmp_path: Path, tables_files: IcebergFiles) -> None:
    content = bytes(SMALL) + b"end"
    with tables_files.new_output("s3://large").create() as sink:
        sink.write(content)
    assert (tmp_path / "large").read_bytes() == content
    (tmp_path / "large").write_bytes(b"other")
    with tables_files.new_input("s3://large").open() as stream:
        assert stream.read() == b"other"


def test_other_settings_of_a_catalog_hold_for_its_tables(
    tables_files: IcebergFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(iceberg_files.PyArrowFileIO, "_initialize_s3_fs", lambda self, netloc: self.properties)
    own = IcebergFiles({**iceberg_properties({"type": "rest"}), "s3.session-token": "of one table"})
    assert own._initialize_s3_fs("bucket")["s3.session-token"] == "of one table"
    assert isinstance(tables_files._initialize_s3_fs("bucket"), SubTreeFileSystem)


def test_files_of_a_local_warehouse_are_read_as_they_are(tmp_path: Path, tables_files: IcebergFiles) -> None:
    place = tmp_path / "a"
    for content in (b"one", b"two"):
        place.write_bytes(content)
        with tables_files.new_input(place.as_uri()).open() as stream:
            assert stream.read() == content
