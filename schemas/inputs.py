"""Tables of the input: files, their rejected rows, and the cleaned interactions, items and users."""

import pyarrow as pa

from schemas.ids import id_checks, says_nothing
from schemas.table import Check, Column, Contract, Table

TOMBSTONE = "erased:"  # begins the id, 32 hexadecimal digits behind it, under which an erased user's row number stays
TIMESTAMP = pa.timestamp("us", tz="UTC")

DOMAIN = Column("domain", pa.string(), "the domain's name: movies, music, games or one of your own", required=True)
DS = Column("ds", pa.string(), "the night that wrote the row: the completed day, YYYY-MM-DD", required=True)


UNPARSABLE = Check("unparsable", "len(unparsable) > 0", "a field could not be read as its type, or fields are missing")
TS_CHECKS = (
    Check("ts_before_first_day", "ts < {first_day}", "`ts` is before the domain's `first_day`"),
    Check("ts_in_future", "ts >= {end_of_ds}", "`ts` is after the end of the night's day"),
)
UNKNOWN_ITEM = Check("unknown_item", "NOT item_known", "no catalogue of this domain, tonight or before, has the item")
EARLY = ("ts_in_future", "unknown_item")  # reasons that time may mend: a row with no other waits in `held`

FILES = Table(
    name="files",
    meaning="Every delivery (imported file): the night that judged it, how many rows it had, and what became of them.",
    columns=(
        DOMAIN,
        DS,
        Column("path", pa.string(), "the file's path below the imported folder", required=True),
        Column("checksum", pa.string(), "SHA-256 of its bytes, hexadecimal", required=True),
        Column("rows", pa.int64(), "rows read", required=True),
        Column("rejected", pa.int64(), "rows rejected", required=True),
        Column("delivery", pa.int64(), "its number in the order of arrival, within the domain; null: not numbered"),
        Column("table_name", pa.string(), "what its rows were imported as"),
        Column("mode", pa.string(), "append, snapshot or correction"),
        Column("batch", pa.int64(), "number of the first delivery of its import"),
        Column("identity", pa.string(), "hexadecimal digits that stand for its table, mapping and bytes"),
        Column("accepted", pa.int64(), "rows that said something new"),
        Column("known", pa.int64(), "rows that said what was there already"),
        Column(
            "corrected",
            pa.int64(),
            "rows that another row with the same key but other content corrects, or the other way round",
        ),
        Column("held", pa.int64(), "rows that came too early and wait"),
        Column("rules", pa.string(), "hexadecimal digits that stand for the rules that it was judged by"),
        Column("withdrawn", pa.string(), "the night that took its rows back; null: they stand"),
    ),
    key=("domain", "path", "checksum", "delivery"),
)

REJECTED = Table(
    name="rejected",
    meaning="Every row that was not accepted, with all reasons and its text, so that nothing is lost.",
    columns=(
        DOMAIN,
        DS,
        Column("file", pa.string(), "the file's path below the imported folder", required=True),
        Column("line", pa.int64(), "line number in the file, from 1", required=True),
        Column("reasons", pa.list_(pa.string()), "names of all checks that the row failed", required=True),
        Column("raw", pa.string(), "the row's text as it stood in the file", required=True),
        Column("delivery", pa.int64(), "number of the delivery that it came in; null: not numbered"),
    ),
    key=("domain", "ds", "file", "line", "delivery"),
)

HELD = Table(
    name="held",
    meaning="Every row that came too early (a time after the night's day, an item that no catalogue has): judged again "
    "every night until it is accepted, or rejected after the domain's `hold_days`. By the night of its arrival.",
    columns=(
        DOMAIN,
        DS,
        Column("delivery", pa.int64(), "number of the delivery that it came in", required=True),
        Column("line", pa.int64(), "line number in the file, from 1", required=True),
        Column("table_name", pa.string(), "what it was imported as", required=True),
        Column("file", pa.string(), "the file's path below the imported folder", required=True),
        Column("reasons", pa.list_(pa.string()), "why it had to wait", required=True),
        Column("raw", pa.string(), "the row's text as it stood in the file", required=True),
        Column("taken", pa.string(), "the night that took it out; null while it waits"),
        Column("outcome", pa.string(), "accepted, rejected or withdrawn; null while it waits"),
    ),
    key=("domain", "delivery", "line"),
)

REPLACED = Table(
    name="replaced",
    meaning="Every event and review that stood in its table until a newer delivery replaced it or took it away, as it "
    "stood; by the night that did.",
    columns=(
        DOMAIN,
        DS,
        Column("table_name", pa.string(), "interactions or reviews", required=True),
        Column("delivery", pa.int64(), "number of the delivery that it came in; null: not numbered"),
        Column("line", pa.int64(), "its line, where it was replaced by another of the same delivery"),
        Column("outcome", pa.string(), "corrected, gone (a snapshot lacks it) or withdrawn", required=True),
        Column("review_id", pa.string(), "of a review"),
        Column("user_id", pa.string(), "the user's external id"),
        Column("item_id", pa.string(), "the item's external id"),
        Column("kind", pa.string(), "of an event"),
        Column("value", pa.float64(), "of an event; of a review its rating"),
        Column("ts", TIMESTAMP, "when, UTC"),
        Column("ordinal", pa.int64(), "of an event"),
        Column("text", pa.string(), "of a review"),
    ),
    key=("domain", "ds", "table_name", "delivery", "line", "outcome", "review_id", "user_id", "item_id", "kind", "ts"),
)

