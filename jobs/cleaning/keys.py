"""Row keys as hashes, and digests: the sorted hashes of a file's keys, kept beside it as <file>.keys.

Two rows with different hashes have different keys; with equal hashes they may (48 bits), so that whoever finds a pair
compares the rows themselves. A digest of a million keys takes 4 MiB, its file ten to thirty.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import fs as arrow_fs
from pyarrow import parquet as pq

from jobs.storage.files import filesystem
from jobs.storage.frames import write
from models import sorting
from models.sorting import distinct, is_among

BITS = 48
SUFFIX = ".keys"
GROUP_ROWS = 1 << 17
NULL = np.uint64(0x9E3779B97F4A7C15)
Hashes = npt.NDArray[np.uint64]
NONE = np.empty(0, np.uint64)
_DIGEST = pa.schema([("key", pa.int64())])
_HASHES = pa.schema([("hash", pa.int64())])


def mix(values: Hashes) -> Hashes:
    """The finalizer of SplitMix64 (Steele, Lea & Flood 2014): every bit of the input changes half of the output's."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def hashes(table: pa.Table | pa.RecordBatch, columns: Sequence[str]) -> Hashes:
    """BITS bits for every row: equal where the columns (texts, whole numbers, times) are, nulls equal to each other."""
    every = np.zeros(table.num_rows, np.uint64)
    for column in columns:
        every = mix(every * np.uint64(3) + _of_column(table[column]))
    return every >> np.uint64(64 - BITS)


def _of_column(column: pa.ChunkedArray | pa.Array) -> Hashes:
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # too large for one array
        return np.concatenate([_of_column(chunk) for chunk in array.chunks])
    if pa.types.is_dictionary(array.type) or pa.types.is_string(array.type):
        coded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
        known = np.append(_of_texts(coded.dictionary.cast(pa.string())), NULL)
        places = pc.fill_null(coded.indices, len(known) - 1).to_numpy(zero_copy_only=False)
        result: Hashes = known[places]
        return result
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.timestamp("us", array.type.tz))
    numbers = pc.fill_null(array.cast(pa.int64()), 0).to_numpy(zero_copy_only=False).astype(np.uint64)
    mixture = mix(numbers + np.uint64(1))
    if array.null_count:
        mixture[array.is_null().to_numpy(zero_copy_only=False)] = NULL
    return mixture


def _of_texts(texts: pa.Array) -> Hashes:
    """A polynomial of the bytes modulo 2^64, then the length, mixed."""
    if not len(texts):
        return np.empty(0, np.uint64)
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    lengths = np.diff(ends)
    content = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]] if data is not None else np.empty(0, np.uint8)
    place = np.arange(len(content)) - np.repeat(ends[:-1] - ends[0], lengths)
    powers = np.cumprod(np.full(int(lengths.max(initial=1)) + 1, 0x100000001B3, np.uint64))
    terms = (content.astype(np.uint64) + np.uint64(1)) * powers[place]
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(terms)])
    return mix(sums[ends[1:] - ends[0]] - sums[ends[:-1] - ends[0]] + lengths.astype(np.uint64) * NULL)


def write_digest(address: str, keys: Hashes) -> None:
    """Keeps the sorted keys of the rows of `address` beside it."""
    fs, path = filesystem(address + SUFFIX)
    rows = pa.table([pa.array(np.sort(keys).astype(np.int64))], schema=_DIGEST)
    options = {"use_dictionary": False, "column_encoding": {"key": "DELTA_BINARY_PACKED"}, "compression": "none"}
    with fs.open_output_stream(path) as sink:
        pq.write_table(rows, sink, row_group_size=GROUP_ROWS, store_schema=False, **options)


def digest(address: str, columns: Sequence[str]) -> Hashes:
    """The sorted keys of a file's rows; computed from the rows where no digest lies beside it."""
    fs, path = filesystem(address + SUFFIX)
    if fs.get_file_info(path).type == arrow_fs.FileType.File:
        with fs.open_input_file(path) as source:
            keys: Hashes = pq.read_table(source)["key"].to_numpy().astype(np.uint64)
            return keys
    fs, path = filesystem(address)
    with fs.open_input_file(path) as source:
        batches = pq.ParquetFile(source).iter_batches(columns=list(columns))
        parts = [hashes(batch, columns) for batch in batches]
    return np.sort(np.concatenate([NONE, *parts]))


def find_common(keys: Hashes, others: Iterable[Hashes]) -> Hashes:
    """Those of the sorted `keys` that stand in one of the others, each sorted; sorted, each once."""
    parts = [_common(keys, other) for other in others]
    return distinct(np.concatenate([NONE, *parts]))


def _common(one: Hashes, other: Hashes) -> Hashes:
    few, many = (one, other) if len(one) <= len(other) else (other, one)
    common: Hashes = few[is_among(few, many)]
    return common


def find_repeated(keys: Iterator[Hashes] | Sequence[Hashes]) -> Hashes:
    """Keys that stand more than once in all of these together; sorted, each once."""
    every = np.concatenate([NONE, *keys])
    every.sort()
    return sorting.find_repeated(every)


def write_hashes(keys: Hashes, folder: str, name: str) -> str:
    """Keeps sorted hashes in a file for many pieces of work; returns its address."""
    return write(pa.table([pa.array(keys.astype(np.int64))], schema=_HASHES), folder, name)


@lru_cache(maxsize=4)
def read_hashes(address: str) -> Hashes:
    """Hashes that `write_hashes` has kept; a worker reads a file once."""
    fs, path = filesystem(address)
    with fs.open_input_file(path) as source:
        keys: Hashes = pq.read_table(source)["hash"].to_numpy().astype(np.uint64)
    return keys
