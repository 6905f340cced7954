"""A night's calls of the numba kernels in one process, and whether any of them had to be compiled for it."""

import importlib
import pkgutil
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba.core.registry import CPUDispatcher

import models
from jobs.learning.arrays import held_out
from jobs.similarity import neighbours
from jobs.similarity.layout import part_writer, sort_entries, store_block
from jobs.similarity.matrix import STORED, ComparedRows
from jobs.similarity.neighbours import Comparison, Lists, SimilarityTable
from jobs.similarity.numbering import number_ids_in_memory
from jobs.similarity.pieces import BlockSize, cost, cut_pieces, feature_work
from jobs.similarity.preferences import PreferenceMerger
from jobs.spark.event_reader import EVENT
from jobs.spark.parts import BlockStore, finish_parts
from jobs.storage import frames
from models.base import Recommender, TrainingData
from models.classic.candidates import ItemTimes
from models.classic.ensemble import Ensemble
from models.classic.second_stage import SecondStage
from models.compiled import main as compile_all
from models.data import Catalogue
from models.evaluation.beyond_accuracy import describe_items
from models.histories import Histories, from_events
from models.kernels.trees import Trees
from models.registry import REGISTRY
from models.serving.lists import Serving, popular_by_segment
from models.serving.ranking import serve
from schemas.names import NEURAL
from schemas.working import SEQUENCES

USERS, ITEMS, EVENTS = 40, 30, 600


def dispatchers() -> dict[str, CPUDispatcher]:
    """Every numba function of `models`, networks left out."""
    keras = ("models.neural", "models.layers")
    names = [name for _, name, _ in pkgutil.walk_packages(models.__path__, "models.") if not name.startswith(keras)]
    modules = {name: importlib.import_module(name) for name in (*names, "models.layers.packing")}
    return {
        f"{name}.{attribute}": value
        for name, module in modules.items()
        for attribute, value in vars(module).items()
        if isinstance(value, CPUDispatcher) and value.__module__ == name
    }


def signatures() -> set[str]:
    """What has been compiled, or loaded, for which types."""
    return {f"{name}{types}" for name, kernel in dispatchers().items() for types in kernel.signatures}


def check() -> None:
    """Raises AssertionError with the kernels that a night compiles although `models.compiled` has run."""
    compile_all()
    before = signatures()
    with tempfile.TemporaryDirectory() as folder:
        learn_and_serve(Path(folder))
        compare(Path(folder).as_uri())
    assert not (missing := signatures() - before), "models.compiled leaves to the night: " + "\n".join(sorted(missing))


def learn_and_serve(folder: Path) -> None:
    """Every model without a network learns, is saved and loaded, is judged, learns on, and makes lists."""
    random = np.random.default_rng(0)
    columns = {
        "user_row": np.sort(random.integers(0, USERS, EVENTS)),
        "item_row": random.integers(0, ITEMS, EVENTS),
        "value": np.ones(EVENTS, np.float32),
        "ts": pa.array(np.arange(EVENTS) * 10**9, pa.timestamp("us", "UTC")),
        "part": pa.array(["train", "test"]).take(pa.array((random.random(EVENTS) < 0.2).astype(int))),
    }
    file = frames.write(pa.table(columns, schema=SEQUENCES), f"{folder.as_uri()}/sequences")
    table = frames.read([file], SEQUENCES)
    parts = [histories(table.filter(pc.field("part") == part)) for part in ("train", "test")]
    test = held_out(*parts)
    words = [f"word {row}" for row in range(ITEMS)]
    catalogue = Catalogue(words, words, [("a",)] * ITEMS, [()] * ITEMS, words)
    data = TrainingData(parts[0], catalogue, test)
    fitted: dict[str, Recommender] = {}
    for name in (name for name in REGISTRY if name not in NEURAL):
        REGISTRY[name]().fit(replace(data, models=dict(fitted))).save(folder / name)
        fitted[name] = REGISTRY[name].load(folder / name)
    add_second_stage(fitted["ensemble"], parts[0], folder)
    one, every = np.zeros(USERS, np.int64), histories(table)
    for model in fitted.values():
        for slots, diversity in ((0, 1.0), (1, 0.7)):
            popular, allowed = popular_by_segment(every, one, 1), np.ones((1, ITEMS), bool)
            rules = describe_items(every, catalogue).kinds, lambda: fitted["content_knn"], diversity, slots
            serving = Serving(one, popular, one, allowed, allowed[0], *rules)
            serve(model, serving, test, 5)
            serving.lists(model.refit(TrainingData(every, catalogue)), every, np.arange(USERS), 5)


