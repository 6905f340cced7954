"""Preflight check: asks storage and catalog, before anything is computed, whether they are there as configured.

What is wrong there is wrong input (exit code 2): it names the setting, what was answered, and an example. The same
answer in the middle of a night is a fault, which is tried again.
"""

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import (
    BadRequestError,
    ForbiddenError,
    NoSuchNamespaceError,
    NotInstalledError,
    OAuthError,
    RESTError,
    UnauthorizedError,
)
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError

from jobs.errors import InputError
from jobs.settings import Settings
from jobs.storage.catalog import NAMESPACE, open_catalog
from jobs.storage.store_check import hide_password, require_address, short

SQL = 'type = "sql", uri = "postgresql+psycopg2://catalog.example.org/encore"'
REST = 'type = "rest", uri = "https://catalog.example.org"'


def require_storage(settings: Settings) -> None:
    """InputError where warehouse or landing cannot be read and written, or the catalog does not answer."""
    for variable, address in (("ENCORE_WAREHOUSE", settings.warehouse), ("ENCORE_LANDING", settings.landing)):
        require_address(variable, address)
    require_catalog(settings)


def require_catalog(settings: Settings) -> None:
    """InputError where the catalog of the configuration does not open: unknown, unreachable, or without a driver."""
    if not settings.catalog and settings.warehouse.startswith("file://"):
        return
    kind, uri = settings.catalog.get("type", ""), hide_password(settings.catalog.get("uri", ""))
    try:
        ask(open_catalog(settings.warehouse, settings.catalog))
    except (SQLAlchemyError, NotInstalledError, ImportError) as error:
        raise _wrong(kind, uri, error, SQL) from error
    except (RequestException, RESTError, OAuthError, UnauthorizedError, ForbiddenError, BadRequestError) as error:
        raise _wrong(kind, uri, error, REST) from error
    except (ValueError, KeyError) as error:  # PyIceberg's, of properties that are unknown or missing
        raise _wrong(kind, uri, error, SQL) from error


def ask(catalog: Catalog) -> None:
    """Has a catalog answer, whatever it holds."""
    try:
        catalog.list_tables(NAMESPACE)
    except NoSuchNamespaceError:
        return


def _wrong(kind: str, uri: str, error: Exception, example: str) -> InputError:
    return InputError(
        f"[catalog] of ENCORE_CONFIG (type = {kind!r}, uri = {uri!r}) does not open: {short(error)}; "
        f"it needs what PyIceberg asks for, as in {example}"
    )
