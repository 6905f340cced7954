"""`encore config`: checks the settings, shows them with their origin, or writes the page that lists them.

`jobs/cli.py` calls it, and nothing else imports it; it imports the settings, what they are made of and what checks the
places that they name, no job and no table. Begin with `__init__.py`, an action after the other; `page.py` generates
docs/settings.md.
"""

import argparse
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from jobs import settings
from jobs.backend import set_up_keras
from jobs.config.page import document, sections
from jobs.errors import DONE
from jobs.output import say, without_native_log
from jobs.settings import VARIABLES, Settings, config_source, domain_paths, read_toml

DESCRIPTION = """\
The settings: check what is configured, show it with its origin, or print the page that lists every setting.

`check` reads the file of ENCORE_CONFIG and the domains' files as `pin`, the first task of a night, does. It ends with
exit code 2 and the file, the key, the rule and the value where one is wrong. `show` prints a line for every setting of
the deployment and of the domains, and for those of models that the file changes.
"""
DEFAULT = "default"
SECRET = re.compile(r"secret|password|token|credential|access[-_.]?key|account[-_.]?key", re.IGNORECASE)


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(
        prog="encore config", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("check", help="whether the files of ENCORE_CONFIG and ENCORE_DOMAINS are right")
    actions.add_parser("show", help="every setting with the value that holds and its origin")
    actions.add_parser("document", help="the page docs/settings.md")
    return parser


def main(args: argparse.Namespace) -> int:
    """Runs one action."""
    if args.action == "document":
        set_up_keras(settings.load({}))
        with without_native_log():
            page = document()
        say(page.removesuffix("\n"))
        return DONE
    config = settings.load()
    set_up_keras(config)  # networks state their settings in modules that import Keras
    with without_native_log():
        settings.check_models(config)
    if args.action == "show":
        say(*show_settings(config))
        return DONE
    require_places(config)
    say(f"no fault in {config_source(config.config) or 'ENCORE_CONFIG, which is not set'}")
    say(f"domains: {', '.join(config.domains)}")
    return DONE


def require_places(config: Settings) -> None:
    """InputError for a warehouse, landing folder or catalog that cannot be, as far as no server has to be asked."""
    from jobs.storage.catalog_loading import require_catalog_settings  # PyIceberg takes a second to import
    from jobs.storage.files import require_folder

    require_folder(VARIABLES["warehouse"], config.warehouse)
    require_folder(VARIABLES["landing"], config.landing)
    require_catalog_settings(config.catalog)


def show_settings(config: Settings) -> Iterator[str]:
    """Lines `key = value  # origin`: the deployment, the sections, the domains, the models."""
    changes = read_toml(config.config, "") if config.config else {}
    source = config_source(config.config)
    for name, variable in VARIABLES.items():
        value = getattr(config, name)
        yield _line(name, value, DEFAULT if value in (None, getattr(settings.load({}), name)) else variable)
    for section in ("catalog", "spark"):
        yield from (_line(f"{section}.{name}", value, source) for name, value in getattr(config, section).items())
    for section in sections():
        yield from _lines(section, getattr(config, section), [(source, changes.get(section, {}))])
    for name, file in domain_paths(config.own_domains).items():
        layers = [(str(file), read_toml(str(file), "")), (source, changes.get("domains", {}).get(name, {}))]
        yield from _lines(f"domains.{name}", config.domains[name], layers)
    for model, given in config.models.items():
        yield from (_line(f"models.{model}.{name}", value, source) for name, value in given.items())


def _lines(where: str, value: Any, layers: list[tuple[str, Any]]) -> Iterator[str]:
    """The settings below a key; layers: (origin, what it says of the key), the last one holds."""
    parts = value if isinstance(value, Mapping) else {field.name: getattr(value, field.name) for field in fields(value)}
    for name, part in parts.items():
        given_by = [(origin, given[name]) for origin, given in layers if name in given]
        if isinstance(part, Mapping) or is_dataclass(part):
            yield from _lines(f"{where}.{name}", part, given_by)
        elif name != "name":  # the key says it
            yield _line(f"{where}.{name}", part, given_by[-1][0] if given_by else DEFAULT)


def _line(key: str, value: Any, origin: str) -> str:
    text = re.sub(r"://[^/@]+@", "://***@", repr(value))  # user:password@host
    return f"{key} = {'***' if SECRET.search(key) else text}  # {origin}"
