"""Queries of the nightly HTML report on the published tables; metrics, segments and models are whatever is there.

The night's own rows come from the schema `shown`, which holds one publication. Earlier nights come from the plain
tables, as their last publications left them.
"""

import json
from typing import Any

import duckdb

from jobs.commands import JOBS
from schemas.domains import Domain, eligible
from schemas.names import DATA, FORECASTERS
from schemas.records import ModelStatus

Rows = list[dict[str, Any]]
NIGHTS = 60  # of the history
EXAMPLES = 3  # of the rejected rows, for each reason


def rows(db: duckdb.DuckDBPyConnection, query: str, **values: Any) -> Rows:
    """The rows of a query as dictionaries."""
    result: Rows = db.execute(query, values).to_arrow_table().to_pylist()
    return result


def models(db: duckdb.DuckDBPyConnection) -> Rows:
    """The night's models, the champion first."""
    return rows(
        db,
        """SELECT model, status, reason, train_seconds, artifact, checksum FROM shown.models
           ORDER BY status <> $champion, status = $failed, model""",
        champion=ModelStatus.CHAMPION,
        failed=ModelStatus.FAILED,
    )


def metrics(db: duckdb.DuckDBPyConnection) -> Rows:
    """The night's metrics of its recommenders, in the order in which they were written."""
    columns = "model, split, segment, metric, k, value, users, low, high"
    return rows(db, f"SELECT {columns} FROM shown.metrics WHERE model NOT IN $others", others=[DATA, *FORECASTERS])


def history(db: duckdb.DuckDBPyConnection, domain: str, ds: str) -> Rows:
    """Metrics of all users and of the data, the last nights up to `ds`: with `status` of the model at that night."""
    return rows(
        db,
        """WITH earlier AS (SELECT * FROM main.metrics WHERE domain = $domain AND ds < $ds
                            UNION ALL BY NAME SELECT * FROM shown.metrics),
           standing AS (SELECT * FROM main.models WHERE domain = $domain AND ds < $ds
                        UNION ALL BY NAME SELECT * FROM shown.models),
           nights AS (SELECT DISTINCT ds FROM earlier ORDER BY ds DESC LIMIT $nights)
           SELECT ds, model, split, metric, k, value, users, low, high, status
           FROM earlier SEMI JOIN nights USING (ds) LEFT JOIN standing USING (domain, ds, model)
           WHERE segment = 'all' OR model = $data ORDER BY ds, model, metric, k, split""",
        domain=domain,
        ds=ds,
        nights=NIGHTS,
        data=DATA,
    )


def publications(db: duckdb.DuckDBPyConnection, domain: str, ds: str) -> Rows:
    """The last publication of every night up to `ds`, newest first: what it was and who was champion."""
    return rows(
        db,
        """SELECT r.ds, r.state, r.run_id, m.model AS champion, m.reason
           FROM main.runs r LEFT JOIN main.models m ON m.domain = r.domain AND m.ds = r.ds AND m.status = $champion
           WHERE r.domain = $domain AND r.ds <= $ds
           QUALIFY row_number() OVER (PARTITION BY r.ds ORDER BY r.sequence DESC) = 1
           ORDER BY r.ds DESC LIMIT $nights""",
        champion=ModelStatus.CHAMPION,
        domain=domain,
        ds=ds,
        nights=NIGHTS,
    )


def totals(db: duckdb.DuckDBPyConnection, domain: Domain, ds: str) -> dict[str, int]:
    """Counts of the night: users with a list, their rows, items that may be recommended, events known so far."""
    return rows(
        db,
        f"""SELECT (SELECT count(DISTINCT user_id) FROM shown.recommendations) AS users,
                   (SELECT count(*) FROM shown.recommendations) AS recommendations,
                   (SELECT count(*) FROM shown.vocabulary WHERE kind = 'user') AS known_users,
                   (SELECT count(*) FROM shown.items) AS items,
                   (SELECT count(*) FROM shown.items WHERE {eligible(domain, ds)}) AS eligible,
                   (SELECT count(*) FROM shown.interactions) AS events""",
    )[0]


def exposure(db: duckdb.DuckDBPyConnection, domain: Domain, ds: str) -> Rows:
    """Every item that may be recommended or is, the most popular first.

    `events` of all nights so far, `lists` that hold it, `best` rank in any of them (null in none).
    """
    return rows(
        db,
        f"""WITH seen AS (SELECT item_id, count(*) AS events FROM shown.interactions GROUP BY item_id),
           listed AS (SELECT item_id, count(*) AS lists, min(rank) AS best FROM shown.recommendations GROUP BY item_id),
           offered AS (SELECT item_id FROM shown.items WHERE {eligible(domain, ds)})
           SELECT item_id, coalesce(events, 0) AS events, coalesce(lists, 0) AS lists, best
           FROM (FROM offered UNION SELECT item_id FROM listed)
           LEFT JOIN seen USING (item_id) LEFT JOIN listed USING (item_id) ORDER BY events DESC, item_id""",
    )


def count_rejected(db: duckdb.DuckDBPyConnection, ds: str) -> Rows:
    """Tonight's rejected rows by reason, the most frequent first, with a few examples; a row may have several."""
    return rows(
        db,
        """SELECT reason, count(*) AS n, list({file: file, line: line, raw: left(raw, 160)} ORDER BY file, line)[:$few]
                  AS examples
           FROM (SELECT unnest(reasons) AS reason, file, line, raw FROM shown.rejected WHERE ds = $ds)
           GROUP BY reason ORDER BY n DESC, reason""",
        ds=ds,
        few=EXAMPLES,
    )


def files(db: duckdb.DuckDBPyConnection, ds: str) -> Rows:
    """The files that the night judged, and what became of their rows (docs/deliveries.md)."""
    return rows(
        db,
        """SELECT path, delivery, mode, rows, coalesce(accepted, rows - rejected) AS accepted,
                  coalesce(known, 0) AS known, coalesce(corrected, 0) AS corrected, coalesce(held, 0) AS held,
                  rejected, withdrawn
           FROM shown.files WHERE ds = $ds ORDER BY delivery, path""",
        ds=ds,
    )


def tasks(run: dict[str, Any]) -> Rows:
    """The tasks of the run in the order of the night: seconds, peak memory (MiB), state."""
    order = {job.name: place for place, job in enumerate(JOBS)}
    result = [{"task": task, **entry} for task, entry in json.loads(run["tasks"] or "{}").items()]
    return sorted(result, key=lambda row: (order.get(row["task"], order["train"]), row["task"]))
