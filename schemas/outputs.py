"""Tables of what a night computes: similarity, item vectors, recommendations, continuations."""

import pyarrow as pa

from schemas.inputs import DOMAIN, DS, TOMBSTONE
from schemas.table import Column, Contract, Table

# Reasons of a recommendation that no item of the history gives.
POPULAR_NOW, POPULAR_WITH, FRESH = "popular now", "popular with", "new"

RANK = Column("rank", pa.int32(), "place in the list, from 1", required=True)


def ranks_without_gap(table: str, owner: str) -> Contract:
    """Ranks of every owner are 1, 2, … n."""
    return Contract(
        "ranks_without_gap",
        f"""SELECT {owner}, min(rank) AS first, max(rank) AS last, count(*) AS n FROM {table}
            GROUP BY ALL HAVING first <> 1 OR last <> n""",
        "the ranks of every list are 1, 2, … without a gap",
    )


def descending(table: str, owner: str, value: str) -> Contract:
    """Values are finite and never rise with the rank."""
    return Contract(
        f"{value}_descending",
        f"""SELECT * FROM (SELECT *, lag({value}) OVER (PARTITION BY {owner} ORDER BY rank) AS before FROM {table})
            WHERE NOT isfinite({value}) OR {value} > before""",
        f"`{value}` is finite and does not rise with the rank",
    )


METHOD = (
    "how similarity is measured: weightings (binary, centred, adjusted, tf_idf, bm25, recency, shrunk) joined by `+`, "
    "then cosine, jaccard, log_likelihood, content (what is known of both) or hybrid (of cosine and content)"
)


def _similarity(entity: str) -> Table:
    name, owner = f"{entity}_similarity", f"method, {entity}_id"
    return Table(
        name=name,
        meaning=f"The nearest {entity}s of every {entity}, exact, best first; equal ones in the order of their ids.",
        columns=(
            DOMAIN,
            DS,
            Column("method", pa.string(), METHOD, required=True),
            Column(f"{entity}_id", pa.string(), f"the {entity}", required=True),
            RANK,
            Column(f"similar_{entity}_id", pa.string(), f"its neighbour, never the {entity} itself", required=True),
            Column(
                "similarity",
                pa.float32(),
                "similarity, not 0 and at most 1; log_likelihood has no upper bound",
                required=True,
            ),
        ),
        key=("domain", "ds", "method", f"{entity}_id", "rank"),
        contracts=(
            ranks_without_gap(name, owner),
            descending(name, owner, "similarity"),
            Contract(
                "not_itself",
                f"SELECT * FROM {name} WHERE {entity}_id = similar_{entity}_id",
                f"no {entity} is its own neighbour",
            ),
        ),
    )


ITEM_SIMILARITY = _similarity("item")
USER_SIMILARITY = _similarity("user")

ITEM_VECTORS = Table(
    name="item_vectors",
    meaning="Items as vectors of a model that learns from their pictures and texts; near ones look or read alike.",
    columns=(
        DOMAIN,
        DS,
        Column("model", pa.string(), "the model that made the vector", required=True),
        Column("item_id", pa.string(), "the item", required=True),
        Column("vector", pa.list_(pa.float32()), "the vector, of any length but 0", required=True),
    ),
    key=("domain", "ds", "model", "item_id"),
    contracts=(
        Contract(
            "finite",
            """SELECT * FROM item_vectors
               WHERE len(vector) = 0 OR NOT list_bool_and(list_transform(vector, lambda x: isfinite(x)))""",
            "vectors are not empty, and all their elements finite",
        ),
        Contract(
            "one_size",
            "SELECT model FROM item_vectors GROUP BY ALL HAVING count(DISTINCT len(vector)) > 1",
            "the vectors of a model are of one size",
        ),
    ),
)

