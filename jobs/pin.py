"""Pins the inputs of a run: table snapshots, deliveries that no night has judged, and the resolved configuration.

The first task of a night. A second call in the same run keeps the first pin, so that every task may be run again and
reads the same.
"""

import argparse
import json
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from jobs.errors import InputError, RefusedError
from jobs.night import Attempt, Night, fingerprint, pinned_domain, require_over, resolve
from jobs.privacy.keys import require_rotated
from jobs.privacy.records import Records
from jobs.settings import Settings, check_models, model_config, override
from jobs.states import PUBLISHED, Publication, last_complete, last_publications
from jobs.storage import preflight
from jobs.storage.deliveries import APPEND, Delivery, deliveries
from jobs.storage.frames import read
from jobs.storage.runs import Run
from jobs.storage.upkeep import Upkeep
from schemas.domains import Domain, placeholders
from schemas.landing import LANDING
from schemas.names import MODELS, TaskState
from schemas.tables import TABLES

READ = ("files", "rejected", "held", "replaced", "interactions", "items", "users", "reviews", "vocabulary",
        "item_vectors", "models", "runs")  # fmt: skip
# Read as the domain's last publication left them: one that was killed on its way may have committed some and not all.
WHOLE = ("files", "rejected", "held", "replaced", "interactions", "items", "users", "reviews")
log = logging.getLogger(__name__)


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Keeps an earlier pin of the run, or makes one."""
    preflight.require_storage(night.settings)
    Records(night.run.warehouse).require_finished(night.run.domain)
    require_rotated(night.run.warehouse, night.run.domain)
    earlier = night.run.find("pin")
    if earlier and earlier.state == TaskState.DONE:
        log.info("run %s is pinned already; its inputs stay", night.run.run_id)
        attempt.facts |= earlier.facts
        return
    require_over(night.ds)
    configuration = configure(night, args) | {"model_settings": model_settings(night.settings, args.settings)}
    night.tables.create()
    pinned = pin_tables(night)
    if args.triggered_at:
        require_unpublished_since(night, pinned["history"]["runs"], args.triggered_at)
    rules = rules_fingerprint(pinned_domain(configuration["domain"], night.run.domain, night.settings))
    chosen = inputs(
        deliveries(night.settings.landing, night.run.domain), read_judged(pinned["history"]), night.ds, rules
    )
    if not chosen["inputs"] and not pinned["history"]["interactions"]:
        raise RefusedError(
            f"nothing was ever imported for {night.run.domain} up to {night.ds}; "
            "import files first (`encore import --help`)"
        )
    log.info("pinned %d deliveries for %s %s", len(chosen["inputs"]), night.run.domain, night.ds)
    attempt.facts |= {
        "trigger": args.trigger,
        "configuration": configuration,
        "configuration_hash": fingerprint(configuration),
        **pinned,
        **chosen,
        "rules": rules,
    }


def require_unpublished_since(night: Night, runs: Sequence[tuple[str, str]], triggered_at: str) -> None:
    """RefusedError where another run published the night after this one was triggered: it was asked for twice."""
    try:
        since = datetime.fromisoformat(triggered_at).astimezone(UTC)
    except ValueError as error:
        raise InputError(f"--triggered-at {triggered_at!r} is not a time, as in 2026-03-02T02:00:00+00:00") from error
    rows = read([path for ds, path in runs if ds == night.ds], TABLES["runs"].schema, PUBLISHED).to_pylist()
    others = last_publications(row for row in rows if row["run_id"] != night.run.run_id)
    if not others:
        return
    last = Publication.of(others[night.run.domain])
    tag = Run.of(night.settings.warehouse, last).tag(last.sequence)
    committed = Upkeep(night.settings).read_commit_time("runs", tag)
    if committed and committed > since:
        raise RefusedError(
            f"the night of {night.ds} was published by run {last.run_id} at {committed:%Y-%m-%d %H:%M:%S} UTC, after "
            f"this run was triggered ({since:%Y-%m-%d %H:%M:%S}); to compute it once more, trigger it again"
        )


def configure(night: Night, args: argparse.Namespace) -> dict[str, Any]:
    """Resolves the configuration: defaults, then the TOML file, then the trigger's form; all is checked here, before
    anything is computed."""
    check_models(night.settings)
    models = [name for name in args.models.split(",") if name]
    if not models:
        raise InputError(f"--models must name at least one of: {', '.join(MODELS)}")
    for name in models:
        if name not in MODELS:
            raise InputError(f"--models: there is no model {name!r}; there are: {', '.join(MODELS)}")
    form = {} if args.top_k is None else {"top_k": args.top_k}
    domain = override(night.settings.domains[night.run.domain], form, f"domains.{night.run.domain}")
    return resolve(domain, models, night.settings.models)


def model_settings(settings: Settings, form: str) -> dict[str, Any]:
    """Returns the settings of models that the TOML file changes, and those of `form` (JSON), which go before them."""
    try:
        changes = json.loads(form)
    except json.JSONDecodeError as error:
        raise InputError(
            f'--settings: is not JSON ({error}); give {{"lstm": {{"epochs": 5}}}}, or leave it out'
        ) from error
    if not isinstance(changes, dict) or not {*changes} <= {*MODELS}:
        raise InputError(f"--settings: {str(changes)[:100]} is no object of models; there are: {', '.join(MODELS)}")
    result = dict(settings.models)
    for name, values in changes.items():
        override(model_config(name), values, f"models.{name}", "--settings")
        result[name] = {**result.get(name, {}), **values}
    return result


def pin_tables(night: Night) -> dict[str, Any]:
    """`snapshots` of all tables, and of those that jobs read the `history`: (night, address) of the domain's files.

    With the files named here, the other jobs need not ask the catalog, and none of them has to import it. Of `models`
    those of the last complete night, as its last complete run published them: a later run that the gate refused may
    have replaced them in the table.
    """
    tables, domain = night.tables, night.run.domain
    sequence = tables.last_sequence(domain)
    left = {name: tables.find_left(name, domain, sequence) for name in WHOLE}
    snapshots = tables.snapshots() | left
    files = {name: tables.data_files(name, snapshots[name], domain=domain) for name in READ}
    runs = read([path for _, path in files["runs"]], TABLES["runs"].schema, PUBLISHED)
    last = last_complete(runs.to_pylist(), domain, before=night.ds)
    if last and (tagged := tables.find_tagged("models", Run.of(night.settings.warehouse, last).tag(last.sequence))):
        files["models"] = tables.data_files("models", tagged, domain=domain, ds=last.ds)
    return {"snapshots": snapshots, "history": files}


def read_judged(history: Mapping[str, Sequence[tuple[str, str]]]) -> list[dict[str, Any]]:
    """The rows of the published `files`: what earlier runs have judged."""
    return list(read([path for _, path in history["files"]], TABLES["files"].schema).to_pylist())


def rules_fingerprint(domain: Domain) -> str:
    """Fingerprint of all by which rows are judged, but the night: other rules judge the night's deliveries anew."""
    values = placeholders(domain, "2000-01-01")
    checks = {name: [c.violation.format(**values) for c in table.checks] for name, table in LANDING.items()}
    rest = {name: getattr(domain, name) for name in ("repetition", "unknown_items")}
    return fingerprint({"checks": checks, **rest})[:16]


