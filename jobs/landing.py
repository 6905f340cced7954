"""The landing folder: what has been imported and waits for a night.

    <landing>/<domain>/<ds>/<batch>/batch.json            what is in the batch; a batch without it does not exist
                                   /<table>/<n>.parquet   rows in the landing format (schemas/landing.py)
"""

import json
from dataclasses import dataclass

from jobs.storage import files


@dataclass(frozen=True)
class Landed:
    """One imported file: where it stood, what it was, and the Parquet files that hold its rows."""

    path: str
    checksum: str
    table: str
    rows: int
    data: tuple[str, ...]


def landed(landing: str, domain: str, ds: str) -> list[Landed]:
    """All files imported for a domain for nights up to `ds`, oldest night first."""
    nights = [night for night in files.folders(f"{landing}/{domain}") if night <= ds]
    batches = [f"{landing}/{domain}/{n}/{b}" for n in nights for b in files.folders(f"{landing}/{domain}/{n}")]
    return [file for batch in batches for file in _read_batch(batch)]


def _read_batch(batch: str) -> list[Landed]:
    content = files.read_bytes(f"{batch}/batch.json")
    entries = json.loads(content)["files"] if content else []
    return [Landed(**{**entry, "data": tuple(f"{batch}/{name}" for name in entry["data"])}) for entry in entries]
