"""Eligibility groups and segments of users, and the night's settings for making lists (`models/serving/lists.py`)."""

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

    The first segment, '', is that of users of whom nothing is known, or whose segment would be too small.
    """

    group: npt.NDArray[np.int64]
    segment: npt.NDArray[np.int64]
    allowed: npt.NDArray[np.bool_]
    labels: list[str]


def serving(night: Night, audience: Audience, histories: Histories, items: Catalogue) -> Serving:
    """Prepares how lists are made for users with these `histories` (of all users, by row)."""

    @cache
    def content() -> Recommender:
        return ContentKNN(ContentKNNConfig(neighbours=NEIGHBOURS)).fit(TrainingData(histories, items))

    known = describe_items(histories, items)
    popular = popular_by_segment(histories, audience.segment, len(audience.labels))
    rules = night.domain.diversity_lambda, night.domain.exploration_slots, night_seed(night)
    users = audience.segment, popular, audience.group, audience.allowed
    return Serving(*users, known.cold, known.kinds, content, *rules)


def night_seed(night: Night) -> int:
    """The seed of exploration: another one every night, the same when a night runs again."""
    return night.seed + int(night.ds.replace("-", ""))


def audience(night: Night, known: Ids) -> Audience:
    """Finds the eligibility group and the segment of every user, from tonight's `items` and `users`."""
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
    """Eligibility groups: the group of each user, and which items each group may be recommended.

    Rules are evaluated once for each pair of a user kind (age and country) and an item kind (age rating and regions);
    users who may see the same items are one group.
    """
    db.execute(
        """CREATE TABLE item_kinds AS SELECT row, e.item_id IS NOT NULL AS eligible, age_rating, regions,
               dense_rank() OVER (ORDER BY age_rating, regions) - 1 AS item_kind
           FROM item_rows LEFT JOIN eligible e ON e.item_id = id ORDER BY row;
           CREATE TABLE user_kinds AS SELECT row, age, country,
               dense_rank() OVER (ORDER BY age, country) - 1 AS user_kind
           FROM user_rows LEFT JOIN users u ON u.user_id = id ORDER BY row"""
    )
    suitable = db.execute(
        """SELECT suits(age_rating, regions, age, country) AS suitable
           FROM (SELECT DISTINCT user_kind, age, country FROM user_kinds)
           CROSS JOIN (SELECT DISTINCT item_kind, age_rating, regions FROM item_kinds) ORDER BY user_kind, item_kind"""
    ).fetchnumpy()["suitable"]
    items = db.execute("FROM item_kinds ORDER BY row").fetchnumpy()
    user_kind = db.execute("SELECT user_kind FROM user_kinds ORDER BY row").fetchnumpy()["user_kind"]
    kinds = max(int(items["item_kind"].max(initial=0)) + 1, 1)
    patterns, group = np.unique(np.asarray(suitable, bool).reshape(-1, kinds), axis=0, return_inverse=True)
    return group[user_kind], patterns[:, items["item_kind"]] & np.asarray(items["eligible"], bool)


def _segments(db: duckdb.DuckDBPyConnection) -> tuple[npt.NDArray[np.int64], list[str]]:
    db.execute(
        f"""CREATE TABLE labelled AS SELECT row, {LIKE} AS label FROM user_rows LEFT JOIN users u ON u.user_id = id;
            CREATE TABLE segments AS SELECT label, row_number() OVER (ORDER BY count(*) DESC, label) AS number
            FROM labelled WHERE label <> '' GROUP BY label HAVING count(*) >= {SEGMENT_USERS}
            ORDER BY number LIMIT {SEGMENTS}"""
    )
    labels = [row[0] for row in db.execute("SELECT label FROM segments ORDER BY number").fetchall()]
    segments = db.execute(
        "SELECT coalesce(number, 0) AS number FROM labelled LEFT JOIN segments USING (label) ORDER BY row"
    ).fetchnumpy()["number"]
    return np.asarray(segments, np.int64), ["", *labels]
