"""Who takes part in the comparison of similarity, and one measurement of each."""

import importlib.util
import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from pyarrow import dataset

from benchmarks.shared.data import ROOT
from benchmarks.shared.interactions import write_cells
from benchmarks.shared.processes import measure
from benchmarks.similarity.peers import sort_rows
from benchmarks.similarity.spark_runs import class_archive, cluster, shuffled_bytes, submit

ARCHIVE = class_archive()


@dataclass(frozen=True)
class Case:
    """What all contestants compute: n rows of a matrix, and how much work that is (multiply-adds of all pairs)."""

    folder: Path
    n: int
    multiply_adds: float
    k: int
    threads: int
    limit: float  # seconds for one measurement

    @property
    def matrix(self) -> Path:
        """The rows as a SciPy file."""
        return self.folder / "rows.npz"

    @property
    def cells(self) -> Path:
        """The rows as Parquet, for Spark."""
        return self.folder / "cells"

    def scores(self, contestant: str) -> Path:
        """float32 [n, k - 1], best first."""
        return self.folder / f"{contestant}.npy"


@dataclass(frozen=True)
class Contestant:
    """How it is run, and the most multiply-adds at which it is tried.

    module: the package it needs. spark: what spark_similarity.py is told, with the driver's memory and, on a
    standalone cluster, its one-core workers: CPU seconds and memory are then the driver's alone.
    """

    most: float = float("inf")
    module: str | None = None
    spark: str | None = None
    memory: str = "2g"
    workers: int = 0


CONTESTANTS: Mapping[str, Contestant] = {
    "encore": Contestant(),
    "encore-streamed": Contestant(),
    "encore-spark": Contestant(spark="encore"),
    "implicit": Contestant(module="implicit"),
    "sparse_dot_topn": Contestant(module="sparse_dot_topn", most=1e11),
    "scikit-learn": Contestant(module="sklearn", most=1e10),
    "self-join": Contestant(spark="self-join", memory="8g", most=1e9),
    "columnSimilarities": Contestant(spark="columnSimilarities", memory="8g", most=1e9),
    "cluster-1": Contestant(spark="encore", workers=1),
    "cluster-2": Contestant(spark="encore", workers=2),
}
# sparse_dot_topn adds up normalised float32, which drifts; the others compute in float64, or raw values as Encore does.
TOLERANCE = dict.fromkeys(CONTESTANTS, 1e-5) | {"sparse_dot_topn": 1e-4}


def run(name: str, case: Case) -> dict[str, Any]:
    """One measurement: seconds, cpu_seconds, peak_mib; or a note that says why there is none."""
    contestant = CONTESTANTS[name]
    if contestant.module and importlib.util.find_spec(contestant.module) is None:
        return {"note": f"{contestant.module} is not installed"}
    if case.multiply_adds > contestant.most:
        return {"note": f"not tried with more than {contestant.most:.0e} multiply-adds"}
    return _on_spark(name, contestant, case) if contestant.spark else _in_memory(name, case)


def _in_memory(name: str, case: Case) -> dict[str, Any]:
    words = [name, str(case.matrix), str(case.k), str(case.threads), str(case.scores(name))]
    log = case.folder / f"{name}.log"
    log.unlink(missing_ok=True)
    usage = measure(
        [sys.executable, "-m", "benchmarks.similarity.peers", *words], log, {"PYTHONPATH": str(ROOT)}, case.limit
    )
    return _failure(usage.state, log, case) or json.loads(log.read_text().splitlines()[-1])


def _on_spark(name: str, contestant: Contestant, case: Case) -> dict[str, Any]:
    number = len(list(case.folder.glob(f"{name}-*.log")))
    log, lists, scratch = (case.folder / f"{name}-{number}{end}" for end in (".log", "-lists", "-scratch"))
    words = [str(contestant.spark), *(path.as_uri() for path in (case.cells, lists, scratch)), str(case.k - 1)]
    _warm(case)
    if contestant.workers:
        with cluster(contestant.workers, case.folder) as master:
            usage = submit(words, log, master=master, archive=ARCHIVE, memory=contestant.memory, limit=case.limit)
    else:
        master = f"local[{case.threads}]"
        usage = submit(words, log, master=master, archive=ARCHIVE, memory=contestant.memory, limit=case.limit)
    if failure := _failure(usage.state, log, case):
        return failure
    result = dataset.dataset(lists).to_table(columns=["item_id", "similarity"])
    rows, values = result["item_id"].cast(pa.int64()).to_numpy(), result["similarity"].to_numpy()
    np.save(case.scores(name), sort_rows(rows, values, case.n, case.k - 1))
    took = {"seconds": usage.seconds, "cpu_seconds": usage.cpu_seconds, "peak_mib": usage.peak_mib}
    stored = sum(file.stat().st_size for file in scratch.rglob("*.parquet"))
    shutil.rmtree(scratch, ignore_errors=True)
    return took | {"shuffled_bytes": shuffled_bytes(log), "stored_bytes": stored}


def _warm(case: Case) -> None:
    """Once on this machine: compiles the kernels into their cache, and leaves Java's archive of Spark's classes."""
    if not ARCHIVE.exists():
        ARCHIVE.parent.mkdir(parents=True, exist_ok=True)
        folders = [case.folder / f"warm-{name}" for name in ("cells", "lists", "scratch")]
        write_cells(sp.csr_array(np.ones((4, 4))), folders[0])
        words = ["encore", *(path.as_uri() for path in folders), "1"]
        submit(words, case.folder / "warm.log", master=f"local[{case.threads}]", archive=ARCHIVE)


def _failure(state: str, log: Path, case: Case) -> dict[str, Any] | None:
    if state == "stopped":
        return {"note": f"stopped after {case.limit:.0f} s"}
    if state == "failed":
        lines = [
            line for line in log.read_text(errors="replace").splitlines() if "Error" in line or "Exception" in line
        ]
        return {"note": f"failed: {lines[-1] if lines else log.read_text(errors='replace')[-200:]}"}
    return None