def inputs(landed: Sequence[Delivery], judged: Sequence[Mapping[str, Any]], ds: str, rules: str) -> dict[str, Any]:
    """Decides what the night `ds` does with each delivery.

    inputs: no night has judged it, or this one by other rules; judged tonight. earlier: judged and staying. withdrawn:
    judged and to be taken back. A delivery that was judged before deliveries had numbers is told by its checksum.
    """
    numbered = {row["delivery"]: row for row in judged if row["delivery"] is not None}
    unnumbered = {row["checksum"]: row for row in judged if row["delivery"] is None}
    result: dict[str, list[dict[str, Any]]] = {"inputs": [], "earlier": [], "withdrawn": []}
    back = {one.number for one in landed if one.withdrawn}
    standing = [row for row in judged if row["withdrawn"] is None and row["delivery"] not in back]
    identities = {row["identity"] for row in standing if row["mode"] == APPEND}
    for one in landed:
        row = numbered.get(one.number) or unnumbered.get(one.checksum)
        if row is None:
            again = one.mode == APPEND and one.identity and one.identity in identities
            if one.ds <= ds and not one.withdrawn and not again:
                result["inputs"].append(vars(one))
                identities.add(one.identity if one.mode == APPEND else "")
        elif row["checksum"] != one.checksum:
            raise InputError(
                f"delivery {one.number} ({one.path}) is not the file that was judged as {one.number} ({row['path']}): "
                "the landing folder was emptied and counts anew; write the last number of `files` into "
                ".aside/<domain>.last there and import the file again"
            )
        elif row["withdrawn"] is None:
            known = {**vars(one), "ds": row["ds"]}
            if one.withdrawn:
                result["withdrawn"].append(known)
            elif row["ds"] == ds and row["rules"] not in (None, rules):
                result["withdrawn"].append(known)
                result["inputs"].append(vars(one))
            else:
                result["earlier"].append(known)
    there = {one.number for one in landed}
    gone = [row for number, row in numbered.items() if number not in there and row["withdrawn"] is None]
    result["earlier"] += [vars(as_purged(row)) for row in gone]
    return result


def as_purged(row: Mapping[str, Any]) -> Delivery:
    """Returns a delivery whose landed files are gone, as `files` knows it."""
    names = ("path", "checksum", "rows", "batch", "identity", "ds", "mode")
    known = {name: row[name] for name in names}
    return Delivery(**known, table=row["table_name"], data=(), number=row["delivery"])
