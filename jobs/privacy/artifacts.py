"""Artifacts of models without the rows of some users. Items' embeddings stay: they are about items."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.learning.artifacts import fingerprint
from jobs.storage.files import download, upload
from models.base import ARRAYS, MANIFEST
from models.registry import REGISTRY
from schemas.names import NEURAL


def without(table: pa.Table, rows: Sequence[int], folder: str) -> pa.Table | None:
    """Rows of `models` that name artifacts without the users' rows; None where no artifact has any.

    rows: of the users in the vocabulary. folder: an address for the new artifacts.
    """
    changed = False
    models: list[dict[str, Any]] = []
    for row in table.to_pylist():
        if row["artifact"] and (new := _forget(row["artifact"], rows, f"{folder}/{row['model']}")):
            row, changed = row | new, True
        models.append(row)
    return pa.Table.from_pylist(models, schema=table.schema) if changed else None


def _forget(address: str, rows: Sequence[int], target: str) -> Mapping[str, str] | None:
    """Address and checksum of the new artifact, where the old one holds something of the users."""
    with tempfile.TemporaryDirectory() as local:
        try:
            download(address, local)
        except FileNotFoundError:
            return None  # `encore tables check` tells that it is missing
        forgotten = [_forget_one(manifest.parent, rows) for manifest in Path(local).rglob(MANIFEST)]
        if not any(forgotten):
            return None
        upload(local, target)
        return {"artifact": target, "checksum": fingerprint(Path(local))}


def _forget_one(folder: Path, rows: Sequence[int]) -> bool:
    """Takes the users out of one saved model, of which an ensemble has several."""
    name = json.loads((folder / MANIFEST).read_text())["model"]
    if name in NEURAL or name not in REGISTRY:
        return False  # networks hold items, and no user has a row (tests/models/test_registry.py)
    with np.load(folder / ARRAYS, allow_pickle=False) as stored:
        arrays = dict(stored)
    new = REGISTRY[name].without_users(arrays, np.asarray(rows, np.int64))
    if new is None:
        return False
    np.savez(folder / ARRAYS, allow_pickle=False, **new)
    return True
