"""A page that says what a night of 100 billion events would need, from the measured growth of every stage."""

import json
from collections.abc import Mapping

from benchmarks.shared.data import ROOT
from benchmarks.shared.measurement import Measurement, Table, fill, markdown

USERS, ITEMS, EVENTS = 100e6, 10e6, 100e9
HOURS, CORES, GIB = 4, 16, 64  # of a night; of an executor
EPOCHS = 20  # of a next-item network from scratch (docs/settings.md)
GPU = ROOT / "docs" / "measurements" / "gpu.json"
# What the figures ask for at that size, by stage; a training's also where no line names its model.
CHANGES: Mapping[str, str] = {
    "import": "one process reads a delivery; files are independent of each other, so an import for each file or folder",
    "clean": "nothing: tasks of a million rows; executors in place of the local ones (`SPARK_REMOTE`)",
    "vocabulary": "nothing on Spark; above 2 million ids jobs join instead of holding them",
    "sequences": "nothing: blocks of users; one user's events must fit a task (2²⁵)",
    "activity": "holds all events in one process: a task for each block of users, as `sequences` has",
    "train": "holds all events in one process: learn from a sample of users, or read blocks of `sequences` in turn",
    "train_popularity": "the same; a count by item could be Spark's",
    "train_ease": "a dense matrix of the items with `min_events` events: raise that, time is cubed and memory squared",
    "train_item_knn": "read `item_similarity` instead of comparing the items once more",
    "item_similarity": "see [scaling out](scaling.md): passes that own more rows",
    "user_similarity": "see [scaling out](scaling.md): `max_events_per_item`, or an index in place of exact search",
    "evaluate": "ranks all users of the test: `test_users` of them drawn give the same intervals",
    "gate": "nothing",
    "recommend": "one process makes all lists: a task for each file of 2.5 million rows, which are independent",
    "publish": "checks read whole tables in one process (DuckDB): on Spark, or for each file when it is written",
}
HEAD = ("stage", "exponent of CPU", "core hours", "exponent of memory", "memory of its processes", "what must change")


def page(measured: Measurement) -> str:
    """The page, of the measurement that `benchmarks.scale` made."""
    costs, exponents = measured.tables
    rows, total = plan(costs, exponents)
    flagged = [f"`{row[0]}` ({row[4]})" for row in exponents.rows if row[4]]
    executors = -(-total // (HOURS * CORES))
    rate = tokens_per_second()
    gpu_hours = EVENTS * EPOCHS / rate / 3600
    largest = max(number(row[1]) for row in costs.rows)
    paragraphs = [
        f"What {USERS / 1e6:,.0f} million users, {ITEMS / 1e6:,.0f} million items and {EVENTS / 1e9:,.0f} billion "
        f"events would need, extrapolated from {largest:,.0f} events and less ([figures](measurements/scale.md)); "
        "nothing above was run. `python -m benchmarks.scale` measures, and with `--page` writes this page.",
        "Cost grows as (events)^exponent, from the largest size that was measured; CPU at least in proportion. "
        "Exponents above 1.1: " + (", ".join(flagged) or "none") + ".",
    ]
    behind = [
        f"Without similarity, whose plan is [scaling out](scaling.md), these are {total:,.0f} core hours: in a night "
        f"of {HOURS} hours {executors:,.0f} executors of {CORES} cores, were all of it spread over them. What one "
        f"process holds is the first limit: a machine of {GIB} GiB ends where the column of memory says more.",
        f"A next-item network that learns every event {EPOCHS} times takes {gpu_hours:,.0f} hours of a GPU at the "
        f"{rate / 1e6:,.1f} million events a second that were measured with {ITEMS / 1e6:,.0f} million items "
        f"([GPU](measurements/gpu.md)): {-(-gpu_hours // HOURS):,.0f} GPUs in {HOURS} hours. A training uses one GPU, "
        "so that it must learn in data-parallel steps, or from a sample; a night with warm starts needs a tenth of it.",
    ]
    table = markdown(Table("", HEAD, rows))
    blocks = ["# How cost grows", *map(fill, paragraphs), "\n".join(table), *map(fill, behind)]
    return "\n\n".join(blocks) + "\n"


def plan(costs: Table, exponents: Table) -> tuple[list[list[str]], float]:
    """The rows of HEAD, and the core hours of all stages but similarity."""
    last = {str(row[0]): row for row in costs.rows}  # sizes ascend
    rows, total = [], 0.0
    for stage, _, cpu, memory, _ in exponents.rows:
        _, events, _, seconds, mib = last[str(stage)]
        times = EVENTS / number(events)
        hours = number(seconds) * times ** max(float(str(cpu)), 1.0) / 3600
        gib = number(mib) * times ** max(float(str(memory)), 0.0) / 1024
        change = CHANGES.get(str(stage)) or CHANGES[str(stage).partition("_")[0]]
        planned = "scaling out" in change
        total += 0 if planned else hours
        amounts = ["" if planned else f"{hours:,.0f}", "" if planned else shown(gib)]
        rows.append([f"`{stage}`", str(cpu), amounts[0], str(memory), amounts[1], change])
    return rows, total


def shown(gib: float) -> str:
    """An amount of memory, with two digits that count."""
    return f"{gib:,.1f} GiB" if gib < 1024 else f"{gib / 1024:,.1f} TiB"


def number(cell: object) -> float:
    """A cell with separators of thousands, as a number."""
    return float(str(cell).replace(",", ""))


def tokens_per_second() -> float:
    """Events a second that a next-item network learns on a GPU with the most items that were measured."""
    tables = json.loads(GPU.read_text(encoding="utf-8"))["tables"]
    table = next(table for table in tables if "million tokens/s" in table["columns"])
    place = table["columns"].index("million tokens/s")
    return 1e6 * float(table["rows"][-1][place])