INTERACTIONS = Table(
    name="interactions",
    meaning="Cleaned events, by the night of their arrival.",
    columns=(
        DOMAIN,
        DS,
        Column("user_id", pa.string(), "the user's external id", required=True),
        Column("item_id", pa.string(), "the item's external id", required=True),
        Column("kind", pa.string(), "what happened: one of the domain's kinds", required=True),
        Column("value", pa.float64(), "how much of it, in the kind's unit; null for a kind without a value"),
        Column("ts", TIMESTAMP, "when, UTC; null where the source has no times"),
        Column("ordinal", pa.int64(), "position in the user's own order, where the source has an order but no times"),
        Column("source", pa.string(), "the file that it came from", required=True),
        Column("delivery", pa.int64(), "number of the delivery that it came in; null: not numbered"),
    ),
    key=("domain", "user_id", "item_id", "kind", "ts"),
    checks=(
        UNPARSABLE,
        *id_checks("user_id"),
        *id_checks("item_id"),
        Check("unknown_kind", "kind IS NULL OR kind NOT IN ({kinds})", "`kind` is none of the domain's kinds"),
        Check("value_missing", "{value_missing}", "`value` is absent and the kind needs one"),
        Check("value_not_finite", "isnan(value) OR isinf(value)", "`value` is NaN or infinite"),
        Check("value_out_of_range", "{value_out_of_range}", "`value` lies outside the kind's range"),
        *TS_CHECKS,
        UNKNOWN_ITEM,
    ),
)

ITEMS = Table(
    name="items",
    meaning="The catalogue as of each night: all that is known of an item, newest facts first.",
    columns=(
        DOMAIN,
        DS,
        Column("item_id", pa.string(), "the item's external id", required=True),
        Column("title", pa.string(), "its title"),
        Column("description", pa.string(), "what it is about"),
        Column("genres", pa.list_(pa.string()), "its genres, sorted"),
        Column("tags", pa.list_(pa.string()), "all tags that users gave it, sorted"),
        Column("links", pa.list_(pa.string()), "its ids elsewhere, as `imdb:0114709`, sorted"),
        Column("poster", pa.string(), "path of its picture"),
        Column("released", pa.date32(), "day of release; the first of January where only the year is known"),
        Column(
            "release_unknown",
            pa.bool_(),
            "whether what was said last of its release could not be read; null: nothing was said",
        ),
        Column("available", pa.bool_(), "whether it may be recommended", required=True),
        Column("age_rating", pa.string(), "who may see it"),
        Column(
            "regions",
            pa.list_(pa.string()),
            "ISO 3166-1 codes of where it is available; null: everywhere, empty: nowhere",
        ),
    ),
    key=("domain", "ds", "item_id"),
    checks=(UNPARSABLE, *id_checks("item_id")),
)

USERS = Table(
    name="users",
    meaning="What is known of users beside their events, as of each night; most sources say nothing.",
    columns=(
        DOMAIN,
        DS,
        Column("user_id", pa.string(), "the user's external id", required=True),
        Column("segment", pa.string(), "the segment that the source puts the user in"),
        Column("country", pa.string(), "ISO 3166-1 code of two letters; null where unknown"),
        Column("age", pa.int32(), "age in years, 0 to 120; null where unknown"),
    ),
    key=("domain", "ds", "user_id"),
    checks=(UNPARSABLE, *id_checks("user_id")),
)

REVIEWS = Table(
    name="reviews",
    meaning="Texts about items, by the night of their arrival; those that match no item still teach what words mean.",
    columns=(
        DOMAIN,
        DS,
        Column("review_id", pa.string(), "the review's external id", required=True),
        Column("user_id", pa.string(), "who wrote it; null where the source does not say"),
        Column("item_id", pa.string(), "the item's external id; null where it matches none"),
        Column("text", pa.string(), "what was written", required=True),
        Column("rating", pa.float64(), "stars that came with it, on the source's scale"),
        Column("ts", TIMESTAMP, "when, UTC; null where the source has no times"),
        Column("sentiment", pa.float64(), "how positive it is, from 0 to 1: what the source says, else a model"),
        Column("modelled", pa.bool_(), "whether a model said how positive it is; null where nobody did"),
        Column("delivery", pa.int64(), "number of the delivery that it came in; null: not numbered"),
        Column("fingerprint", pa.int64(), "hash of the row as it was delivered: another one is another row"),
    ),
    key=("domain", "review_id"),
    checks=(
        UNPARSABLE,
        *id_checks("review_id"),
        id_checks("user_id")[1],
        id_checks("item_id")[1],
        Check("text_missing", says_nothing("text"), "`text` is absent, empty or invisible"),
        Check("rating_not_finite", "isnan(rating) OR isinf(rating)", "`rating` is NaN or infinite"),
        Check(
            "sentiment_out_of_range", "isnan(sentiment) OR sentiment NOT BETWEEN 0 AND 1", "`sentiment` is not 0 … 1"
        ),
        *TS_CHECKS,
    ),
)

VOCABULARY = Table(
    name="vocabulary",
    meaning="Dense row numbers of users and items, append-only: a row never changes its id, an id never its row.",
    columns=(
        DOMAIN,
        Column("ds", pa.string(), "the night that first saw the id", required=True),
        Column("kind", pa.string(), "user or item", required=True),
        Column("id", pa.string(), "the external id; `erased:` and random digits if erased", required=True),
        Column("row", pa.int64(), "its number, from 0, dense within (domain, kind)", required=True),
    ),
    key=("domain", "kind", "id"),
    contracts=(
        Contract(
            "row_unique",
            "SELECT kind, row FROM vocabulary GROUP BY ALL HAVING count(*) > 1",
            "no two ids share a row",
        ),
        Contract(
            "rows_dense",
            "SELECT kind, max(row), count(*) FROM vocabulary GROUP BY kind HAVING max(row) + 1 <> count(*)",
            "rows are 0, 1, … without a gap",
        ),
    ),
)
