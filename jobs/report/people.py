"""Ten users' lists and a few items' neighbours, as samples that a person can judge."""

from typing import Any

import duckdb

from jobs.report.facts import Rows, rows

USERS, LISTED, PAST = 10, 10, 5  # users; items of a list; of a history
ITEMS, NEIGHBOURS = 6, 5


def users(db: duckdb.DuckDBPyConnection) -> Rows:
    """Users evenly apart from the one with the most events to the one with the fewest: history, list and reasons."""
    result = rows(
        db,
        """WITH counted AS (SELECT user_id, count(*) AS n FROM shown.interactions GROUP BY user_id),
           placed AS (SELECT user_id, coalesce(n, 0) AS events,
                             row_number() OVER (ORDER BY coalesce(n, 0) DESC, user_id) - 1 AS place,
                             count(*) OVER () AS total
                      FROM (SELECT DISTINCT user_id FROM shown.recommendations) LEFT JOIN counted USING (user_id)),
           wanted AS (SELECT DISTINCT round(i * (total - 1) / ($n - 1))::bigint AS place
                      FROM range($n) t(i), (SELECT max(total) AS total FROM placed))
           SELECT user_id, events, segment, country, age FROM placed SEMI JOIN wanted USING (place)
           LEFT JOIN shown.users USING (user_id) ORDER BY place""",
        n=USERS,
    )
    ids = [user["user_id"] for user in result]
    for name, some in (("listed", _read_lists(db, ids)), ("past", _past(db, ids))):
        for user in result:
            user[name] = [row for row in some if row["user_id"] == user["user_id"]]
    return result


def _read_lists(db: duckdb.DuckDBPyConnection, ids: list[str]) -> Rows:
    return rows(
        db,
        """SELECT user_id, rank, item_id, coalesce(title, item_id) AS title, genres, poster, score, model, because
           FROM shown.recommendations LEFT JOIN shown.items USING (item_id)
           WHERE user_id IN $ids AND rank <= $n ORDER BY user_id, rank""",
        ids=ids,
        n=LISTED,
    )


def _past(db: duckdb.DuckDBPyConnection, ids: list[str]) -> Rows:
    return rows(
        db,
        """SELECT user_id, item_id, any_value(coalesce(title, item_id)) AS title, max(ts)::date AS day
           FROM shown.interactions LEFT JOIN shown.items USING (item_id) WHERE user_id IN $ids
           GROUP BY user_id, item_id
           WINDOW last AS (PARTITION BY user_id ORDER BY max(ts) DESC NULLS LAST, max(ordinal) DESC NULLS LAST, item_id)
           QUALIFY row_number() OVER last <= $n
           ORDER BY user_id, row_number() OVER last""",
        ids=ids,
        n=PAST,
    )


def similar_items(db: duckdb.DuckDBPyConnection) -> Rows:
    """Items evenly apart among the hundred most popular ones that have neighbours, each with its nearest by method."""
    result: Rows = rows(
        db,
        """WITH counted AS (SELECT item_id, count(*) AS events FROM shown.interactions
                            SEMI JOIN shown.item_similarity USING (item_id) GROUP BY item_id),
           placed AS (SELECT *, row_number() OVER (ORDER BY events DESC, item_id) - 1 AS place,
                             least(count(*) OVER (), 100) AS total FROM counted),
           wanted AS (SELECT DISTINCT round(i * (total - 1) / ($n - 1))::bigint AS place
                      FROM range($n) t(i), (SELECT max(total) AS total FROM placed))
           SELECT item_id, coalesce(title, item_id) AS title, genres, poster, events
           FROM placed SEMI JOIN wanted USING (place) LEFT JOIN shown.items USING (item_id) ORDER BY place""",
        n=ITEMS,
    )
    near = rows(
        db,
        """SELECT s.item_id, method, rank, similarity, coalesce(title, similar_item_id) AS title
           FROM shown.item_similarity s LEFT JOIN shown.items i ON i.item_id = s.similar_item_id
           WHERE s.item_id IN $ids AND rank <= $n ORDER BY ALL""",
        ids=[item["item_id"] for item in result],
        n=NEIGHBOURS,
    )
    for item in result:
        methods: dict[str, list[dict[str, Any]]] = {}
        for row in near:
            if row["item_id"] == item["item_id"]:
                methods.setdefault(row["method"], []).append(row)
        item["methods"] = methods
    return result
