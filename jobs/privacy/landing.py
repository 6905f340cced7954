"""The landing folder without some users: rows of theirs, and what a row's text says of them."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, flock
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import fs as arrow_fs
from pyarrow import parquet as pq

from jobs.errors import InputError
from jobs.privacy.ids import Ids
from jobs.privacy.pseudonyms import Chain, rename
from jobs.storage import files
from jobs.storage.deliveries import batch_facts, batches, deliveries, write_facts
from schemas.landing import LANDING


def landed_users(landing: str, domain: str) -> Iterator[pa.Array]:
    """The distinct users of every landed file."""
    for _, address in _list_landed(landing, domain):
        if (column := _column(address, "user_id")) is not None:
            yield column.unique()


def tables(landing: str, domain: str, name: str) -> Iterator[pa.Table]:
    """The rows of every landed file of a table."""
    for batch, address in _list_landed(landing, domain):
        if address.removeprefix(f"{batch}/").startswith(f"{name}/"):
            fs, path = files.filesystem(address)
            with fs.open_input_file(path) as source:
                yield pq.ParquetFile(source).read()


def lines_of(landing: str, domain: str, ids: Ids, wanted: Collection[tuple[int, int]]) -> dict[tuple[int, int], bool]:
    """(delivery, line) → whether the row is one of the users', for the wanted rows that have a user."""
    numbers = {number for number, _ in wanted}
    theirs_by_line: dict[tuple[int, int], bool] = {}
    for one in deliveries(landing, domain):
        for address in one.data if one.number in numbers else ():
            if (users := _column(address, "user_id")) is None:
                continue
            theirs = pc.is_in(users, value_set=ids.array).to_pylist()
            lines = (_column(address, "line") or pa.array([], pa.int64())).to_pylist()
            for user, line, gone in zip(users.to_pylist(), lines, theirs, strict=True):
                if user is not None and (one.number, line) in wanted:
                    theirs_by_line[one.number, line] = gone
    return theirs_by_line


def _list_landed(landing: str, domain: str) -> Iterator[tuple[str, str]]:
    """(import, file) of every Parquet file."""
    for night, name in batches(landing, domain):
        batch = f"{landing}/{domain}/{night}/{name}"
        for address in files.listing(batch, ".parquet", recursive=True):
            yield batch, address


def _column(address: str, name: str) -> pa.Array | None:
    fs, path = files.filesystem(address)
    with fs.open_input_file(path) as source:
        file = pq.ParquetFile(source)
        if name not in file.schema_arrow.names:
            return None
        column = file.read(columns=[name])[name].combine_chunks()
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def erase(landing: str, domain: str, ids: Ids) -> int:
    """Writes the landed files that have the users anew, each replaced when it is whole; returns the rows that went."""
    return _rewrite(
        landing,
        domain,
        lambda table, address: _erase_file(address, ids),
        lambda finding: without_example(finding) if ids.tokens(finding) else finding,
    )


def advance(landing: str, domain: str, chain: Chain) -> int:
    """Brings the users of landed files to their pseudonyms under all keys, likewise; returns the rows."""
    return _rewrite(landing, domain, partial(_advance_file, chain=chain), without_example)


def _rewrite(landing: str, domain: str, rewrite_file: Callable[[str, str], int], shorten: Callable[[str], str]) -> int:
    """rewrite_file: (table, address) → rows that were changed. shorten: what becomes of a finding of the import."""
    clear_aside(landing, domain)
    count = 0
    for night, name in batches(landing, domain):
        batch = f"{landing}/{domain}/{night}/{name}"
        for address in files.listing(batch, ".parquet", recursive=True):
            count += rewrite_file(address.removeprefix(f"{batch}/").partition("/")[0], address)
        _settle(batch, shorten)
    return count


