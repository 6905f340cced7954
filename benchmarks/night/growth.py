"""What a night's new events cost in `clean`, by how many events the table has: seconds, bytes read, memory.

    python -m benchmarks.night.growth [22000000 200000000] [--new 100000] [--again 1000] [--measurement FILE]

The table is made up: files of a million events of random users and items, as `clean` writes them, in ten nights, the
last one the night before. Its last file is real; the others are copies of one, beside each of which lies a digest of
its own, of random keys: nothing else of them is read, unless tonight's events meet these keys. Into it come `--new`
events of tonight, and the same with `--again` events of the night before, half of them with another value. Bytes are
those that the process asks the file system for (Linux counts them in /proc/self/io as rchar, from the page cache or
not).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.shared.measurement import Cell, Table, measured_now, write
from jobs.cleaning.growth import grow
from jobs.cleaning.keys import BITS, write_digest
from jobs.cleaning.pieces import IDS, Given, Judging, Landed, Source
from jobs.cleaning.spec import INTERACTIONS
from jobs.cleaning.spread import here
from jobs.cleaning.writing import constant, write_rows
from jobs.job import peak_mib
from jobs.settings import read_domains
from jobs.storage import frames
from jobs.storage.files import create_folder
from models.histories import DAY_MICROSECONDS
from schemas.domains import placeholders
from schemas.landing import LANDING

DOMAIN, DS, NIGHTS, FILE_ROWS = "movies", "2026-03-11", 10, 1_000_000
USERS, ITEM_IDS = 138_000, 26_000
COLUMNS = ("events in the table", "new events", "events again, half corrected", "seconds", "MiB read", "peak MiB")


def day(number: int) -> np.datetime64:
    """The midnight with which a night's day begins; 0 is tonight's."""
    return np.datetime64(DS, "us") + number * np.timedelta64(1, "D")


def events(count: int, night: int, seed: int) -> pa.Table:
    """Columns of `interactions` that a delivery brings, of random seconds of a night's day."""
    random = np.random.default_rng(seed)
    ids = {
        name: pa.DictionaryArray.from_arrays(
            pa.array(random.integers(0, n, count).astype(np.int32)), pa.array(np.arange(n)).cast(pa.string())
        )
        for name, n in (("user_id", USERS), ("item_id", ITEM_IDS))
    }
    times = day(night) + random.integers(0, DAY_MICROSECONDS, count).astype("timedelta64[us]")
    return pa.table(
        {
            **ids,
            "kind": constant("rating", count),
            "value": random.integers(1, 6, count).astype(np.float64),
            "ts": pa.array(times).cast(pa.timestamp("us", "UTC")),
            "ordinal": pa.nulls(count, pa.int64()),
        }
    )


def table(count: int, folder: str) -> dict[str, list[str]]:
    """Night → files of a table with so many events."""
    partitions: dict[str, list[str]] = {}
    first, last = "", -(-count // FILE_ROWS) - 1
    for number in range(last + 1):
        night = number * NIGHTS // (last + 1) - NIGHTS
        ds, size = str(day(night))[:10], min(FILE_ROWS, count - number * FILE_ROWS)
        if partitions and size == FILE_ROWS and number < last:
            partitions.setdefault(ds, []).append(copied(first, f"{folder}/{ds}", f"part-{number:05d}", number))
            continue
        rows = events(size, night, seed=number)
        columns = {name: rows[name] for name in rows.column_names}
        columns |= {"domain": constant(DOMAIN, size), "ds": constant(ds, size), "source": constant("old", size)}
        columns |= {"delivery": pa.repeat(1, size).cast(pa.int64())}
        file = write_rows(pa.table(columns), INTERACTIONS, f"{folder}/{ds}", f"part-{number:05d}")
        first = first or file
        partitions.setdefault(ds, []).append(file)
    return partitions


def copied(file: str, folder: str, name: str, seed: int) -> str:
    """The same file under another name, with a digest of random keys."""
    create_folder(folder)
    address = f"{folder}/{name}.parquet"
    os.link(file.removeprefix("file://"), address.removeprefix("file://"))
    write_digest(address, np.random.default_rng(seed).integers(0, 1 << BITS, FILE_ROWS).astype(np.uint64))
    return address


def delivery(new: int, again: int, partitions: Mapping[str, Sequence[str]], folder: str) -> Landed:
    """Tonight's events, and some of the last night's, every second of them with another value; in random order."""
    rows = events(new, 0, seed=1 << 20)
    if again:
        last = frames.read([partitions[max(partitions)][-1]], INTERACTIONS.schema).slice(0, again)
        old = last.select(rows.column_names)
        value = old["value"].to_numpy()
        value = np.where(np.arange(again) % 2, value % 5 + 1, value)
        plain = [
            pa.table({name: part[name].cast(old.schema.field(name).type) for name in rows.column_names})
            for part in (rows,)
        ]
        rows = pa.concat_tables([*plain, old.set_column(3, "value", pa.array(value))])
    rows = rows.take(pa.array(np.random.default_rng(0).permutation(rows.num_rows)))
    columns: dict[str, Any] = {name: rows[name] for name in rows.column_names}
    columns |= {"file": constant("new.csv", rows.num_rows), "line": np.arange(rows.num_rows) + 1}
    schema = LANDING["interactions"].schema
    nulls = {f.name: pa.nulls(rows.num_rows, f.type) for f in schema if f.name not in columns}
    landed = pa.table([(columns | nulls)[name] for name in schema.names], names=schema.names).cast(schema)
    return Landed(Source(2, 2, "append", "new.csv"), (frames.write(landed, folder, "landed"),), DS)


def bytes_read() -> int:
    """That this process has asked the file system for."""
    return int(dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())["rchar"])


