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
from jobs.spark.parts import BlockStore
from jobs.storage.files import count_rows
from schemas.domains import Domain
from schemas.methods import Method

OTHER = {"item": "user", "user": "item"}


@dataclass(frozen=True)
class SimilarityJob:
    """Compares every `entity` of a night, item or user, by what it shares with others."""

    spark: SparkSession
    night: Night
    attempt: Attempt
    entity: str

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
        events, rows = count_rows(event_files(self.night)), self.ids.count
        return BlockStore(self.folder, rows, choose_block_rows(self.domain.block_rows, events, rows))