def _advance_file(table: str, address: str, chain: Chain) -> int:
    if not of_users(table):
        return 0
    fs, path = files.filesystem(address)
    with fs.open_input_file(path) as source:
        old = pq.ParquetFile(source).read()
    new = rename(old, chain.advance)
    if new == old:
        return 0
    replace_parquet(new, address)
    return len(new)


def _erase_file(address: str, ids: Ids) -> int:
    """Rows of the users go; of rows of nobody whose text names one, the text (a user's tag stays, as the item's)."""
    fs, path = files.filesystem(address)
    with fs.open_input_file(path) as source:
        table = pq.ParquetFile(source).read()
    raw = table["raw"]
    if "user_id" in table.column_names:
        users = table["user_id"].cast(pa.string())
        theirs = pc.is_in(users, value_set=ids.array)
        if users.null_count:
            named = [u is None and ids.tokens(r) for u, r in zip(users.to_pylist(), raw.to_pylist(), strict=True)]
            theirs = pc.or_(theirs, pa.chunked_array([pa.array(named)]))
        gone = pc.sum(theirs).as_py() or 0
        changed = table.filter(pc.invert(theirs)) if gone else None
    else:
        gone = 0
        named = [ids.tokens(text) for text in raw.to_pylist()]
        place = table.schema.get_field_index("raw")
        blank = pc.if_else(pa.array(named), "", raw).cast(table.schema.field(place).type)
        changed = table.set_column(place, table.schema.field(place), blank) if any(named) else None
    if changed is not None:
        replace_parquet(changed, address)
    return gone


def replace_parquet(table: pa.Table, address: str) -> None:
    """Writes a Parquet file in another's place: a reader sees the old one or the new one."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    files.write_bytes(address, sink.getvalue().to_pybytes())


def _settle(batch: str, shorten: Callable[[str], str]) -> None:
    """Brings `batch.json` in line with the files, whenever they were changed: rows, and examples in findings."""
    facts = batch_facts(batch)
    if facts is None:
        return
    new: dict[str, Any] = {**facts, "files": []}
    for entry in facts["files"]:
        there = [f"{batch}/{name}" for name in entry["data"]]
        new["files"].append({**entry, "rows": files.count_rows(there)} if entry["data"] else entry)
    findings = facts.get("findings", {})
    new |= {"findings": {file: [*map(shorten, some)] for file, some in findings.items()}}
    if new != {**facts, "findings": findings}:
        write_facts(batch, new)


def without_example(finding: str) -> str:
    """A finding of an import without the line and the text that it gives as an example."""
    return finding.partition(", first in line")[0]


def with_pseudonyms(batches: Iterable[pa.RecordBatch], table: str, chain: Chain) -> Iterator[pa.RecordBatch]:
    """Rows of a landing table with pseudonyms, and without their texts where these are about users; as they are where
    there are no keys."""
    for batch in batches:
        if not chain.keys or not of_users(table):
            yield batch
            continue
        yield from rename(pa.Table.from_batches([batch]), chain.of).combine_chunks().to_batches()


def of_users(table: str) -> bool:
    """Whether a row of a landing table is something that a user did, said or is."""
    return table == "annotations" or "user_id" in LANDING[table].schema.names


def clear_aside(landing: str, domain: str) -> None:
    """Removes imports that were killed on their way; InputError where one is running."""
    fs, _ = files.filesystem(landing)
    if not isinstance(fs, arrow_fs.LocalFileSystem):
        return
    for name in files.folders(f"{landing}/.aside"):
        if not name.startswith(f"{domain}-"):
            continue
        _, path = files.filesystem(f"{landing}/.aside/{name}")
        handle = os.open(path, os.O_RDONLY)
        try:
            flock(handle, LOCK_EX | LOCK_NB)
            files.delete_folder(f"{landing}/.aside/{name}")
        except BlockingIOError as error:
            raise InputError(f"{path}: an import is running; wait for it, then call `encore erase` again") from error
        finally:
            with suppress(OSError):
                flock(handle, LOCK_UN)
            os.close(handle)
