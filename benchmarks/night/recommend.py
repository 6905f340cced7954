"""The best K items of every user from vectors: Encore beside the plain product, Spark ALS and implicit, in one run.

    python -m benchmarks.night.recommend --peers .bench/bin/python --measurement docs/measurements/lists.json

Each measurement is a process of its own, and repetitions go round the contestants, so that a noisy minute does not hit
one alone; medians count. All have the same vectors and as many threads. Seconds, and CPU seconds for a machine that
others use too, are those of making the lists alone: vectors are in memory (in Spark: cached), processes started, code
compiled. `gemm` multiplies, block by block of users, and keeps nothing; Encore and implicit leave out each user's own
160 items, Spark ALS cannot.
--peers: a Python with implicit (and NumPy, SciPy); without it implicit is left out. `--only gemm encore` leaves out
others.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.shared.data import ROOT
from benchmarks.shared.measurement import Table, measured_now, write

HISTORY = 160  # items of a user, as in MovieLens-20M
BLOCK = 512  # users of a block of the plain product; from 256 to 4096 it makes no difference
CHECKED = 200  # users whose lists are compared with exact products
Floats = npt.NDArray[np.float32]
Work = Callable[[], Floats | None]  # returns the scores of the lists, where it has them


def gemm(users: Floats, items: Floats, history: npt.NDArray[np.int64], k: int, threads: int) -> Work:
    """NumPy's float32 product, with its BLAS."""
    scores = np.empty((BLOCK, len(items)), np.float32)

    def work() -> None:
        for low in range(0, len(users), BLOCK):
            block = users[low : low + BLOCK]
            np.matmul(block, items.T, out=scores[: len(block)])

    return work


def encore(users: Floats, items: Floats, history: npt.NDArray[np.int64], k: int, threads: int) -> Work:
    """`models.kernels.top_k`, as every model with vectors recommends."""
    from models.histories import Histories
    from models.kernels.top_k import top_products

    def events(n: int) -> Histories:
        indptr = np.arange(n + 1, dtype=np.int64) * HISTORY
        own = history[:n].reshape(-1)
        return Histories(indptr, own, np.ones(len(own), np.float32), None, len(items))

    everyone = events(len(users))
    top_products(users[:1], items, k, histories=events(1), threads=threads)  # compiles
    return lambda: top_products(users, items, k, histories=everyone, threads=threads).scores


def implicit(users: Floats, items: Floats, history: npt.NDArray[np.int64], k: int, threads: int) -> Work:
    """`recommend` of its ALS model."""
    import scipy.sparse as sp
    from implicit.cpu.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(factors=users.shape[1], num_threads=threads)
    model.user_factors, model.item_factors = users, items
    indptr, own = np.arange(len(users) + 1) * HISTORY, np.sort(history, axis=1).reshape(-1)
    liked = sp.csr_matrix((np.ones(len(own), np.float32), own, indptr), shape=(len(users), len(items)))
    return lambda: np.asarray(model.recommend(np.arange(len(users)), liked, N=k, filter_already_liked_items=True)[1])


def spark_als(users: Floats, items: Floats, history: npt.NDArray[np.int64], k: int, threads: int) -> Work:
    """`recommendForAllUsers` of pyspark.ml, written nowhere."""
    import pandas as pd
    from pyspark.ml.recommendation import ALSModel
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(f"local[{threads}]").config("spark.driver.memory", "8g")
    builder = builder.config("spark.ui.showConsoleProgress", "false")
    spark = builder.config("spark.ui.enabled", "false").config("spark.sql.execution.arrow.pyspark.enabled", "true")
    session = spark.getOrCreate()

    def factors(vectors: Floats) -> Any:
        rows = pd.DataFrame({"id": np.arange(len(vectors), dtype=np.int32), "features": list(vectors)})
        frame = session.createDataFrame(rows, "id int, features array<float>").repartition(10).cache()
        frame.count()
        return frame

    tables = factors(users), factors(items)
    java = session._jvm.org.apache.spark.ml.recommendation.ALSModel
    als = java("als", users.shape[1], tables[0]._jdf, tables[1]._jdf).setUserCol("user").setItemCol("item")
    model = ALSModel(als)
    return lambda: model.recommendForAllUsers(k).write.format("noop").mode("overwrite").save()


CONTESTANTS: dict[str, Callable[[Floats, Floats, npt.NDArray[np.int64], int, int], Work]] = {
    "gemm": gemm,
    "encore": encore,
    "implicit": implicit,
    "spark_als": spark_als,
}


