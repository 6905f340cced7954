"""Writes rows of a table of events: sorted by key, compressed, with the digest of their keys beside them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq

from jobs.cleaning.keys import Hashes, hashes, write_digest
from jobs.cleaning.spec import Spec
from jobs.storage.files import create_folder, filesystem
from jobs.storage.frames import write
from models.sorting import argsort_columns

Order = npt.NDArray[np.int64]


def write_rows(rows: pa.Table, spec: Spec, folder: str, name: str, keys: Hashes | None = None) -> str:
    """Writes rows with the columns of the table; `keys` are their hashes, where they are known. Returns the address."""
    keys = hashes(rows, spec.key) if keys is None else keys
    ordered = rows.take(pa.array(key_order(rows, spec.key)))
    create_folder(folder)
    address = f"{folder}/{name}.parquet"
    fs, path = filesystem(address)
    with fs.open_output_stream(path) as sink:  # without Arrow's schema: dictionaries are a matter of the file alone
        pq.write_table(ordered.select(spec.schema.names), sink, compression="zstd", store_schema=False)
    write_digest(address, keys)
    return address


def key_order(rows: pa.Table, key: Sequence[str]) -> Order:
    """The places of the rows in the order of their key; nulls last."""
    return argsort_columns([_ranks(rows[name]) for name in key])


def _ranks(column: pa.ChunkedArray) -> Order:
    array = column.combine_chunks()
    if pa.types.is_timestamp(array.type):
        return _fill(array.cast(pa.int64()))
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    places = pc.sort_indices(array.dictionary.cast(pa.string())).to_numpy()
    rank = np.empty(len(places), np.int64)
    rank[places] = np.arange(len(places))
    ranks = pa.array(rank).take(array.indices)
    return _fill(ranks)


def _fill(numbers: pa.Array) -> Order:
    if numbers.null_count:
        numbers = pc.fill_null(numbers, 1 + (pc.max(numbers).as_py() or 0))
    filled: Order = numbers.to_numpy(zero_copy_only=False)
    return filled


def constant(value: str | None, count: int) -> pa.Array:
    """A text in every row, kept once."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([value], pa.string()))


def write_versions(rows: pa.Table, ranges: int, folder: str, name: str) -> None:
    """Writes versions (jobs/cleaning/fold.py) into a folder for each range of their hashes."""
    place = range_of(rows["hash"].to_numpy(zero_copy_only=False).astype(np.uint64), ranges)
    for number in np.unique(place):
        write(rows.filter(pa.array(place == number)), f"{folder}/{number}", name)


def range_of(keys: Hashes, ranges: int) -> Order:
    """In which of so many equal ranges each hash lies."""
    return ((keys >> np.uint64(24)) * np.uint64(ranges) >> np.uint64(24)).astype(np.int64)
