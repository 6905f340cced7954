"""What one run of item_similarity or user_similarity works on: its night, its session, its ids, its folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from jobs.known_ids import of_kind
from jobs.night import Attempt, Night
from jobs.similarity.matrix import choose_block_rows
from jobs.similarity.numbering import NumberedIds, number_ids, number_ids_in_memory
from jobs.spark.events import event_files, vocabulary, vocabulary_in_memory
from jobs.spark.local import fits_here
from jobs.spark.parts import BlockStore
from jobs.spark.session import session
from jobs.storage.files import count_rows
from schemas.domains import Domain
from schemas.methods import CONTENT, COSINE, HYBRID, Method

OTHER = {"item": "user", "user": "item"}
PLAIN = (COSINE, CONTENT, HYBRID)  # measures of values as they are


@dataclass(frozen=True)
class SimilarityJob:
    """Compares every `entity` of a night, item or user, by what it shares with others."""

    night: Night
    attempt: Attempt
    entity: str

    @cached_property
    def spark(self) -> SparkSession:
        """The session; it starts Spark where the night has none yet."""
        return session(self.night)

    @cached_property
    def here(self) -> bool:
        """Whether this process does all of it: the night is small, and nothing needs Spark's joins."""
        if self.vocabulary is None or self.domain.sentiment_weight or self.domain.max_events_per_item:
            return False
        plain = all(not method.weightings and method.measure in PLAIN for method in self.methods.values())
        return plain and fits_here(self.night.settings, self.events, self.vocabulary.num_rows)

    @cached_property
    def events(self) -> int:
        """How many events there are up to the night."""
        return count_rows(event_files(self.night))

    @property
    def feature(self) -> str:
        """What the entities have in common: users of items, items of users."""
        return OTHER[self.entity]

    @property
    def domain(self) -> Domain:
        """The domain with the settings of this run."""
        return self.night.domain

    @cached_property
    def methods(self) -> Mapping[str, Method]:
        """The domain's methods for the entity, by name."""
        return {name: Method.parse(name) for name in getattr(self.domain, f"{self.entity}_methods")}

    @property
    def folder(self) -> str:
        """Where all that is of no use after the job lies."""
        return self.attempt.folder("matrix")

    @cached_property
    def vocabulary(self) -> pa.Table | None:
        """(kind, id, row) of the night's users and items, None where they are too many for this process."""
        return vocabulary_in_memory(self.night)

    @cached_property
    def ids(self) -> NumberedIds:
        """The entities of the night, numbered in the order of their ids: the rows of all matrices."""
        column, folder = f"{self.entity}_id", f"{self.folder}/ids"
        if self.vocabulary is None:
            return number_ids(self.feature_rows(self.entity).select(column), column, folder)
        return number_ids_in_memory(of_kind(self.vocabulary, self.entity)["id"].combine_chunks(), column, folder)

    @property
    def rows(self) -> DataFrame:
        """(<entity>_id, row)."""
        return self.ids.frame(self.spark).withColumnRenamed("number", "row")

    def feature_rows(self, kind: str) -> DataFrame:
        """(<kind>_id, <kind>_row) of the night's users or items, as the vocabulary has them."""
        return vocabulary(self.spark, self.night, kind)

    @cached_property
    def store(self) -> BlockStore:
        """The matrices of the job."""
        rows = self.ids.count
        return BlockStore(self.folder, rows, choose_block_rows(self.domain.block_rows, self.events, rows))
