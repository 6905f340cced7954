"""The object store by AWS's variables, and that PyIceberg is given the same."""

import pytest
from pyarrow.fs import LocalFileSystem

from jobs.errors import InputError
from jobs.storage.immutable import ImmutableFiles
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


def test_files_for_duckdb_are_asked_for_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("files")
    file = folder / "a"
    file.write_bytes(b"one")
    files = ImmutableFiles(LocalFileSystem(), "s3")
    assert files.protocol == "s3"
    assert files.exists(str(file))
    assert files.open(str(file), "rb").read() == b"one"
    file.unlink()
    assert files.info(str(file))["size"] == 3
    assert files.open(str(file), "rb").read() == b"one"
    assert not files.exists(str(folder / "b"))
    with pytest.raises(PermissionError, match="only read"):
        files.open(str(folder / "b"), "wb")
