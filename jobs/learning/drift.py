"""Drift of the night's events against earlier nights: volume, popularity of their items, events a user.

Tonight is compared with the last NIGHTS nights that have events, as the run pinned them; of these, nights whose volume
is not ordinary (a first import of years, a day of outage) are left out. Fewer than MIN_NIGHTS say nothing.
"""

from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt

from jobs.night import Night
from jobs.storage.sql import connect, parquet_view
from models.evaluation.drift import deciles, noise, psi
from schemas.tables import TABLES
from schemas.working import SEQUENCES, TRAIN

NIGHTS, MIN_NIGHTS = 14, 3
BINS = 10
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Drift:
    """One measure of tonight's events; it is ordinary from `low` to `high`."""

    metric: str
    value: float
    low: float
    high: float
    users: int

    @property
    def reason(self) -> str | None:
        """Why the night is refused; None where it is ordinary."""
        if self.low <= self.value <= self.high:
            return None
        return f"drift: {self.metric} {self.value:.3f} is outside {self.low:.3f} to {self.high:.3f}"


def drift(night: Night) -> list[Drift]:
    """The measures of the night; none where there are too few nights before it."""
    history: dict[str, list[str]] = {}
    for ds, path in night.history_by_night("interactions"):
        history.setdefault(ds, []).append(path)
    last = sorted(history)[-NIGHTS:]
    with connect() as db:
        schema = TABLES["interactions"].schema
        parquet_view(db, "tonight", night.tonight("interactions"), schema)
        parquet_view(db, "past", [path for ds in last for path in history[ds]], schema)
        db.execute("CREATE VIEW active AS SELECT ds, user_id, count(*) AS events FROM past GROUP BY ALL")
        db.execute("CREATE VIEW active_tonight AS SELECT user_id, count(*) AS events FROM tonight GROUP BY ALL")
        volumes = dict(db.execute("SELECT ds, count(*) FROM past GROUP BY ds").fetchall())
        domain = night.domain
        median = float(np.median([*volumes.values()])) if volumes else 0.0
        low, high = domain.min_volume, domain.max_volume
        ordinary = [ds for ds, events in volumes.items() if low * median <= events <= high * median]
        if len(ordinary) < MIN_NIGHTS:
            return []
        before = _number(db, "SELECT count(*) FROM active WHERE ds IN (SELECT unnest($ds))", ds=ordinary)
        users = _number(db, "SELECT count(*) FROM active_tonight")
        volume = _number(db, "SELECT count(*) FROM tonight") / float(np.median([volumes[ds] for ds in ordinary]))
        result = [Drift("volume", volume, low, high, users)]
        for metric, count in (("popularity_psi", by_popularity), ("activity_psi", by_activity)) if users else ():
            expected, actual = count(db, night, ordinary)
            limit = domain.max_psi + noise(before, users, len(expected))
            result.append(Drift(metric, psi(expected, actual), 0.0, limit, users))
    return result


def by_popularity(db: duckdb.DuckDBPyConnection, night: Night, nights: list[str]) -> tuple[Ints, Ints]:
    """Events of `nights` and of tonight by the popularity of their items: ten bins with a tenth of the training events
    each, most popular items first, and one for items without training events."""
    vocabulary = night.every_night("vocabulary") + night.tonight("vocabulary")
    parquet_view(db, "vocabulary", vocabulary, TABLES["vocabulary"].schema)
    parquet_view(db, "sequences", night.tonight("sequences"), SEQUENCES)
    rows = db.execute(
        """WITH learned AS (SELECT item_row, count(*) AS n FROM sequences WHERE part = $part GROUP BY item_row),
                placed AS (SELECT item_row, sum(n) OVER (ORDER BY n DESC, item_row) - n AS above FROM learned),
                binned AS (SELECT id AS item_id, (above * $bins) // (SELECT sum(n) FROM learned) AS bin
                           FROM placed JOIN (SELECT DISTINCT id, row FROM vocabulary WHERE kind = 'item')
                           ON row = item_row),
                events AS (SELECT item_id, FALSE AS tonight FROM past WHERE ds IN (SELECT unnest($nights))
                           UNION ALL SELECT item_id, TRUE FROM tonight)
           SELECT coalesce(bin, $bins)::BIGINT, tonight, count(*) FROM events LEFT JOIN binned USING (item_id)
           GROUP BY ALL""",
        {"part": TRAIN, "bins": BINS, "nights": nights},
    ).fetchall()  # fmt: skip
    counts = np.zeros((2, BINS + 1), np.int64)
    for bin, tonight, events in rows:
        counts[int(tonight), bin] = events
    return counts[0], counts[1]


def by_activity(db: duckdb.DuckDBPyConnection, night: Night, nights: list[str]) -> tuple[Ints, Ints]:
    """Users of `nights`, counted once a night, and of tonight, by their events that night: bins by the deciles of the
    nights before."""
    past = "SELECT events, count(*) FROM active WHERE ds IN (SELECT unnest($nights)) GROUP BY events ORDER BY events"
    before = np.array(db.execute(past, {"nights": nights}).fetchall(), np.int64)
    now = np.array(db.execute("SELECT events, count(*) FROM active_tonight GROUP BY events").fetchall(), np.int64)
    edges = deciles(before[:, 0], before[:, 1])
    expected, actual = (
        np.bincount(np.searchsorted(edges, part[:, 0]), part[:, 1], minlength=len(edges) + 1).astype(np.int64)
        for part in (before, now)
    )
    return expected, actual


def _number(db: duckdb.DuckDBPyConnection, sql: str, **values: object) -> int:
    return int(db.execute(sql, values).fetchall()[0][0])
