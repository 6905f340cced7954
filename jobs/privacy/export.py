"""All that Encore holds of one user, as JSON values: what a person may ask for."""

from typing import Any

import pyarrow.compute as pc
from pyarrow import parquet as pq

from jobs.privacy import landing
from jobs.privacy.decode import USER_COLUMNS
from jobs.privacy.ids import Ids
from jobs.privacy.rows import RAW, holds_users
from jobs.privacy.tables import raw_lines
from jobs.storage import files
from jobs.storage.deliveries import deliveries
from jobs.storage.frames import read
from jobs.storage.rewrite import Rewriting
from schemas.tables import TABLES

MEANING = {
    "vocabulary": "the number that stands for you in computations",
    "user_similarity": "people whose events are like yours, and whose lists of such people you are in",
}


def everything(tables: Rewriting, landed: str, domain: str, user: str) -> dict[str, Any]:
    """Table → rows, over all nights, then what was imported; each with what the table means."""
    ids = Ids([user])
    lines = landing.lines_of(landed, domain, ids, raw_lines(tables, domain))
    tables_of_user: dict[str, Any] = {}
    for name in (name for name in TABLES if holds_users(name)):
        paths = [path for _, path in tables.current_files(name, domain)]
        table = read(paths, TABLES[name].schema)
        if name == "vocabulary":
            mine = pc.and_(pc.equal(table["kind"], "user"), pc.equal(table["id"], user))
            rows = table.filter(mine).to_pylist()
        elif name in RAW:
            rows = [r for r in table.to_pylist() if lines.get((r["delivery"], r["line"])) or any(ids.matches(r["raw"]))]
        else:
            columns = sorted(USER_COLUMNS & set(table.column_names))
            rows = [row for column in columns for row in table.filter(pc.equal(table[column], user)).to_pylist()]
        tables_of_user[name] = {"meaning": MEANING.get(name, TABLES[name].meaning), "rows": rows}
    tables_of_user["imported"] = {"meaning": "rows as they were delivered", "rows": read_imported(landed, domain, user)}
    return {"user_id": user, "domain": domain, "tables": tables_of_user}


def read_imported(landed: str, domain: str, user: str) -> list[dict[str, Any]]:
    """The landed rows of a user, each with the number of its delivery."""
    lines: list[dict[str, Any]] = []
    for one in deliveries(landed, domain):
        for address in one.data:
            fs, path = files.filesystem(address)
            with fs.open_input_file(path) as source:
                table = pq.ParquetFile(source).read()
            if "user_id" in table.column_names:
                mine = table.filter(pc.equal(table["user_id"].cast("string"), user)).to_pylist()
                lines += [{"delivery": one.number, "table": one.table, **row} for row in mine]
    return lines
