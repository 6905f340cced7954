"""Preflight check: asks storage and catalog, before anything is computed, whether they are there as configured.

What is wrong there is wrong input (exit code 2): it names the setting, what was answered, and an example. The same
answer in the middle of a night is a fault, which is tried again.
"""

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import (
    BadRequestError,
    ForbiddenError,
    NoSuchNamespaceError,
    OAuthError,
    RESTError,
    UnauthorizedError,
)
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError

from jobs.errors import UnavailableError
from jobs.settings import Settings
from jobs.storage.catalog_loading import NAMESPACE, open_catalog, wrong_catalog
from jobs.storage.store_check import require_address

REFUSALS = (RESTError, OAuthError, UnauthorizedError, ForbiddenError, BadRequestError)


def require_storage(settings: Settings) -> None:
    """InputError where warehouse or landing cannot be read and written, or the catalog does not answer."""
    for variable, address in (("ENCORE_WAREHOUSE", settings.warehouse), ("ENCORE_LANDING", settings.landing)):
        require_address(variable, address)
    require_catalog(settings)


def require_catalog(settings: Settings) -> None:
    """InputError where the catalog of the configuration does not open: unknown, unreachable, or without a driver."""
    if not settings.catalog and settings.warehouse.startswith("file://"):
        return
    try:
        ask(open_catalog(settings.warehouse, settings.catalog))
    except UnavailableError as error:
        raise wrong_catalog(settings.catalog, error.cause) from error
    except (SQLAlchemyError, RequestException, ImportError, ValueError, KeyError, *REFUSALS) as error:
        raise wrong_catalog(settings.catalog, error) from error


def ask(catalog: Catalog) -> None:
    """Has a catalog answer, whatever it holds."""
    try:
        catalog.list_tables(NAMESPACE)
    except NoSuchNamespaceError:
        return
