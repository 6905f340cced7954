"""Content vectors of a small night: the matrices of `jobs/similarity/content.py`, made in this process without Spark.

Tables of ids are (id, row): the users or items that are compared, or whose content is, with the rows of the matrices.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.known_ids import of_kind
from jobs.night import Night
from jobs.similarity.content import TERMS, TEXTS, count_terms, profile_blocks
from jobs.similarity.job import SimilarityJob
from jobs.similarity.layout import write_tables
from jobs.similarity.matrix import ENTRIES, ComparedRows
from jobs.spark.parts import BlockStore
from jobs.storage.frames import read
from schemas.tables import TABLES


def write(job: SimilarityJob) -> tuple[str, ...]:
    """Writes the parts of the content of the job's entities; returns their names."""
    ids, numbers = job.ids.in_memory()
    rows = pa.table({"id": ids, "row": numbers})
    if job.entity == "item":
        return write_items(job.night, job.store, rows)
    items = of_kind(job.vocabulary, "item").select(["id", "row"])
    store = BlockStore(f"{job.folder}/items", items.num_rows, job.domain.block_rows)
    names = write_items(job.night, store, items)
    return write_users(job.night, job.store, rows, ComparedRows(store.folder, "", names))


def write_items(night: Night, store: BlockStore, rows: pa.Table) -> tuple[str, ...]:
    """Writes the parts of the items' content."""
    items = with_rows(read(night.tonight("items"), TABLES["items"].schema, ["item_id", *TEXTS]), "item_id", rows)
    counted = count_terms(iter(items.select(["row", *TEXTS]).to_batches()))
    matrices = {"text": weigh(pa.Table.from_batches(counted, TERMS), store.rows), **vectors(night, rows)}
    write_tables(store, matrices)
    return tuple(matrices)


def write_users(night: Night, store: BlockStore, rows: pa.Table, items: ComparedRows) -> tuple[str, ...]:
    """Writes the parts of the users' content: of their items, by the store's matrix `events`, and what is known of
    them."""
    compared = ComparedRows(store.folder, "events")
    blocks = iter([pa.record_batch({"number": pa.array(range(len(compared.blocks)), pa.int64())})])
    profile = pa.Table.from_batches(profile_blocks(compared, items)(blocks), ENTRIES)
    users = read(night.tonight("users"), TABLES["users"].schema, ["user_id", "segment", "country", "age"])
    matrices = {"profile": profile, "facts": weigh(fact_terms(with_rows(users, "user_id", rows)), store.rows)}
    write_tables(store, matrices)
    return tuple(matrices)


def with_rows(table: pa.Table, column: str, rows: pa.Table) -> pa.Table:
    """The rows of a table whose id has a row, with it in the column `row`."""
    place = pc.index_in(table[column], value_set=rows["id"].combine_chunks())
    return table.append_column("row", rows["row"].combine_chunks().take(place)).filter(place.is_valid())


def fact_terms(users: pa.Table) -> pa.Table:
    """(row, term, value) of segment, country and decade of age."""
    decade = pc.multiply(pc.floor(pc.divide(users["age"].cast(pa.float64()), 10.0)), 10.0).cast(pa.int64())
    facts = {"segment": users["segment"], "country": users["country"], "age": decade.cast(pa.string())}
    parts = []
    for name, fact in facts.items():
        term = pc.binary_join_element_wise(name, fact, ":")
        table = pa.table([users["row"].cast(pa.int64()), term, pa.repeat(1.0, len(term))], schema=TERMS)
        parts.append(table.filter(term.is_valid()))
    return pa.concat_tables(parts)


def weigh(terms: pa.Table, rows: int) -> pa.Table:
    """ENTRIES: TF-IDF of (row, term, value), as `jobs.similarity.weighting.tf_idf` has it, with the terms numbered in
    the order of their bytes."""
    coded = terms["term"].combine_chunks().dictionary_encode()
    order = pc.sort_indices(coded.dictionary).to_numpy()
    number = np.empty(len(order), np.int32)
    number[order] = np.arange(len(order), dtype=np.int32)
    feature, value = number[coded.indices.to_numpy()], terms["value"].to_numpy()
    rarity = 1 + np.log(float(max(rows, 1)) / (1 + np.bincount(feature, minlength=len(number))))
    weighted = np.sign(value) * np.sqrt(np.abs(value)) * rarity[feature]
    return pa.table([terms["row"].cast(pa.int32()), feature, weighted], schema=ENTRIES)


def vectors(night: Night, rows: pa.Table) -> Mapping[str, pa.Table]:
    """The vectors of the last night that published any: `vectors_<model>` → ENTRIES."""
    files = night.last_night("item_vectors")
    if not files:
        return {}
    table = with_rows(read(files, TABLES["item_vectors"].schema, ["model", "item_id", "vector"]), "item_id", rows)
    return {
        f"vectors_{model}": unnest(table.filter(pc.field("model") == model))
        for model in sorted(pc.unique(table["model"]).to_pylist())
    }


def unnest(table: pa.Table) -> pa.Table:
    """ENTRIES: an entry for each place of a vector."""
    vector = table["vector"].combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(vector), 0).to_numpy()
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    row = np.repeat(table["row"].to_numpy().astype(np.int32), lengths)
    feature = (np.arange(len(row)) - starts).astype(np.int32)
    return pa.table([row, feature, pc.list_flatten(vector).cast(pa.float64())], schema=ENTRIES)
