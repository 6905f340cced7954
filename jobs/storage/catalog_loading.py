"""Loading the catalog: that of [catalog] in the file of ENCORE_CONFIG, or a local warehouse's own in SQLite."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from pyiceberg.catalog import AVAILABLE_CATALOGS, Catalog, CatalogType, infer_catalog_type, load_catalog
from pyiceberg.exceptions import NotInstalledError
from requests.exceptions import RequestException
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from jobs.errors import InputError, UnavailableError
from jobs.storage.object_store import iceberg_properties
from jobs.storage.store_check import hide_password, short

NAMESPACE = "encore"
SQL_TABLES = ("iceberg_tables", "iceberg_namespace_properties")  # which PyIceberg makes in a new SQL catalog
SQL = 'type = "sql", uri = "postgresql+psycopg2://catalog.example.org/encore"'
REST = 'type = "rest", uri = "https://catalog.example.org"'


def open_catalog(warehouse: str, properties: Mapping[str, str], create: bool = True) -> Catalog:
    """The catalog of [catalog], or a local warehouse's own in SQLite.

    create: whether a SQLite file of [catalog] may be made. InputError where neither catalog can be, UnavailableError
    where that of [catalog] does not answer.
    """
    if not properties:
        return _load(_own_catalog(warehouse))
    require_catalog_settings(properties, create)
    try:
        return _load({"warehouse": warehouse, **iceberg_properties(properties)})
    except (DBAPIError, RequestException) as error:
        raise UnavailableError(f"{_describe(properties)} does not answer: {short(error)}", error) from error
    except (SQLAlchemyError, NotInstalledError, ImportError, ValueError, KeyError) as error:
        raise wrong_catalog(properties, error) from error


def _own_catalog(warehouse: str) -> dict[str, str]:
    if not warehouse.startswith("file://"):
        raise InputError(
            f"ENCORE_WAREHOUSE={warehouse}: the SQLite catalog needs a local folder; name a catalog in [catalog] of "
            f"ENCORE_CONFIG, as in {SQL}"
        )
    uri = f"sqlite:///{quote(warehouse.removeprefix('file://'))}/catalog.db?timeout=60"
    return {"type": "sql", "uri": uri, "warehouse": f"{warehouse}/tables"}


def _load(properties: Mapping[str, str]) -> Catalog:
    for _ in SQL_TABLES:  # another process may be making each of them in this very moment
        try:
            return load_catalog(NAMESPACE, **properties)
        except DBAPIError as error:
            if "already exists" not in str(error):
                raise
    return load_catalog(NAMESPACE, **properties)


def require_catalog_settings(properties: Mapping[str, str], create: bool = True) -> None:
    """InputError for a [catalog] that no server is needed to refuse: an unknown type, no uri, one of an unknown
    database, or a SQLite file that is not there (create: whose folder is not there)."""
    if not properties or "py-catalog-impl" in properties:
        return
    kind, uri = properties.get("type", "").lower(), properties.get("uri", "")
    known = [one.value for one in AVAILABLE_CATALOGS]
    if kind and kind not in known:
        raise wrong_catalog(properties, f"type must be one of {', '.join(known)}")
    if not uri and kind in ("", "sql", "rest", "hive"):
        raise wrong_catalog(properties, "uri is missing")
    try:
        if kind != "sql" and (kind or infer_catalog_type(NAMESPACE, dict(properties)) != CatalogType.SQL):
            return
        url = make_url(uri)
        url.get_dialect()
    except (SQLAlchemyError, ImportError, ValueError) as error:
        raise wrong_catalog(properties, error) from error
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        file = Path(url.database)
        if not (file.parent.is_dir() if create else file.exists()):
            missing = f"there is no folder {file.parent}" if create or not file.parent.is_dir() else f"no file {file}"
            raise wrong_catalog(properties, f"{missing}; make the folder, or name the file of the warehouse's catalog")


def wrong_catalog(properties: Mapping[str, str], problem: Exception | str) -> InputError:
    """The error for a [catalog] that does not open."""
    text = problem if isinstance(problem, str) else short(problem)
    example = REST if properties.get("type") == "rest" else SQL
    return InputError(f"{_describe(properties)} does not open: {text}; write it as in {example}")


def _describe(properties: Mapping[str, str]) -> str:
    kind, uri = properties.get("type", ""), hide_password(properties.get("uri", ""))
    return f"[catalog] of ENCORE_CONFIG (type = {kind!r}, uri = {uri!r})"
