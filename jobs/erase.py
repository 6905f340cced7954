"""Erases users: what Encore keeps of them in landing, warehouse, state, logs, reports and exports (docs/privacy.md).

Name one id, or --users with a file of ids, one a line (`-`: standard input, which keeps ids out of process lists), or
--sha256 with the SHA-256 of ids. Stop the domain's nights first. Killed, call it again with the same users: it goes on.
Earlier publications stop being roll-back targets, so the command asks first; --yes answers.

--verify erases nothing: it decodes every file and says where the users, or hashes of their ids, still stand.

examples:
  encore erase 'viewer-4711' --domain movies
  encore erase --users gone.txt --domain movies --yes
  encore erase 'viewer-4711' --domain movies --verify
"""

import argparse
import math
import re
import sys
from collections.abc import Sequence
from functools import partial
from itertools import chain
from pathlib import Path

from jobs import settings
from jobs.errors import DONE, FAULT, InputError
from jobs.night import published_domain
from jobs.privacy import landing, leftovers
from jobs.privacy.copies import exports
from jobs.privacy.ids import Ids, read_users, sha256
from jobs.privacy.keys import forms_of, read_state
from jobs.privacy.records import Record, Records, Refusal, hash_with_key
from jobs.privacy.rows import without as rows_without
from jobs.privacy.scan import Scan, scan
from jobs.privacy.tables import ORDER, Erasing, published_users, raw_lines, require_no_branches
from jobs.settings import Settings
from jobs.storage import files
from jobs.storage.frames import read
from jobs.storage.rewrite import Rewriting
from jobs.storage.runs import Run
from jobs.terminal import show
from schemas.tables import TABLES

