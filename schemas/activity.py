"""The table of predicted activity: how likely each user comes back."""

import pyarrow as pa

from schemas.inputs import DOMAIN, DS
from schemas.table import Column, Contract, Table

ACTIVITY = Table(
    name="activity",
    meaning="How active each user with events will be, and how the user's pace has changed (docs/activity.md). No rows "
    "where events have no times, or too few users come back or stay away to learn from.",
    columns=(
        DOMAIN,
        DS,
        Column("user_id", pa.string(), "the user", required=True),
        Column(
            "probability",
            pa.float64(),
            "that the user has an event in the 7 days that follow the domain's newest event, from 0 to 1",
            required=True,
        ),
        Column("expected_events", pa.float64(), "events to be expected in these days", required=True),
        Column("segment", pa.string(), "new, rising, steady, cooling or gone, by the events alone", required=True),
        Column("model", pa.string(), "what made the forecast: recency_frequency or activity", required=True),
    ),
    key=("domain", "ds", "user_id"),
    contracts=(
        Contract(
            "in_range",
            """SELECT * FROM activity WHERE NOT (probability BETWEEN 0 AND 1 AND expected_events >= probability
               AND isfinite(expected_events))""",
            "`probability` is from 0 to 1, `expected_events` finite and not below it",
        ),
        Contract(
            "known_segment",
            """SELECT * FROM activity WHERE segment NOT IN ('new', 'rising', 'steady', 'cooling', 'gone')""",
            "`segment` is one of the five",
        ),
        Contract(
            "users_with_events",
            """SELECT DISTINCT user_id, 'has no event' AS wrong FROM activity ANTI JOIN interactions USING (user_id)
               UNION ALL SELECT DISTINCT user_id, 'has no row' FROM interactions ANTI JOIN activity USING (user_id)
               WHERE EXISTS (FROM activity)""",
            "every user with events has a row, and nobody else",
        ),
    ),
)