def measure(folder: str, new: int, again: int) -> dict[str, float]:
    """Seconds, MiB read and peak memory of the growth, in this process."""
    partitions = json.loads(Path(folder, "partitions.json").read_text())
    domain = read_domains()[DOMAIN]
    items = pa.table([pa.array(np.arange(ITEM_IDS)).cast(pa.string())], schema=IDS)
    place = f"file://{folder}/new-{again}"
    known = frames.write(items, f"{place}/known", "items")
    words = placeholders(domain, DS)
    judging = Judging(DOMAIN, DS, words, (), items=known, links=None, folder=f"{place}/attempt")
    landed = delivery(new, again, partitions, f"{place}/landing")
    given = Given(INTERACTIONS, judging, partitions, new=[landed], newest=1)
    before, started = bytes_read(), time.perf_counter()
    grown = grow(given, here)
    seconds = time.perf_counter() - started
    expected = {"accepted": new, "known": again // 2, "corrected": again // 2}
    assert all(grown.counts[2].get(name, 0) == rows for name, rows in expected.items()), grown.counts
    return {"seconds": seconds, "mib_read": (bytes_read() - before) / 2**20, "peak_mib": peak_mib()}


def main() -> None:
    """Prints a line for each size and increment; writes the measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("events", nargs="*", type=int, default=[22_000_000, 200_000_000])
    parser.add_argument("--new", type=int, default=100_000)
    parser.add_argument("--again", type=int, default=1_000)
    parser.add_argument("--measurement", type=Path, help="JSON file for docs/measurements")
    parser.add_argument("--within", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.within:
        print(json.dumps(measure(args.within, args.new, args.again)))
        return
    rows: list[list[Cell]] = []
    for count in args.events:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "partitions.json").write_text(json.dumps(table(count, f"file://{folder}/table")))
            for again in (0, args.again):
                words = ["--within", folder, "--new", str(args.new), "--again", str(again)]
                module = [sys.executable, "-m", "benchmarks.night.growth"]
                done = subprocess.run([*module, *words], check=True, stdout=subprocess.PIPE)
                measured = json.loads(done.stdout)
                rows.append([f"{count:,}", f"{args.new:,}", f"{again:,}", f"{measured['seconds']:.1f}",
                             f"{measured['mib_read']:,.0f}", f"{measured['peak_mib']:,.0f}"])  # fmt: skip
                print(*rows[-1], flush=True)
    if args.measurement:
        command = f"python -m benchmarks.night.growth {' '.join(map(str, args.events))}"
        caption = "New events judged and added to the table of events, in one process, as `clean` does it."
        write(measured_now("An increment in `clean`", [command], [Table(caption, COLUMNS, rows)]), args.measurement)


if __name__ == "__main__":
    main()
