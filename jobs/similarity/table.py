"""Exact top-K similarity on Spark, of items by their users and of users by their items, in all methods of the domain.

The matrices that the methods compare are laid out in blocks of at most `block_rows` rows (jobs/similarity/events.py,
jobs/similarity/layout.py); tasks compare them whole, in shares or in streams, whichever their size asks for
(jobs/similarity/neighbours.py). Rows are numbered in the order of their ids: equal similarities come in that order. A
task that streams holds 0.3 GiB for Python and 0.1 GiB a million entries of its largest block, which may have 16 million
(MAX_ENTRIES).
"""

import re
from collections.abc import Mapping, Sequence
from functools import reduce

from pyspark.errors import PySparkException

from jobs.errors import InputError
from jobs.night import Attempt, Night
from jobs.similarity import content, local_content
from jobs.similarity.events import EVENTS, write_events
from jobs.similarity.job import SimilarityJob
from jobs.similarity.layout import write_matrices
from jobs.similarity.matrix import ComparedRows, read_matrix
from jobs.similarity.neighbours import Comparison, SimilarityTable, write_neighbours
from jobs.similarity.weighting import weightings
from jobs.spark.parts import BlockStore
from jobs.storage.files import delete_folder
from models.kernels.neighbours import Measure
from schemas.methods import CONTENT, COSINE, HYBRID, JACCARD, LOG_LIKELIHOOD, Method

ERROR_OF_TASK = re.compile(r"^jobs\.errors\.InputError: (.*)", re.MULTILINE)
MEASURES: Mapping[str, Measure] = {
    COSINE: "cosine",
    CONTENT: "cosine",
    HYBRID: "cosine",
    JACCARD: "jaccard",
    LOG_LIKELIHOOD: "log_likelihood",
}
SETS = (JACCARD, LOG_LIKELIHOOD)  # compared without values


def compute(night: Night, attempt: Attempt, entity: str) -> None:
    """Writes <entity>_similarity: the domain's `neighbours` nearest of every entity, by each of its methods."""
    try:
        write_similarity(SimilarityJob(night, attempt, entity))
    except PySparkException as error:
        if "USER_RAISED_EXCEPTION" in str(error):  # by raise_error, where data or settings are wrong
            raise InputError(str(error)) from error
        if message := ERROR_OF_TASK.search(str(error)):
            raise InputError(message[1]) from error
        raise


def write_similarity(job: SimilarityJob) -> None:
    """Lays out the matrices, compares their rows, and leaves the lists alone."""
    write_events(job)
    write_weighted(job)
    parts = write_content(job)
    comparisons = [comparison(job, name, method, parts) for name, method in job.methods.items()]
    folder = job.attempt.folder(f"{job.entity}_similarity")
    table = SimilarityTable(job.entity, job.domain.name, job.night.ds, job.ids, job.domain.neighbours, folder)
    write_neighbours(None if job.here else job.spark, comparisons, table)
    delete_folder(job.folder)


def write_weighted(job: SimilarityJob) -> None:
    """Writes a matrix for each chain of weightings that a method asks for."""
    weighted = {matrix_name(method) for method in job.methods.values() if method.weightings or method.measure in SETS}
    if not weighted:
        return
    by_name = weightings(job.ids.count, job.domain.half_life_days)
    events = read_matrix(job.spark, job.store, EVENTS)
    matrices = {
        chain: reduce(lambda entries, name: by_name[name](entries), chain.split("-"), events).drop("age_days")
        for chain in sorted(weighted)
    }
    write_matrices(job.spark, job.store, matrices)


def matrix_name(method: Method) -> str:
    """The matrix of events that a method compares: its weightings; sets are compared without values."""
    return "-".join(method.weightings or (("binary",) if method.measure in SETS else (EVENTS,)))


def write_content(job: SimilarityJob) -> tuple[str, ...]:
    """Writes what is known of the entities, where a method compares it; returns the names of the matrices."""
    if not any(method.measure in (CONTENT, HYBRID) for method in job.methods.values()):
        return ()
    job.attempt.facts["alpha"] = alpha(job.night)
    if job.here:
        return local_content.write(job)
    if job.entity == "item":
        return content.write_items(job.spark, job.night, job.store, job.rows)
    rows = job.feature_rows("item").withColumnRenamed("item_row", "row")
    items = BlockStore(f"{job.folder}/items", rows.count(), job.domain.block_rows)
    names = content.write_items(job.spark, job.night, items, rows)
    return content.write_users(job.spark, job.night, job.store, job.rows, ComparedRows(items.folder, "", names))


def alpha(night: Night) -> float:
    """The share of events in hybrids: what hybrid_knn has chosen on validation, else the domain's setting."""
    trained = night.run.find("train_hybrid_knn")
    chosen = trained.facts.get("config", {}).get("alpha") if trained else None
    return float(night.domain.alpha if chosen is None else chosen)


def comparison(job: SimilarityJob, name: str, method: Method, parts: Sequence[str]) -> Comparison:
    """What a method compares, and how. At the ends of alpha one part of a hybrid is all of it."""
    share = alpha(job.night) if method.measure == HYBRID else float(method.measure != CONTENT)
    events, content = matrix_name(method) if share > 0 else "", tuple(parts) if share < 1 else ()
    rows = ComparedRows(job.folder, events, content, share)
    return Comparison(name, rows, MEASURES[method.measure], job.domain.shrinkage if method.shrunk else 0.0)
