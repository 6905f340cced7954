"""How the night's lists are made (`models/serving/lists.py`): who may be recommended what, and who is like whom."""

from dataclasses import dataclass
from functools import cache

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.learning.arrays import Ids
from jobs.night import Night
from jobs.storage.sql import connect, parquet_view
from models.base import Recommender, TrainingData
from models.classic.content_knn import ContentKNN, ContentKNNConfig
from models.data import Catalogue
from models.evaluation.beyond_accuracy import describe_items
from models.histories import Histories
from models.serving.lists import Serving, popular_by_segment
from schemas.domains import eligibility_sql
from schemas.tables import TABLES

SEGMENTS, SEGMENT_USERS = 500, 50  # the largest ones; fewer users are no segment
NEIGHBOURS = 200  # of an item, in content
LIKE = """concat_ws(', ', nullif(segment, ''), 'users in ' || nullif(country, ''),
    'ages ' || age // 10 * 10 || ' to ' || age // 10 * 10 + 9)"""


@dataclass(frozen=True)
class Audience:
    """Rows by user row, int64 [n_users]: `group` of `allowed`, bool [n_groups, n_items]; `segment` of `labels`.

    The first segment, '', is that of users of whom nothing is known, or who are too few alike.
    """

    group: npt.NDArray[np.int64]
    segment: npt.NDArray[np.int64]
    allowed: npt.NDArray[np.bool_]
    labels: list[str]


def serving(night: Night, audience: Audience, histories: Histories, items: Catalogue) -> Serving:
    """How lists are made where `histories` (of all users, by row) are what is known of them."""

    @cache
    def content() -> Recommender:
        return ContentKNN(ContentKNNConfig(neighbours=NEIGHBOURS)).fit(TrainingData(histories, items))

    known = describe_items(histories, items)
    popular = popular_by_segment(histories, audience.segment, len(audience.labels))
    rules = night.domain.diversity_lambda, night.domain.exploration_slots, night_seed(night)
    who = audience.segment, popular, audience.group, audience.allowed
    return Serving(*who, known.cold, known.kinds, content, *rules)


def night_seed(night: Night) -> int:
    """Another one every night, the same when a night runs again."""
    return night.seed + int(night.ds.replace("-", ""))


def audience(night: Night, known: Ids) -> Audience:
    """The users by what they may be recommended and by what they are like, from tonight's `items` and `users`."""
    with connect() as db:
        for table in ("items", "users"):
            parquet_view(db, table, night.tonight(table), TABLES[table].schema)
        for definition in eligibility_sql(night.domain, night.ds):
            db.execute(definition)
        for name, ids in (("item_rows", known.items), ("user_rows", known.users)):
            db.register(name, pa.table({"row": pa.array(np.arange(len(ids))), "id": ids}))
        group, allowed = _groups(db)
        segment, labels = _segments(db)
    return Audience(group, segment, allowed, labels)


def _groups(db: duckdb.DuckDBPyConnection) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Users of the same age and country, and items of the same rating and regions, are asked about once; users who
    may see the same are one group."""
    db.execute(
        """CREATE TABLE offered AS SELECT row, e.item_id IS NOT NULL AS may, age_rating, regions,
               dense_rank() OVER (ORDER BY age_rating, regions) - 1 AS what
           FROM item_rows LEFT JOIN eligible e ON e.item_id = id ORDER BY row;
           CREATE TABLE people AS SELECT row, age, country, dense_rank() OVER (ORDER BY age, country) - 1 AS who
           FROM user_rows LEFT JOIN users u ON u.user_id = id ORDER BY row"""
    )
    pairs = db.execute(
        """SELECT suits(age_rating, regions, age, country) AS may
           FROM (SELECT DISTINCT who, age, country FROM people)
           CROSS JOIN (SELECT DISTINCT what, age_rating, regions FROM offered) ORDER BY who, what"""
    ).fetchnumpy()["may"]
    items = db.execute("FROM offered ORDER BY row").fetchnumpy()
    who = db.execute("SELECT who FROM people ORDER BY row").fetchnumpy()["who"]
    kinds = max(int(items["what"].max(initial=0)) + 1, 1)
    patterns, group = np.unique(np.asarray(pairs, bool).reshape(-1, kinds), axis=0, return_inverse=True)
    return group[who], patterns[:, items["what"]] & np.asarray(items["may"], bool)


def _segments(db: duckdb.DuckDBPyConnection) -> tuple[npt.NDArray[np.int64], list[str]]:
    db.execute(
        f"""CREATE TABLE alike AS SELECT row, {LIKE} AS label FROM user_rows LEFT JOIN users u ON u.user_id = id;
            CREATE TABLE segments AS SELECT label, row_number() OVER (ORDER BY count(*) DESC, label) AS number
            FROM alike WHERE label <> '' GROUP BY label HAVING count(*) >= {SEGMENT_USERS}
            ORDER BY number LIMIT {SEGMENTS}"""
    )
    labels = [row[0] for row in db.execute("SELECT label FROM segments ORDER BY number").fetchall()]
    found = db.execute(
        "SELECT coalesce(number, 0) AS number FROM alike LEFT JOIN segments USING (label) ORDER BY row"
    ).fetchnumpy()["number"]
    return np.asarray(found, np.int64), ["", *labels]
