"""Pseudonyms of users: makes keys, brings what is stored to the newest key, looks ids up (docs/privacy.md).

  new-key FILE     makes a key; where the file has keys, a newer one behind them. The file is its owner's alone
  rotate           what is stored under older keys, or with ids as delivered, goes to the newest key: tables, landing
                   folder, exports, logs. Stop the domain's nights first. Killed, call it again: it goes on
  show             the pseudonyms of ids, and the SHA-256 that the DAG `erase_user` takes; only the key's holder can
  verify           decodes every file and says where pseudonyms of older keys, or ids of --users, still stand

The keys come from ENCORE_PSEUDONYM_KEY_FILE or ENCORE_PSEUDONYM_KEY. Nobody can compute an id from its pseudonym: who
has the keys and a list of ids finds it with `show --users FILE`.

examples:
  encore pseudonyms new-key ~/encore.key
  encore pseudonyms rotate --domain movies
  encore pseudonyms show --domain movies viewer-4711
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

from jobs import erase, settings
from jobs.errors import DONE, InputError
from jobs.night import published_domain
from jobs.privacy import landing, leftovers
from jobs.privacy.copies import exports
from jobs.privacy.ids import Ids, read_users, sha256
from jobs.privacy.keys import State, add_key, forms_of, read_chain, read_state, require_keys, write_state
from jobs.privacy.pseudonyms import Chain, fingerprints, version
from jobs.privacy.records import Records
from jobs.privacy.rotation import OldPseudonyms, Rotating, review_fingerprints
from jobs.privacy.rows import holds_users
from jobs.privacy.tables import ORDER, published_users, require_no_branches
from jobs.settings import Settings
from jobs.storage import files
from jobs.storage.rewrite import Rewriting
from jobs.terminal import show, size

WARNING = """{files:,} files with users of {domain}, {bytes}, are written anew, and its landed imports.
Earlier publications stop being roll-back targets: of every table that holds users only the last complete state of each
night stays. Backups of the catalog made before cannot be restored afterwards. HTML reports with old ids are deleted.
Keep all keys, the old ones too: pseudonyms are computed with the whole chain."""


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(
        prog="encore pseudonyms", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(dest="action", required=True)
    key = actions.add_parser("new-key", help="make a key")
    key.add_argument("file", type=Path, metavar="FILE")
    rotate = actions.add_parser("rotate", help="bring what is stored to the newest key")
    rotate.add_argument("--yes", action="store_true", help="do not ask")
    rotate.add_argument(
        "--idle-minutes",
        type=erase.minutes,
        default=erase.IDLE_MINUTES,
        metavar="N",
        help=f"refuse while a run has written within so many minutes (default: {erase.IDLE_MINUTES:g})",
    )
    shown = actions.add_parser("show", help="the pseudonyms of ids")
    shown.add_argument("user", nargs="?", metavar="ID")
    verify = actions.add_parser("verify", help="look for older pseudonyms, and for ids")
    for action in (rotate, shown, verify):
        action.add_argument("--domain", required=True, type=published_domain, help="whose users")
    for action in (shown, verify):
        action.add_argument("--users", metavar="FILE", help="a file with an id a line; - for standard input")
    return parser


def main(args: argparse.Namespace) -> int:
    """Runs one of the actions."""
    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "new-key": new_key,
        "rotate": rotate,
        "show": show_pseudonyms,
        "verify": verify,
    }
    return actions[args.action](args)


def new_key(args: argparse.Namespace) -> int:
    """Makes a key in a file."""
    try:
        count = add_key(args.file)
    except OSError as error:
        raise InputError(
            f"{args.file}: cannot be written ({error.strerror}); name a file in your own folder"
        ) from error
    show(
        f"{args.file} has {count} {'key' if count == 1 else 'keys'}; keep a copy where Encore is not: without it nobody"
    )
    show("can find a user by id. Nights do not need it; imports do (ENCORE_PSEUDONYM_KEY_FILE)")
    return DONE


def show_pseudonyms(args: argparse.Namespace) -> int:
    """A line for each id: id, pseudonym, SHA-256 of the pseudonym, between tabs."""
    if (args.user is None) == (args.users is None):
        raise InputError("name one ID, or --users with a file of ids")
    users = read_users(args.users) if args.user is None else [args.user]
    for user, forms in zip(users, forms_of(settings.load().warehouse, args.domain, users), strict=True):
        show(f"{user}\t{forms[-1]}\t{sha256(forms[-1])}")
    return DONE


def verify(args: argparse.Namespace) -> int:
    """Decodes every file; exit code 1 where an older pseudonym, or one of the ids, is found."""
    config = settings.load()
    chain = require_keys(read_state(config.warehouse, args.domain), read_chain())
    result = erase.verify(config, OldPseudonyms(chain))
    if args.users is not None:
        result = result.join(erase.verify(config, Ids(read_users(args.users))))
    return erase.report_findings(result)


def rotate(args: argparse.Namespace) -> int:
    """Brings a domain to the newest key."""
    config = settings.load()
    state, chain = read_state(config.warehouse, args.domain), read_chain()
    chain = require_longer(state, config, chain)
    given = fingerprints(chain.keys)
    if given == state.keys and state.rotating is None:
        show(f"nothing to do: users of {args.domain} have pseudonyms of the newest key, {given[-1]}")
        return DONE
    Records(config.warehouse).require_finished(args.domain)
    tables = Rewriting(config)
    count, total = cost(tables, args.domain)
    show(WARNING.format(files=count, domain=args.domain, bytes=size(total)))
    if not args.yes and not (sys.stdin.isatty() and input("Type yes to rotate: ").strip() == "yes"):
        raise InputError("nothing was changed; --yes confirms")
    counts = bring(config, tables, state, chain, args.idle_minutes)
    write_state(config.warehouse, State(args.domain, given))
    shown = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "nothing was there"
    show(f"rotated {args.domain} to key {given[-1]}: {shown}")
    show("next: `encore pseudonyms verify` looks for what is left")
    return DONE


def require_longer(state: State, config: Settings, chain: Chain | None) -> Chain:
    """The given keys, if they continue those of the state; InputError for others, and where the setting is off."""
    if not config.domains[state.domain].pseudonyms:
        raise InputError(
            f"domains.{state.domain}.pseudonyms is off; set it to true first, so that imports have them too"
        )
    start = state.rotating if state.rotating is not None else state.keys
    given = fingerprints(chain.keys) if chain else ()
    if chain is None or given[: len(start)] != start or (state.rotating is not None and given != start):
        return require_keys(State(state.domain, start), chain)
    return chain


def cost(tables: Rewriting, domain: str) -> tuple[int, int]:
    """Files and bytes of the domain's users in tables."""
    if files.read_bytes(f"{tables.warehouse}/format.json") is None:
        return 0, 0
    every = {
        file.path for n in ORDER if holds_users(n) for file in tables.state(n).every if file.partition[0] == domain
    }
    return len(every), sum(files.filesystem(path)[0].get_file_info(files.filesystem(path)[1]).size for path in every)


