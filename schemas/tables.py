"""All published tables by name."""

from collections.abc import Mapping

from schemas import activity, inputs, outputs, records
from schemas.names import TABLES as NAMES
from schemas.table import Table, by_name

TABLES: Mapping[str, Table] = by_name(
    inputs.FILES,
    inputs.REJECTED,
    inputs.HELD,
    inputs.REPLACED,
    inputs.INTERACTIONS,
    inputs.ITEMS,
    inputs.USERS,
    inputs.REVIEWS,
    inputs.VOCABULARY,
    outputs.ITEM_SIMILARITY,
    outputs.USER_SIMILARITY,
    outputs.ITEM_VECTORS,
    activity.ACTIVITY,
    outputs.RECOMMENDATIONS,
    outputs.CONTINUATIONS,
    records.METRICS,
    records.MODELS,
    records.RUNS,
)
assert tuple(TABLES) == NAMES, "schemas/names.py must list the tables in the order of publication"
