"""Numbers for values in their order, however many there are: sorted in parts by range, numbered in each part."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.spark.parquet import read_folder, write_folder
from jobs.storage.files import folders, listing, parquet_rows
from jobs.storage.frames import read, write

IN_PART = (1 << 33) - 1  # monotonically_increasing_id has the number within the partition in its lower 33 bits


@dataclass(frozen=True)
class NumberedIds:
    """Values in files, sorted; `parts`: (number of the first value, files) in the order of the values."""

    folder: str
    column: str
    parts: tuple[tuple[int, tuple[str, ...]], ...]
    count: int

    def frame(self, spark: SparkSession) -> DataFrame:
        """(column, number): the values, and a long from 0 without a gap."""
        stored = read_folder(spark, self.folder, _schema(self.column), "part")
        first = F.array(*(F.lit(first).cast("long") for first, _ in self.parts or ((0, ()),)))
        return stored.withColumn("number", first[F.col("part")] + F.col("place")).drop("part", "place")

    def in_memory(self) -> tuple[pa.Array, npt.NDArray[np.int64]]:
        """All values and their numbers."""
        files = [file for _, some in self.parts for file in some]
        values = read(files, pa.schema([(self.column, pa.string())]))[self.column].combine_chunks()
        return values, np.arange(len(values))

    def names(self, numbers: npt.NDArray[np.integer[Any]]) -> pa.Array:
        """The values of some numbers; one part is in memory at a time."""
        order, parts = [np.empty(0, np.int64)], [pa.array([], pa.string())]
        ends = [first for first, _ in self.parts[1:]] + [self.count]
        for (first, files), end in zip(self.parts, ends, strict=True):
            wanted = np.flatnonzero((numbers >= first) & (numbers < end))
            if len(wanted):
                names = read(files, pa.schema([(self.column, pa.string())]))[self.column].combine_chunks()
                parts.append(names.take(pa.array(numbers[wanted] - first)))
                order.append(wanted)
        places = np.empty(len(numbers), np.int64)
        places[np.concatenate(order)] = np.arange(len(numbers))
        return pa.concat_arrays(parts).take(pa.array(places))


def _schema(column: str) -> pa.Schema:
    return pa.schema([(column, pa.string()), ("place", pa.int64()), ("part", pa.int32())])


def number_ids_in_memory(values: pa.Array, column: str, folder: str) -> NumberedIds:
    """Numbers strings that this process has in memory, as one part."""
    ordered = pa.table({column: values.take(pc.sort_indices(values)), "place": np.arange(len(values), dtype=np.int64)})
    return NumberedIds(folder, column, ((0, (write(ordered, f"{folder}/part=0"),)),), len(values))


def number_ids(values: DataFrame, column: str, folder: str) -> NumberedIds:
    """Numbers the distinct strings in `column`, the only one, in the order of their UTF-8 bytes.

    A number is the place in its part behind all earlier parts, so that no part holds everything, and how many parts
    there are changes no number.
    """
    places = {"part": F.spark_partition_id(), "place": F.monotonically_increasing_id().bitwiseAND(F.lit(IN_PART))}
    ordered = values.repartitionByRange(column).sortWithinPartitions(column).withColumns(places)
    write_folder(ordered, folder, _schema(column), "part")
    parts, count = [], 0
    there = {int(name.removeprefix("part=")) for name in folders(folder)}
    for part in range(max(there, default=-1) + 1):
        files = tuple(listing(f"{folder}/part={part}", ".parquet"))
        parts.append((count, files))
        count += sum(map(parquet_rows, files))
    return NumberedIds(folder, column, tuple(parts), count)