RECOMMENDATIONS = Table(
    name="recommendations",
    meaning="What to recommend to each user, best first.",
    columns=(
        DOMAIN,
        DS,
        Column("user_id", pa.string(), "the user", required=True),
        RANK,
        Column("item_id", pa.string(), "the recommended item: eligible, and new to the user", required=True),
        Column(
            "score",
            pa.float32(),
            "the model's score, less what the item repeats of those above it; comparable within one user only",
            required=True,
        ),
        Column(
            "model",
            pa.string(),
            "what chose the item: the champion, content_knn or popularity as the cold-start fallback, or "
            "exploration, for an item that nobody has yet",
            required=True,
        ),
        Column("because_item_id", pa.string(), "the item of the user's history that spoke most for it"),
        Column(
            "because",
            pa.string(),
            f"the reason in words; without an item: {POPULAR_NOW}, {POPULAR_WITH} …, or {FRESH}",
            required=True,
        ),
    ),
    key=("domain", "ds", "user_id", "rank"),
    contracts=(
        ranks_without_gap("recommendations", "user_id"),
        descending("recommendations", "user_id", "score"),
        Contract(
            "item_once",
            "SELECT user_id, item_id FROM recommendations GROUP BY ALL HAVING count(*) > 1",
            "no item stands twice in a user's list",
        ),
        Contract(
            "unseen",
            "SELECT r.* FROM recommendations r SEMI JOIN interactions USING (user_id, item_id)",
            "no item that the user already has",
        ),
        Contract(
            "eligible",
            "SELECT r.* FROM recommendations r ANTI JOIN eligible USING (item_id)",
            "only items that may be recommended: those that keep the domain's rules of eligibility",
        ),
        Contract(
            "suitable",
            """SELECT r.* FROM recommendations r JOIN items i USING (item_id) LEFT JOIN users u USING (user_id)
               WHERE NOT suits(i.age_rating, i.regions, u.age, u.country)""",
            "only items that may be recommended to this user: by age rating and region",
        ),
        Contract(
            "every_user_covered",
            f"""WITH missing AS MATERIALIZED (
                   SELECT id AS user_id, age, country FROM vocabulary v LEFT JOIN users u ON u.user_id = v.id
                   WHERE kind = 'user' AND NOT starts_with(v.id, '{TOMBSTONE}') AND v.ds <= (SELECT ds FROM night)
                   AND NOT EXISTS (SELECT 1 FROM recommendations WHERE user_id = v.id))
               SELECT DISTINCT m.user_id FROM missing m JOIN eligible e
               ON suits(e.age_rating, e.regions, m.age, m.country)
               ANTI JOIN interactions h ON h.user_id = m.user_id AND h.item_id = e.item_id""",
            "every known user who has not yet seen everything that may be recommended to them has a list",
        ),
        Contract(
            "reason_given",
            f"""SELECT * FROM recommendations WHERE because_item_id IS NULL
               AND because NOT IN ('{POPULAR_NOW}', '{FRESH}') AND because NOT LIKE '{POPULAR_WITH} %'""",
            "a row without a reason item says that the item is popular or new",
        ),
        Contract(
            "reason_in_history",
            """SELECT r.* FROM recommendations r
               ANTI JOIN interactions h ON h.user_id = r.user_id AND h.item_id = r.because_item_id
               WHERE r.because_item_id IS NOT NULL""",
            "the reason is an item of the user's own history",
        ),
    ),
)

CONTINUATIONS = Table(
    name="continuations",
    meaning="How each user's history goes on: the likeliest sequence of next items.",
    columns=(
        DOMAIN,
        DS,
        Column("user_id", pa.string(), "the user", required=True),
        Column("position", pa.int32(), "place in the sequence, from 1", required=True),
        Column("item_id", pa.string(), "the item: eligible, new to the user, once in the sequence", required=True),
        Column("score", pa.float32(), "log-probability behind the history and the items before it", required=True),
        Column("model", pa.string(), "the model that continued", required=True),
    ),
    key=("domain", "ds", "user_id", "position"),
    contracts=(
        Contract(
            "positions_without_gap",
            """SELECT user_id, min(position) AS first, max(position) AS last, count(*) AS n FROM continuations
               GROUP BY ALL HAVING first <> 1 OR last <> n""",
            "the positions of every sequence are 1, 2, … without a gap",
        ),
        Contract(
            "item_once",
            "SELECT user_id, item_id FROM continuations GROUP BY ALL HAVING count(*) > 1",
            "no item stands twice in a user's sequence",
        ),
        Contract(
            "log_probability",
            "SELECT * FROM continuations WHERE NOT isfinite(score) OR score > 0",
            "`score` is finite and not above 0",
        ),
        Contract(
            "unseen",
            "SELECT c.* FROM continuations c SEMI JOIN interactions USING (user_id, item_id)",
            "no item that the user already has",
        ),
        Contract(
            "suitable",
            """SELECT c.* FROM continuations c LEFT JOIN eligible i USING (item_id) LEFT JOIN users u USING (user_id)
               WHERE i.item_id IS NULL OR NOT suits(i.age_rating, i.regions, u.age, u.country)""",
            "only items that may be recommended to this user",
        ),
    ),
)
