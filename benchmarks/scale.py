"""How the cost of a night grows: every stage at 1, 4 and 16 times a number of events, and what far more would need.

    python -m benchmarks.scale [--base 250000] [--times 1 4 16] [--models …] [--measurement FILE]
    python -m benchmarks.scale --page FILE [--measurement FILE]

Each user has 40 events on average, and items grow with the root of the events: 16 million are of 400,000 users and
100,000 items. All stages run on Spark, also where a night of that size would do without it. `--page` measures nothing
and writes a page of documentation from the measurement: exponents of CPU and memory, and the plan.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.shared.interactions import DS, draw, write_night
from benchmarks.shared.jobs import Deployment
from benchmarks.shared.measurement import Cell, Measurement, Table, measured_now, read, write
from benchmarks.shared.processes import Usage
from benchmarks.shared.scale_page import page
from jobs.spark.server import Server

RUN, STEEP = "scale", 1.1  # an exponent above is flagged
MODELS = "popularity,item_knn,ease,sasrec"
BEFORE = ("clean", "vocabulary", "sequences")
BEHIND = ("activity", "item_similarity", "user_similarity", "evaluate", "gate", "recommend", "publish")
# One similarity of each side; networks learn each example once; EASE's time grows with the cube of the items.
CONFIG = """[domains.movies]
item_methods = ["cosine"]
user_methods = ["cosine"]

[models.ease]
min_events = 1000

[models.sasrec]
epochs = 1
"""
COLUMNS = ("stage", "events", "seconds", "CPU seconds", "peak MiB")
CAPTION = (
    "Stages of a first night of generated events, one after another as the command line runs them, on the run's Spark "
    "server; memory of all processes, the server among them, where shared pages count once for each process"
)
EXPONENTS = ("stage", "seconds", "CPU seconds", "peak MiB", "above 1.1")
CAPTION_OF_EXPONENTS = (
    "Exponents of growth against events: the slope of the logarithms by least squares over all sizes, or between the "
    "last two where that is larger, because what a stage costs at any size hides growth at small ones"
)
Costs = dict[str, list[tuple[int, Usage]]]  # stage → (events, usage) by size


def stages(events: int, folder: Path, models: Sequence[str]) -> Iterator[tuple[str, Usage]]:
    """(stage, usage) of a night of so many events."""
    write_night(draw(events // 40, round(25 * events**0.5), events, 20 * (events / 22e6) ** 0.5), folder / "files")
    config = folder / "encore.toml"
    config.write_text(CONFIG)
    plain = Deployment(folder, environment={"ENCORE_CONFIG": str(config)})
    night = ["--domain", plain.domain, "--ds", DS]
    yield "import", plain.encore("import", "parquet", str(folder / "files"), *night)
    plain.encore("spark", "start", "--run", RUN)
    try:
        server = Server(**json.loads((folder / "state" / "spark" / f"{RUN}.json").read_text()))
        on_spark = Deployment(folder, environment={**plain.environment, "SPARK_REMOTE": server.remote})
        night += ["--run", RUN]
        on_spark.encore("pin", *night, "--models", ",".join(models))
        trainings = [("train", "--model", model) for model in models]
        for job, *words in [*((job,) for job in BEFORE), *trainings, *((job,) for job in BEHIND)]:
            yield "_".join([job, *words[1:]]), on_spark.encore(job, *night, *words, run=RUN)
    finally:
        plain.encore("spark", "stop", "--run", RUN)


def exponent(events: Sequence[float], costs: Sequence[float]) -> float:
    """The slope of log cost over log events: over all sizes, or between the last two where that is larger."""
    x, y = np.log(events), np.log(np.maximum(costs, 1e-3))
    whole = float(np.polyfit(x, y, 1)[0])
    return max(whole, float((y[-1] - y[-2]) / (x[-1] - x[-2])))


def exponents(costs: Costs) -> list[list[Cell]]:
    """A row of EXPONENTS for each stage."""
    rows: list[list[Cell]] = []
    for stage, measured in costs.items():
        events = [count for count, _ in measured]
        by_name = {
            name: exponent(events, [getattr(usage, name) for _, usage in measured])
            for name in ("seconds", "cpu_seconds", "peak_mib")
        }
        steep = [name.replace("_", " ") for name, slope in by_name.items() if round(slope, 2) > STEEP]
        rows.append([stage, *(f"{slope:.2f}" for slope in by_name.values()), ", ".join(steep) or None])
    return rows


def measurement(costs: Costs, commands: Sequence[str]) -> Measurement:
    """Two tables: the costs of each stage, and the exponents."""
    rows: list[list[Cell]] = [
        [stage, f"{events:,}", f"{usage.seconds:,.1f}", f"{usage.cpu_seconds:,.1f}", f"{usage.peak_mib:,.0f}"]
        for stage, measured in costs.items()
        for events, usage in measured
    ]
    tables = [Table(CAPTION, COLUMNS, rows), Table(CAPTION_OF_EXPONENTS, EXPONENTS, exponents(costs))]
    return measured_now("How the cost of a night grows", commands, tables)


def measure(base: int, times: Sequence[int], models: Sequence[str]) -> Costs:
    """Measures all stages at all sizes; prints a line for each."""
    costs: Costs = {}
    for factor in times:
        with tempfile.TemporaryDirectory() as folder:
            for stage, usage in stages(base * factor, Path(folder), models):
                costs.setdefault(stage, []).append((base * factor, usage))
                values = f"{usage.seconds:,.1f} s, {usage.cpu_seconds:,.1f} CPU s, {usage.peak_mib:,.0f} MiB"
                print(f"{base * factor:,} {stage}: {values}", flush=True)
    return costs


def main() -> None:
    """Measures, or writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=int, default=250_000, metavar="EVENTS")
    parser.add_argument("--times", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--measurement", type=Path, help="JSON file for docs/measurements")
    parser.add_argument("--page", type=Path, help="write this page from the measurement, and measure nothing")
    args = parser.parse_args()
    if args.page:
        args.page.write_text(page(read(args.measurement)), encoding="utf-8")
        return
    costs = measure(args.base, args.times, args.models.split(","))
    for row in exponents(costs):
        print(*row)
    if args.measurement:
        command = f"python -m benchmarks.scale --base {args.base} --times {' '.join(map(str, args.times))}"
        write(measurement(costs, [command]), args.measurement)


if __name__ == "__main__":
    main()
