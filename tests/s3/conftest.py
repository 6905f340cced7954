"""Deployments on an object store, each after a recipe of docs/object-storage.md: the page is what runs here."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pyarrow.fs import S3FileSystem
from pyiceberg.catalog.sql import SqlCatalog

from tests.support.servers import services
from tests.support.servers.deployment import SECRET, Deployment, blocks, settings_of_the_page
from tests.support.servers.encryption import encrypt_bucket
from tests.support.servers.rest_catalog import rest_catalog
from tests.support.servers.s3_proxy import Store, s3_proxy


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For everything that stays on this machine."""
    return tmp_path_factory.mktemp("s3")


@pytest.fixture(scope="session")
def store(folder: Path) -> Iterator[Store]:
    """moto's S3 server behind the counting proxy."""
    with services.moto(folder) as port, s3_proxy(port) as store:
        yield store


@pytest.fixture(scope="session")
def postgres(folder: Path) -> Iterator[int]:
    """PostgreSQL."""
    with services.postgres(folder) as port:
        yield port


@pytest.fixture(scope="session", params=["postgres", "rest"])
def deployment(
    request: pytest.FixtureRequest, folder: Path, store: Store, postgres: int
) -> Iterator[Deployment]:  # fmt: skip
    """A deployment after the page, with a bucket of its own, for each catalog of the page."""
    kind = request.param
    place = folder / f"with-{kind}"
    place.mkdir()
    store.well()
    make = {"endpoint_override": store.address, "access_key": "k", "secret_key": "s", "region": "us-east-1"}
    S3FileSystem(**make, allow_bucket_creation=True).create_dir(f"encore-{kind}")
    encrypt_bucket(store.address, f"encore-{kind}")
    with ExitStack() as stack:
        catalog = f"127.0.0.1:{postgres}"
        if kind == "rest":
            own = {"s3.endpoint": store.address, "s3.region": "us-east-1", "s3.access-key-id": "k"}
            sql = SqlCatalog(
                "rest",
                uri=f"sqlite:///{place}/rest.db",
                warehouse=f"s3://encore-{kind}/warehouse",
                **own,
                **{"s3.secret-access-key": "s"},
            )
            catalog = stack.enter_context(rest_catalog(sql))
        config = place / "encore.toml"
        variables = {
            **settings_of_the_page(),
            "AWS_ENDPOINT_URL": store.address,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "ENCORE_WAREHOUSE": f"s3://encore-{kind}/warehouse",
            "ENCORE_LANDING": f"s3://encore-{kind}/landing",
            "ENCORE_CONFIG": str(config),
            "ENCORE_STATE": str(place / "state"),
            "AIRFLOW_HOME": str(folder / "airflow"),
            "PGPASSWORD": services.PASSWORD,
        }
        deployment = Deployment(kind, store, place, variables, catalog)
        config.write_text(
            deployment.here(next(text for text in blocks("toml") if (kind == "rest") == ("rest" in text)))
        )
        yield deployment
