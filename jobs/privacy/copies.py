"""Copies of published tables: where `encore tables export` has written, so that an erasure finds them."""

import json

from jobs.storage import files


def exports(warehouse: str) -> list[str]:
    """Addresses of all exports, whether they are still there or not."""
    content = files.read_bytes(f"{warehouse}/exports.json")
    return list(json.loads(content)) if content else []


def add_export(warehouse: str, address: str) -> None:
    """Remembers an export."""
    known = exports(warehouse)
    if address not in known:
        files.write_bytes(f"{warehouse}/exports.json", json.dumps([*known, address], indent=1).encode())