def add_second_stage(ensemble: Recommender, learned: Histories, folder: Path) -> None:
    """A second stage as `load` gives it back; so few users do not teach one."""
    assert isinstance(ensemble, Ensemble)
    nodes = np.array([0]), np.array([-1]), np.array([0]), np.array([0]), np.zeros(1), np.zeros(1, bool)
    ensemble.stage = SecondStage(Trees(*nodes), ItemTimes.of(learned))
    ensemble.save(folder / "second_stage")
    ensemble.stage = Ensemble.load(folder / "second_stage").stage


def histories(table: pa.Table) -> Histories:
    """As jobs/learning/arrays.py makes them of sequences."""
    users, items, values = (table[name].to_numpy() for name in ("user_row", "item_row", "value"))
    return from_events(users, items, values, table["ts"].cast(pa.int64()).to_numpy(), USERS, ITEMS)


def compare(folder: str) -> None:
    """What tasks of similarity do with events and with entries, in every plan."""
    random = np.random.default_rng(1)
    matrix = pa.array(np.zeros(EVENTS, np.int8))
    columns = [random.integers(0, most, EVENTS) for most in (ITEMS, USERS, 1, 5, 9, 9)]
    arrays = [pa.array(column).cast(field.type) for column, field in zip(columns, EVENT, strict=True)]
    events = pa.RecordBatch.from_arrays(arrays, schema=EVENT).append_column("matrix", matrix)
    ids = number_ids_in_memory(pa.array([f"{n:03}" for n in range(ITEMS)]), "item_id", f"{folder}/ids")
    store = BlockStore(f"{folder}/matrix", ITEMS, 16)
    writer, merger = part_writer(store, ("events",), EVENT), PreferenceMerger((1.0,), ids, 10**9)
    parts = writer.write_parts(iter([events]), 0)
    list(finish_parts(writer, partial(store_block, store.folder, merger), iter([parts])))
    rows = ComparedRows(store.folder, "events")
    entries = frames.read([f"{store.folder}/blocks/block=events.{n}/part-0.parquet" for n in rows.blocks], STORED)
    weighted = part_writer(store, ("binary",), STORED)
    cells = entries.set_column(2, "value", pa.array(np.ones(len(entries)))).append_column(
        "matrix", pa.array(np.zeros(len(entries), np.int8))
    )
    parts = weighted.write_parts(iter(cells.to_batches()), 1)
    list(finish_parts(weighted, partial(store_block, store.folder, sort_entries), iter([parts])))
    hybrid = ComparedRows(store.folder, "events", ("binary",), 0.5)
    comparisons = [
        Comparison("cosine", rows, "cosine", 1.0),
        Comparison("jaccard", ComparedRows(store.folder, "binary"), "jaccard", 0.0),
        Comparison("log_likelihood", ComparedRows(store.folder, "binary"), "log_likelihood", 0.0),
        Comparison("hybrid", hybrid, "cosine", 0.0),
    ]
    table = SimilarityTable("item", "movies", "2026-01-01", ids, 5, f"{folder}/lists")
    for number, comparison in enumerate(comparisons):
        lists, compared = Lists(number, comparison, table, 1), comparison.rows
        neighbours.write_whole(lists)
        for share in (0, 1):
            neighbours.write_share(lists, share, 2)
        neighbours.merge_shares(lists, 0, 2)
        blocks = {n: compared.block(n) for n in compared.blocks}
        every = sum(len(block.rows) for block in blocks.values())
        sizes = [
            BlockSize(n, len(block.rows), cost(int(feature_work(block, compared.counts).sum()), len(block.rows), every))
            for n, block in blocks.items()
        ]
        for piece in cut_pieces(sizes, 2):
            neighbours.write_piece(lists, 9, piece, every)
