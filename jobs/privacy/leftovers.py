"""What lies beside the tables: run folders, reports, logs, state, exports. What nothing refers to goes as a whole."""

from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet as pq

from jobs.errors import InputError
from jobs.privacy import rows
from jobs.privacy.ids import Ids
from jobs.privacy.landing import replace_parquet
from jobs.privacy.scan import scan
from jobs.settings import Settings
from jobs.storage import files
from jobs.storage.inventory import RunFolder, artifacts, delete, owner, run_folders
from jobs.storage.runs import Run
from jobs.storage.upkeep import Upkeep
from schemas.tables import TABLES

Change = Callable[[str, pa.Table], pa.Table | None]  # (name of a table, rows) → rows, None where they stay
TEXTS = (".log", ".txt", ".json", ".out", ".err")


def require_idle(tables: Upkeep, published: Collection[Run], minutes: float) -> None:
    """InputError where a run of any domain has written within the last minutes and has not ended in a publication."""
    since = datetime.now(UTC) - timedelta(minutes=minutes)
    for folder in run_folders(tables.warehouse)[0]:
        if folder.run not in published and folder.written >= since and not folder.run.run_id.startswith("erasure-"):
            raise InputError(
                f"run {folder.run.run_id} of {folder.run.domain} {folder.run.ds} wrote less than {minutes:g} minutes "
                "ago and may be under way; wait for it or end it, or give fewer --idle-minutes"
            )


def remove_unreferenced(tables: Upkeep, domain: str, ids: Ids, published: Collection[Run]) -> int:
    """Deletes what no table refers to below the domain's runs; of published runs manifests, reports without the users
    and curves stay. Returns how many files went."""
    referred = {name: {file.path for file in tables.state(name).every} for name in TABLES}
    models = artifacts(referred["models"])
    every = frozenset().union(*referred.values())
    gone: list[str] = []
    for folder in (folder for folder in run_folders(tables.warehouse)[0] if folder.run.domain == domain):
        for attempt in folder.attempts:
            for file in attempt.files:
                if owner(file.address) in every or file.address.startswith(models):
                    continue
                if folder.run not in published or not _stays(file.address, folder, ids):
                    gone.append(file.address)
    delete(gone, f"{tables.warehouse}/runs")
    return len(gone)


def _stays(address: str, folder: RunFolder, ids: Ids) -> bool:
    if address.startswith(f"{folder.run.address}/manifest/") or "_curves/" in address:
        return True
    if not address.endswith(".html"):
        return False
    text = (files.read_bytes(address) or b"").decode(errors="replace")
    return not ids.tokens(text)


def redact_manifests(warehouse: str, domain: str, ids: Ids) -> int:
    """Puts `[erased]`, or what the ids say, where errors in manifests name the users; returns in how many files."""
    addresses = files.listing(f"{warehouse}/runs/{domain}", ".json", recursive=True)
    return sum(_redact(address, ids) for address in addresses if "/manifest/" in address)


def redact_logs(folders: Iterable[str], ids: Ids) -> int:
    """The same in every text file below some folders."""
    count = 0
    for folder in folders:
        addresses = [one for one in files.listing(folder, recursive=True) if one.endswith(TEXTS)]
        count += sum(_redact(address, ids) for address in addresses)
    return count


def _redact(address: str, ids: Ids) -> bool:
    content = files.read_bytes(address)
    if content is None:
        return False
    try:
        text, count = ids.replace_ids(content.decode())
    except UnicodeDecodeError:
        return False
    if count:
        files.write_bytes(address, text.encode())
    return count > 0


def clear_state(settings: Settings, domain: str, ids: Ids) -> int:
    """Removes from the state, which holds only what may be lost, all of the domain and every file that has a user."""
    state = f"file://{Path(settings.state).resolve()}"
    for folder in ("training", "demo"):
        files.delete_folder(f"{state}/{folder}/{domain}")
    addresses = sorted({finding.address for finding in scan(ids, [state]).findings})
    for address in addresses:
        files.delete_file(address)
    return len(addresses)


def logs_of(settings: Settings) -> list[str]:
    """Folders with logs: the state's and Airflow's."""
    return [f"file://{Path(folder).resolve()}" for folder in (settings.state, f"{settings.airflow_home}/logs")]


def change_exports(addresses: Iterable[str], domain: str, change: Change) -> tuple[int, list[str]]:
    """Changes the rows of exported tables: (files written anew, exports that cannot be reached)."""
    count, lost = 0, []
    for export in addresses:
        try:
            if not files.folders(export):
                continue
        except OSError:
            lost.append(export)
            continue
        for name in (name for name in TABLES if rows.holds_users(name)):
            for address in files.listing(f"{export}/{name}/domain={domain}", ".parquet", recursive=True):
                count += _change_exported(name, address, change)
    return count, lost


def _change_exported(name: str, address: str, change: Change) -> bool:
    fs, path = files.filesystem(address)
    with fs.open_input_file(path) as source:
        new = change(name, pq.ParquetFile(source).read())
    if new is not None:
        replace_parquet(new, address)
    return new is not None
