"""The two tables that grow by deliveries, as cleaning sees them: the key of a row, what it says, what else it has."""

from dataclasses import dataclass

import pyarrow as pa

from schemas.landing import LANDING
from schemas.table import Table
from schemas.tables import TABLES


@dataclass(frozen=True)
class Spec:
    """A table of events. key: which rows are the same row. content: what makes it another row if it differs.

    payload: what else a row has. origin: columns of the landing format that become the table's.
    """

    name: str
    key: tuple[str, ...]
    content: tuple[str, ...]
    payload: tuple[str, ...]
    origin: tuple[str, ...]

    @property
    def table(self) -> Table:
        """The published table."""
        return TABLES[self.name]

    @property
    def landing(self) -> Table:
        """The landing format."""
        return LANDING[self.name]

    @property
    def row(self) -> tuple[str, ...]:
        """All columns but the partition and the delivery."""
        return (*self.key, *self.content, *self.payload)

    @property
    def schema(self) -> pa.Schema:
        """The schema of the published table."""
        return self.table.schema

    @property
    def kind(self) -> str:
        """SQL for what a snapshot states as a whole: of events their kind, of reviews all."""
        return "kind" if "kind" in self.key else "''"


INTERACTIONS = Spec(
    "interactions",
    key=("user_id", "item_id", "kind", "ts"),
    content=("value", "ordinal"),
    payload=("source",),
    origin=("user_id", "item_id", "kind", "value", "ts", "ordinal"),
)
REVIEWS = Spec(
    "reviews",
    key=("review_id",),
    content=("fingerprint",),
    payload=("user_id", "item_id", "text", "rating", "ts", "sentiment", "modelled"),
    origin=("review_id", "user_id", "item_id", "text", "rating", "ts", "sentiment", "item_link"),
)
SPECS = (INTERACTIONS, REVIEWS)