def once(name: str, n_users: int, n_items: int, size: int, k: int, threads: int) -> dict[str, float]:
    """One measurement in this process."""
    random = np.random.default_rng(0)
    users = random.standard_normal((n_users, size), dtype=np.float32)
    items = random.standard_normal((n_items, size), dtype=np.float32)
    history = random.integers(0, n_items, (n_users, HISTORY))
    work = CONTESTANTS[name](users, items, history, k, threads)
    started, cpu = time.perf_counter(), time.process_time()
    scores = work()
    result = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}
    if scores is not None:
        check(name, scores[:CHECKED], users[:CHECKED], items, history[:CHECKED])
    return result


def check(name: str, scores: Floats, users: Floats, items: Floats, history: npt.NDArray[np.int64]) -> None:
    """Raises where the best scores are not those of the product."""
    exact = users @ items.T
    np.put_along_axis(exact, history, -np.inf, axis=1)
    best = -np.sort(-exact, axis=1)[:, : scores.shape[1]]
    if not np.allclose(scores, best, rtol=1e-4, atol=1e-4):
        raise AssertionError(f"{name}: the lists are not the best items")


def measure(name: str, python: str, args: argparse.Namespace) -> dict[str, float]:
    """One measurement in a process of its own."""
    # implicit asks for one thread in BLAS, since it has its own
    blas = "1" if name == "implicit" else str(args.threads)
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": blas, "PYSPARK_PYTHON": python}
    shape = [f"--{what}={getattr(args, what)}" for what in ("users", "items", "dim", "k", "threads")]
    command = [python, "-m", "benchmarks.night.recommend", "--once", name, *shape]
    result = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    return dict(json.loads(result.stdout.splitlines()[-1]))


def summary(seconds: dict[str, list[float]], cpu: dict[str, list[float]], args: argparse.Namespace) -> dict[str, Any]:
    """Medians, and how they compare."""
    median = {name: statistics.median(some) for name, some in seconds.items()}
    work = 2 * args.users * args.items * args.dim / 1e9
    shape = {"users": args.users, "items": args.items, "dim": args.dim, "k": args.k, "threads": args.threads}
    return {
        **shape,
        "seconds": {name: [round(one, 3) for one in some] for name, some in seconds.items()},
        "median": {name: round(one, 3) for name, one in median.items()},
        "median_cpu": {name: round(statistics.median(some), 3) for name, some in cpu.items()},
        "gflops": {name: round(work / one, 1) for name, one in median.items()},
        "times_faster_than": {
            name: round(one / median["encore"], 2) for name, one in median.items() if name != "encore"
        },
    }


def main() -> None:
    """Prints the figures as JSON, and writes them where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for what, default in (("users", 138_000), ("items", 26_000), ("dim", 64), ("k", 100), ("threads", 2)):
        parser.add_argument(f"--{what}", type=int, default=default)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(CONTESTANTS), default=list(CONTESTANTS))
    parser.add_argument("--peers", help="a Python that has implicit")
    parser.add_argument("--measurement", metavar="FILE", type=Path, help="JSON for docs/measurements")
    parser.add_argument("--once", choices=list(CONTESTANTS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.once:
        print(json.dumps(once(args.once, args.users, args.items, args.dim, args.k, args.threads)))
        return
    names = [name for name in args.only if name != "implicit" or args.peers]
    seconds: dict[str, list[float]] = {name: [] for name in names}
    cpu: dict[str, list[float]] = {name: [] for name in names if name != "spark_als"}  # which computes in Java
    for _ in range(args.repetitions):
        for name in names:
            python = args.peers if name == "implicit" else sys.executable
            result = measure(name, python, args)
            seconds[name].append(result["seconds"])
            cpu.get(name, []).append(result["cpu_seconds"])
            print(f"{name}: {seconds[name][-1]:.3f} s", file=sys.stderr, flush=True)
    figures = summary(seconds, cpu, args)
    print(json.dumps(figures, indent=1))
    if args.measurement:
        caption = f"{args.users:,} users, {args.items:,} items × {args.dim}, the best {args.k}, {args.threads} threads."
        rows = [[name, figures["median"][name], figures["gflops"][name]] for name in names]
        table = Table(caption, ("method", "seconds, median", "GFLOP/s"), rows)
        command = f"python -m benchmarks.night.recommend {shlex.join(sys.argv[1:])}"
        write(measured_now("Lists from vectors", [command], [table]), args.measurement)


if __name__ == "__main__":
    main()
