"""The scan finds a planted id in every form of file, as it is and as a hash, and no neighbour of it."""

import base64
import gzip
import hashlib
import html
import io
import json
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from jobs.privacy.decode import USER_COLUMNS
from jobs.privacy.ids import Ids, distinctive
from jobs.privacy.scan import hits, scan
from schemas.landing import LANDING
from schemas.tables import TABLES

USER = "planted-viewer-4711"
RAW = ("keras", "sqlite", "sqlite free page", "binary", "damaged parquet")  # searched as bytes too, which know no words


def packed(write: Callable[[io.BytesIO], object]) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def zipped(content: bytes) -> bytes:
    def write(buffer: io.BytesIO) -> None:
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inner.bin", content)

    return packed(write)


def hdf5(text: str) -> bytes:
    def write(buffer: io.BytesIO) -> None:
        with h5py.File(buffer, "w") as file:
            file.create_dataset("words", data=np.array([text.encode()]), compression="gzip")

    return packed(write)


def database(text: str, folder: Path, deleted: bool) -> bytes:
    file = folder / f"{deleted}.db"
    file.unlink(missing_ok=True)
    db = sqlite3.connect(file)
    db.execute("PRAGMA secure_delete = OFF")
    db.execute("CREATE TABLE t (x TEXT)")
    db.executemany("INSERT INTO t VALUES (?)", [(f"{text} {'x' * 3000}",), ("other " * 500,)] * 5)
    if deleted:
        db.execute("DELETE FROM t")
    db.commit()
    db.close()
    return file.read_bytes()


def parquet(**columns: list[object]) -> bytes:
    return packed(lambda buffer: pq.write_table(pa.table(columns), buffer, compression="zstd"))


def forms(text: str, folder: Path) -> dict[str, bytes]:
    npz = packed(lambda buffer: np.savez_compressed(buffer, words=np.array([text, "b"])))
    return {
        "log": f"error: the row ({text}, 1)".encode(),
        "json": json.dumps({"error": [f"row {text}"]}).encode(),
        "html": f"<p>{html.escape(text)}</p>".encode(),
        "utf-16": f"user {text}".encode("utf-16"),
        "parquet": parquet(raw=[f"{text},1", "b"]),
        "parquet list": parquet(tags=[[text], ["b"]]),
        "parquet binary": parquet(data=[text.encode(), b"b"]),
        "npz": npz,
        "npz in zip": zipped(npz),
        "keras": zipped(hdf5(text)),
        "gzip": gzip.compress(f"{text},1".encode()),
        "sqlite": database(text, folder, deleted=False),
        "sqlite free page": database(text, folder, deleted=True),
        "binary": b"\0\1\2" + text.encode() + b"\0",
        "damaged parquet": b"PAR1" + text.encode() + b"PAR1",
    }


@pytest.mark.parametrize("user", [USER, 'ü\'2 "quoted" & more'])
def test_every_form_is_decoded(user: str, tmp_path: Path) -> None:
    ids, other = Ids([user]), Ids(["planted-viewer-471"])
    for form, content in forms(user, tmp_path).items():
        assert {(text, hashed) for _, text, hashed in hits(ids, content)} == {(user, False)}, form
        if form not in RAW:
            assert [*hits(other, content)] == [], form


@pytest.mark.parametrize("make", [hashlib.sha256, hashlib.sha1, hashlib.md5])
def test_hashes_are_found(make: Callable[[bytes], "hashlib._Hash"], tmp_path: Path) -> None:
    digest = make(USER.encode())
    for spelled in (digest.hexdigest(), digest.hexdigest().upper(), base64.b64encode(digest.digest()).decode()):
        for form, content in forms(spelled, tmp_path).items():
            if form not in ("binary", "sqlite free page", "damaged parquet"):
                assert {hashed for _, _, hashed in hits(Ids([USER]), content)} == {True}, (form, spelled)
    assert [*hits(Ids([USER]), b"\0" + digest.digest())] == [("", USER, True)]


def test_short_ids_count_where_they_stand_for_a_user() -> None:
    ids = Ids(["77"])
    assert not distinctive("77")
    for text in ("'77'", '"77"', "<b>77</b>", "user 77", "user_id=77", '"user_id": "77"', "--user 77"):
        assert [*ids.matches(text)], text
    for text in ("77 rows", "item 77", "77,3.5", "177", "'770'", "user 771"):
        assert not [*ids.matches(text)], text
    assert [*hits(ids, parquet(user_id=["77", "a"]))]
    assert not [*hits(ids, parquet(item_id=["77", "a"]))]
    assert [*hits(ids, parquet(kind=["user"], id=["77"]))]
    assert not [*hits(ids, parquet(kind=["item"], id=["77"]))]


def test_texts_are_redacted_word_by_word() -> None:
    ids = Ids([USER, "77"])
    text = f"rows ({USER!r}, '77') and {USER}0, 77 rows, {hashlib.sha256(USER.encode()).hexdigest()}"
    assert ids.replace_ids(text) == (f"rows ('[erased]', '[erased]') and {USER}0, 77 rows, [erased]", 3)


def test_the_name_of_a_file_counts(tmp_path: Path) -> None:
    (tmp_path / f"{USER}.csv").write_text("")
    assert [finding.place for finding in scan(Ids([USER]), [tmp_path.as_uri()]).findings] == [" (its name)"]


def test_columns_of_users_are_all_known() -> None:
    """A new column that holds users must be found by the scan and emptied by an erasure."""
    every = {name for table in (*TABLES.values(), *LANDING.values()) for name in table.schema.names}
    assert {name for name in every if "user" in name and name != "users"} == USER_COLUMNS
