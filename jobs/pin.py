"""Pins what a run reads: table snapshots, landed files not seen before, and the resolved configuration.

The first task of a night. A second call in the same run keeps the first pin, so that every task may be run again and
reads the same.
"""

import argparse
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from jobs.errors import InputError, RefusedError
from jobs.night import Attempt, Night, fingerprint, require_over, resolved
from jobs.settings import check_models, override
from jobs.states import PUBLISHED, TaskState, last_complete
from jobs.storage import preflight
from jobs.storage.frames import read
from jobs.storage.landing import Landed, landed
from jobs.storage.runs import Run
from schemas.names import MODELS
from schemas.tables import TABLES

READ = ("files", "interactions", "items", "users", "reviews", "vocabulary", "item_vectors", "models", "runs")
log = logging.getLogger(__name__)


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Keeps an earlier pin of the run, or makes one."""
    preflight.require_storage(night.settings)
    earlier = night.run.find("pin")
    if earlier and earlier.state == TaskState.DONE:
        log.info("run %s is pinned already; its inputs stay", night.run.run_id)
        attempt.facts |= earlier.facts
        return
    require_over(night.ds)
    configuration = configure(night, args)
    night.tables.create()
    pinned = published(night)
    inputs = unseen(landed(night.settings.landing, night.run.domain, night.ds), seen(pinned["history"]), night.ds)
    if not inputs and not pinned["history"]["interactions"]:
        raise RefusedError(
            f"nothing was ever imported for {night.run.domain} up to {night.ds}; "
            "import files first (`encore import --help`)"
        )
    log.info("pinned %d files for %s %s", len(inputs), night.run.domain, night.ds)
    attempt.facts |= {
        "trigger": args.trigger,
        "configuration": configuration,
        "configuration_hash": fingerprint(configuration),
        **pinned,
        "inputs": [vars(file) for file in inputs],
    }


def configure(night: Night, args: argparse.Namespace) -> dict[str, Any]:
    """Defaults, then the TOML file, then the trigger's form; all is checked here, before anything is computed."""
    check_models(night.settings)
    models = [name for name in args.models.split(",") if name]
    if not models:
        raise InputError(f"--models must name at least one of: {', '.join(MODELS)}")
    for name in models:
        if name not in MODELS:
            raise InputError(f"--models: there is no model {name!r}; there are: {', '.join(MODELS)}")
    form = {} if args.top_k is None else {"top_k": args.top_k}
    domain = override(night.settings.domains[night.run.domain], form, f"domains.{night.run.domain}")
    return resolved(domain, models, night.settings.models)


def published(night: Night) -> dict[str, Any]:
    """`snapshots` of all tables, and of those that jobs read the `history`: (night, address) of the domain's files.

    With the files named here, the other jobs need not ask the catalog, and none of them has to import it. Of `models`
    those of the last complete night, as its last complete run published them: a later run that the gate refused may
    have replaced them in the table.
    """
    snapshots = night.tables.snapshots()
    files = {name: night.tables.data_files(name, snapshots[name], domain=night.run.domain) for name in READ}
    runs = read([path for _, path in files["runs"]], TABLES["runs"].schema, PUBLISHED)
    last = last_complete(runs.to_pylist(), night.run.domain, before=night.ds)
    if last and (tagged := night.tables.tagged("models", Run.of(night.settings.warehouse, last).tag(last.sequence))):
        files["models"] = night.tables.data_files("models", tagged, domain=last.domain, ds=last.ds)
    return {"snapshots": snapshots, "history": files}


def seen(history: Mapping[str, Sequence[tuple[str, str]]]) -> dict[str, str]:
    """Checksum → the night that cleaned it, from the published `files`."""
    paths = [path for _, path in history["files"]]
    rows = read(paths, TABLES["files"].schema, columns=["checksum", "ds"])
    return dict(zip(rows["checksum"].to_pylist(), rows["ds"].to_pylist(), strict=True))


def unseen(files: list[Landed], seen: dict[str, str], ds: str) -> list[Landed]:
    """Files that no other night than `ds` has cleaned, each checksum once; the night's own are cleaned again."""
    chosen: dict[str, Landed] = {}
    for file in files:
        if seen.get(file.checksum, ds) == ds:
            chosen.setdefault(file.checksum, file)
    return list(chosen.values())