def bring(config: Settings, tables: Rewriting, state: State, chain: Chain, idle_minutes: float) -> dict[str, int]:
    """All steps, each of which may be done again: texts, tables, what nothing refers to, exports, landing."""
    domain, given = state.domain, fingerprints(chain.keys)
    published = files.read_bytes(f"{config.warehouse}/format.json") is not None
    ids: Ids = OldPseudonyms(chain) if state.keys else Ids(stored_ids(config, domain), chain.advance)
    if published:
        tables.check_format()
        tables.require_own()
        require_no_branches(tables)
        rotating = Rotating.of(tables, domain, Ids(()), f"rotation-{given[-1]}")
        rotating.chain, rotating.withhold = chain, not state.keys
        leftovers.require_idle(tables, erase.every_run(tables), idle_minutes)
    landing.clear_aside(config.landing, domain)
    write_state(config.warehouse, State(domain, state.keys, given))
    counts = {"texts": leftovers.redact_manifests(config.warehouse, domain, ids)}
    counts["state files"] = leftovers.clear_state(config, domain, ids)
    counts["logs"] = leftovers.redact_logs(leftovers.logs_of(config), ids)
    if published:
        rotating.reviews = review_fingerprints(landing.tables(config.landing, domain, "reviews"), chain)
        rotating.drop_superseded()
        runs = erase.every_run(tables)
        for name in ORDER:
            rotating.rewrite(name)
            tables.sweep(name)
        counts |= rotating.counts
        counts["files"] = leftovers.remove_unreferenced(tables, domain, ids, runs)
        counts["export files"], lost = leftovers.change_exports(
            exports(config.warehouse), domain, rotating.rename_users
        )
        for export in lost:
            show(f"the export {export} cannot be reached: delete it, or export there again")
    counts["landed rows"] = landing.advance(config.landing, domain, chain)
    return counts


def stored_ids(config: Settings, domain: str) -> Iterator[str]:
    """All ids of the domain that no key has made."""
    every = published_users(files.listing(f"{config.warehouse}/runs/{domain}", ".parquet", recursive=True))
    for users in landing.landed_users(config.landing, domain):
        every.update(user for user in users.cast(pa.string()).to_pylist() if user is not None)
    yield from (user for user in every if not version(user))