IDLE_MINUTES = 15.0
WARNING = """This cannot be undone. Earlier publications stop being roll-back targets: of every table that holds users
only the last complete state of each night stays. Backups of the catalog made before cannot be restored afterwards.
Items' vectors and similarities that were learned with the users' events stay until the next nights replace them."""
Lists = Sequence[str]


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(
        prog="encore erase", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    users = parser.add_mutually_exclusive_group(required=True)
    users.add_argument("user", nargs="?", metavar="USER", help="the user's external id")
    users.add_argument("--users", metavar="FILE", help="a file with an id a line; - for standard input")
    users.add_argument("--sha256", action="append", type=_digest, metavar="HEX", help="SHA-256 of an id; several times")
    parser.add_argument("--domain", required=True, type=published_domain, help="whose user")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--verify", action="store_true", help="erase nothing, look for what is left")
    parser.add_argument(
        "--idle-minutes",
        type=minutes,
        default=IDLE_MINUTES,
        metavar="N",
        help=f"refuse while a run has written within so many minutes (default: {IDLE_MINUTES:g})",
    )
    return parser


def minutes(text: str) -> float:
    """A number of minutes from 0 on; argparse's error otherwise."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of minutes, 0 or more, got {text[:80]!r}")
    return value


def _digest(text: str) -> str:
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError(f"must be 64 hexadecimal digits, got {text[:80]!r}")
    return text.lower()


def main(args: argparse.Namespace) -> int:
    """Erases, or verifies that it was done."""
    config = settings.load()
    require_known(config, args.domain)
    tables = Rewriting(config)
    forms = forms_of(config.warehouse, args.domain, users_of(args))
    digests = args.sha256 or [sha256(stored) for *_, stored in forms]
    if not args.verify and not args.yes and not confirm():
        raise InputError("nothing was erased; --yes confirms")
    ids = resolve(config, tables, args.domain, digests) if args.sha256 else Ids(chain.from_iterable(forms))
    if args.verify:
        return report_findings(verify(config, ids))
    record = Records(config.warehouse).start(args.domain, digests)
    counts = erase(config, tables, args.domain, ids, record, args.idle_minutes)
    Records(config.warehouse).finish(record, counts)
    shown = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "nothing was there"
    show(f"erased {len(digests):,} users of {args.domain}: {shown}")
    show("next: the same command with --verify; the next night makes lists and models without them")
    return DONE


def require_known(config: Settings, domain: str) -> None:
    """InputError for a domain that nothing is known of, as of a mistyped one: it would be said to be without the
    user."""
    places = [config.landing, f"{config.warehouse}/runs", f"{config.warehouse}/erasures"]
    if domain not in config.domains and not any(domain in files.folders(place) for place in places):
        raise InputError(f"there is no domain {domain!r}; there are: {', '.join(config.domains)}")


def users_of(args: argparse.Namespace) -> Lists:
    """The ids that were given; InputError where the file has none."""
    if args.user is not None:
        if not args.user.strip():
            raise InputError(f"{args.user!r} is no user's id: it must have a visible character")
        return [args.user]
    return [] if args.users is None else read_users(args.users)


def confirm() -> bool:
    """Asks at a terminal; without one nothing is erased."""
    show(WARNING)
    return sys.stdin.isatty() and input("Type yes to erase: ").strip() == "yes"


def resolve(config: Settings, tables: Rewriting, domain: str, digests: Lists) -> Ids:
    """The ids with some SHA-256s, from all that is landed and published; those of an unfinished erasure may be gone."""
    every = published_users(files.listing(f"{config.warehouse}/runs/{domain}", ".parquet", recursive=True))
    for users in landing.landed_users(config.landing, domain):
        every.update(user for user in users.to_pylist() if user is not None)
    by_digest = {sha256(user): user for user in every}
    erased = Refusal(config.warehouse, domain)
    unknown = [one for one in digests if one not in by_digest and hash_with_key(erased.key, one) not in erased.erased]
    if unknown:
        stored = "pseudonym's (`encore pseudonyms show`)" if read_state(config.warehouse, domain).keys else "id's"
        raise InputError(f"no user of {domain} has the SHA-256 {unknown[0]}; it is of the {stored} UTF-8 bytes")
    return Ids(by_digest[one] for one in digests if one in by_digest)


def erase(
    config: Settings, tables: Rewriting, domain: str, ids: Ids, record: Record, idle_minutes: float
) -> dict[str, int]:
    """All steps, each of which may be done again: texts, tables, what nothing refers to, landing. Rows by place."""
    counts: dict[str, int] = {}
    published = files.read_bytes(f"{config.warehouse}/format.json") is not None
    if published:
        tables.check_format()
        tables.require_own()
        require_no_branches(tables)
        erasing = Erasing.of(tables, domain, ids, record.name)
        leftovers.require_idle(tables, every_run(tables), idle_minutes)
    landing.clear_aside(config.landing, domain)
    counts["texts"] = leftovers.redact_manifests(config.warehouse, domain, ids)
    counts["state files"] = leftovers.clear_state(config, domain, ids)
    counts["logs"] = leftovers.redact_logs(leftovers.logs_of(config), ids)
    if published:
        erasing.lines = landing.lines_of(config.landing, domain, ids, raw_lines(tables, domain))
        erasing.drop_superseded()
        runs = every_run(tables)
        for name in ORDER:
            erasing.rewrite(name)
            tables.sweep(name)
        counts |= erasing.counts
        counts["files"] = leftovers.remove_unreferenced(tables, domain, ids, runs)
    remaining = partial(rows_without, ids=ids, lines={})
    counts["export files"], lost = leftovers.change_exports(exports(config.warehouse), domain, remaining)
    for export in lost:
        show(f"the export {export} cannot be reached: delete it, or export there again")
    counts["landed rows"] = landing.erase(config.landing, domain, ids)
    return counts


def every_run(tables: Rewriting) -> set[Run]:
    """Runs that have ended in a publication."""
    rows = read([file.path for file in tables.state("runs").now], TABLES["runs"].schema).to_pylist()
    return {Run(tables.warehouse, row["domain"], row["ds"], row["run_id"]) for row in rows}


def verify(config: Settings, ids: Ids) -> Scan:
    """Looks into every file of landing, warehouse, state and exports; in Airflow's home for the ids alone, since the
    form of `erase_user` leaves the SHA-256 there."""
    state, airflow = (f"file://{Path(folder).resolve()}" for folder in (config.state, config.airflow_home))
    kept = scan(ids, [config.warehouse, config.landing, state, *exports(config.warehouse)])
    return kept.join(scan(ids, [airflow], hashes=False))


def report_findings(result: Scan) -> int:
    """Prints the findings; exit code 1 where there are any."""
    show(*map(str, result.findings))
    for address in result.unread:
        show(f"{address}: could not be read")
    show(f"{len(result.findings)} findings in {result.files:,} files, {result.bytes:,} bytes")
    return FAULT if result.findings or result.unread else DONE
