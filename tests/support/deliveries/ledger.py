"""Nights of deliveries through `clean` itself, with the published tables in a dictionary: no Spark and no catalog."""

import argparse
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from jobs import clean, pin, settings
from jobs.night import Attempt, Night, resolve
from jobs.settings import Settings
from jobs.storage.deliveries import deliveries, identity, withdraw
from jobs.storage.frames import read
from jobs.storage.landing import new_batch
from jobs.storage.runs import Run
from schemas.domains import Domain
from schemas.landing import LANDING
from schemas.tables import TABLES

Row = dict[str, Any]
DOMAIN = "movies"
BLOCK_ROWS = 8  # that an import writes at once


class LedgerNight(Night):
    """A night whose pin is made of the ledger."""

    ledger: "Ledger"

    @cached_property
    def pin(self) -> Mapping[str, Any]:
        return self.ledger.pin(self.run.ds)

    @property
    def domain(self) -> Domain:
        return self.ledger.domain

    @cached_property
    def amended(self) -> Mapping[str, Mapping[str, list[str]]]:
        return {}


class Ledger:
    """A landing folder and the tables of what came in, as nights leave them."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.landing = (folder / "landing").as_uri()
        self.warehouse = (folder / "warehouse").as_uri()
        self.domain: Domain = replace(settings.load({}).domains[DOMAIN], max_rejected_share=1.0, **changes)
        self.tables: dict[str, dict[str, list[str]]] = {name: {} for name in (*pin.WHOLE, "runs")}
        self.catalogue: dict[str, str] = {}
        self._runs = itertools.count()

    def deliver(self, ds: str, table: str, rows: Sequence[Row], mode: str = "append", path: str = "f.csv") -> int:
        """Lands a file; returns its number."""
        return self.deliver_all(ds, {path: (table, rows)}, mode)[0]

    def deliver_all(self, ds: str, files: Mapping[str, tuple[str, Sequence[Row]]], mode: str = "append") -> list[int]:
        """Lands the files of one import."""
        content = json.dumps({path: [table, list(rows)] for path, (table, rows) in files.items()}, default=str)
        name = identity("", {}, [content])
        with new_batch(self.landing, DOMAIN, ds, name, {"mode": mode, "format": "csv", "options": {}}) as batch:
            for path, (table, rows) in files.items():
                schema = LANDING[table].schema
                full = [
                    {"raw": json.dumps(row, default=str), "file": path, "line": line, "unparsable": [], **row}
                    for line, row in enumerate(rows, start=1)
                ]
                blocks = pa.Table.from_pylist(full, schema=schema).to_batches(max_chunksize=BLOCK_ROWS)
                checksum = identity(path, {}, [content])
                batch.add(path, checksum, table, blocks, identity(table, {}, [content, path, str(next(self._runs))]))
        return [one.number for one in batch.files]

    def withdraw(self, *numbers: int) -> None:
        """Marks deliveries."""
        withdraw(self.landing, DOMAIN, numbers)

    def pin(self, ds: str) -> dict[str, Any]:
        """As the job `pin` makes it."""
        history = {
            name: sorted((night, path) for night, paths in nights.items() for path in paths)
            for name, nights in self.tables.items()
        }
        configuration = resolve(self.domain, ["popularity"], {})
        rules = pin.rules_fingerprint(self.domain)
        result = pin.inputs(deliveries(self.landing, DOMAIN), pin.read_judged(history), ds, rules)
        return {"history": history, "configuration": configuration, "rules": rules, **result}

    def run(self, ds: str, publish: bool = True) -> dict[str, dict[str, list[str]]]:
        """A night: cleans, and publishes what it made of all nights."""
        place = Settings(self.warehouse, self.landing, "", "", "", domains={DOMAIN: self.domain})
        night = LedgerNight(place, Run(self.warehouse, DOMAIN, ds, f"r{next(self._runs)}"))
        object.__setattr__(night, "ledger", self)
        attempt = Attempt("clean", night.run.new_attempt("clean"))
        clean.compute(night, attempt, argparse.Namespace())
        files, _ = attempt.list_written()
        made: dict[str, dict[str, list[str]]] = {}
        for name in pin.WHOLE:
            made[name] = {**attempt.facts.get("amended", {}).get(name, {}), ds: files.get(name, [])}
        if publish:
            for name, nights in made.items():
                self.tables[name] |= nights
            row = {"domain": DOMAIN, "ds": ds, "run_id": night.run.run_id, "trigger": "", "state": "complete"}
            row |= {"sequence": next(self._runs), "catalogue": attempt.facts["catalogue"]}
            from jobs.storage.frames import write

            path = write(pa.Table.from_pylist([row], schema=TABLES["runs"].schema), attempt.folder("runs"))
            self.tables["runs"].setdefault(ds, []).append(path)
        return made

    def rows(self, table: str, *, upto: str | None = None, ds: str | None = None) -> list[Row]:
        """What stands in a table."""
        nights = [night for night in self.tables[table] if (upto is None or night <= upto) and ds in (None, night)]
        paths = [path for night in sorted(nights) for path in self.tables[table][night]]
        return list(read(paths, TABLES[table].schema).to_pylist())

    def counts(self) -> dict[int, dict[str, int]]:
        """Number → outcome → rows, without zeros."""
        names = ("accepted", "known", "corrected", "held", "rejected")
        return {row["delivery"]: {n: row[n] for n in names if row[n]} for row in self.rows("files")}


Rows = Callable[..., list[Row]]
