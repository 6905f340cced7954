"""Exact cosine top-k of items and of users: Encore beside its peers, on the same data in the same run.

    python benchmarks/similarity.py --data 1/16 1/4 ml-1m --json similarity.json --plot similarity.svg

Every measurement is a process of its own, and repetitions go round the contestants, so that a noisy minute does not
hit one of them alone. Seconds hold everything from the interactions in memory to the neighbours (medians; CPU seconds
beside them, for a machine that others use too). Multiply-adds are those of all ordered pairs, whoever computes fewer.
"""

import argparse
import importlib.util
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from interactions import generated, movielens

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

Scores = npt.NDArray[np.float32]
Job = Callable[[], Any]  # returns scores, or a sparse matrix of them


def encore(rows: sp.csr_array, k: int, threads: int) -> Job:
    """All rows at once, every pair computed once."""
    from models.neighbours import top_k_neighbours

    top_k_neighbours(sp.csr_array(np.eye(2, dtype=np.float32)), 1)
    return lambda: top_k_neighbours(rows, k, threads=threads).similarity


def encore_streamed(rows: sp.csr_array, k: int, threads: int) -> Job:
    """As a Spark task computes it: all rows as queries, the same rows again as a stream of blocks."""
    from models.neighbours import RowBlock, stream_neighbours

    numbers = np.arange(rows.shape[0], dtype=np.int32)

    def blocks(matrix: sp.csr_array) -> Iterator[RowBlock]:
        for low in range(0, matrix.shape[0], 4096):
            yield RowBlock(numbers[low : low + 4096], matrix[low : low + 4096])

    def job(matrix: sp.csr_array) -> Scores:
        counts = np.bincount(matrix.indices, minlength=matrix.shape[1])
        queries = RowBlock(numbers[: matrix.shape[0]], matrix)
        return stream_neighbours(queries, blocks(matrix), k, feature_counts=counts, threads=threads).similarity

    job(rows[:2])
    return lambda: job(rows)


def implicit(rows: sp.csr_array, k: int, threads: int) -> Job:
    """`CosineRecommender.fit`, which normalises, transposes and multiplies."""
    from implicit.nearest_neighbours import CosineRecommender

    by_feature = sp.csr_matrix(rows.T)

    def job() -> Scores:
        model = CosineRecommender(K=k, num_threads=threads)
        model.fit(by_feature, show_progress=False)
        return model.similarity

    return job


def sparse_dot_topn(rows: sp.csr_array, k: int, threads: int) -> Job:
    """Normalised here, then `sp_matmul_topn`."""
    from sparse_dot_topn import sp_matmul_topn

    def job() -> Scores:
        unit = normalised(rows)
        return sp_matmul_topn(unit, sp.csr_matrix(unit.T), top_n=k, n_threads=threads)

    return job


def scikit_learn(rows: sp.csr_array, k: int, threads: int) -> Job:
    """Brute force, in pieces that fit its working memory."""
    from sklearn.neighbors import NearestNeighbors

    def job() -> Scores:
        model = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute", n_jobs=threads)
        distances, _ = model.fit(sp.csr_matrix(rows)).kneighbors()
        return (1 - distances).astype(np.float32)

    return job


CONTESTANTS: dict[str, Callable[[sp.csr_array, int, int], Job]] = {
    "encore": encore,
    "encore streamed": encore_streamed,
    "implicit": implicit,
    "sparse_dot_topn": sparse_dot_topn,
    "scikit-learn": scikit_learn,
}
MODULES = {"implicit": "implicit", "sparse_dot_topn": "sparse_dot_topn", "scikit-learn": "sklearn"}


def normalised(rows: sp.csr_array) -> sp.csr_matrix:
    """Rows of length 1."""
    lengths = np.sqrt(rows.multiply(rows).sum(axis=1))
    return sp.csr_matrix(sp.diags_array(1 / np.maximum(lengths, 1e-30)).astype(np.float32) @ rows)


def best(similarity: sp.csr_matrix, k: int) -> Scores:
    """A peer's similarities [n, k - 1], best first, without the row itself, which peers list among the k."""
    entries = sp.coo_array(similarity)
    kept = entries.row != entries.col
    rows, values = entries.row[kept], entries.data[kept]
    order = np.lexsort((-values, rows))
    rows, values = rows[order], values[order]
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    scores = np.zeros((similarity.shape[0], k - 1), np.float32)
    scores[rows[place < k - 1], place[place < k - 1]] = values[place < k - 1]
    return scores


def measure(contestant: str, data: Path, k: int, threads: int, scores: Path) -> dict[str, float]:
    """One measurement, in a process of its own."""
    warnings.simplefilter("ignore")  # implicit says that it converts what it has made itself
    os.environ.update(OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS="1")
    rows = sp.csr_array(sp.load_npz(data))
    job = CONTESTANTS[contestant](rows, k, threads)
    wall, cpu = time.perf_counter(), time.process_time()
    found = job()
    seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    np.save(scores, best(found, k) if sp.issparse(found) else found[:, : k - 1])
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak_mib()}


def peak_mib() -> float:
    """Most memory that this process has held, in MiB. (ru_maxrss would begin with its parent's.)"""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def alone(*arguments: Any) -> dict[str, float]:
    """`measure` in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, *arguments).result()


def compared(name: str, side: str, rows: sp.csr_array, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One line for each contestant: medians of the repetitions, and how far its scores are from Encore's."""
    products = float((np.bincount(rows.indices).astype(float) ** 2).sum())
    runs: dict[str, list[dict[str, float]]] = {contestant: [] for contestant in options.contestants}
    missing = {c for c, module in MODULES.items() if importlib.util.find_spec(module) is None}
    with tempfile.TemporaryDirectory() as folder:
        sp.save_npz(Path(folder) / "rows.npz", rows, compressed=False)
        for _ in range(options.repetitions):
            for contestant in options.contestants:
                if contestant not in missing and not (products > options.most and contestant in options.slow):
                    scores = Path(folder) / f"{contestant}.npy"
                    arguments = (Path(folder) / "rows.npz", options.k, options.threads, scores)
                    runs[contestant].append(alone(contestant, *arguments))
        for contestant in options.contestants:
            line: dict[str, Any] = {"data": name, "side": side, "contestant": contestant, "rows": rows.shape[0]}
            line |= {"features": rows.shape[1], "entries": rows.nnz, "multiply_adds": products}
            if not runs[contestant]:
                yield line | {"note": "not installed" if contestant in missing else "left out: too slow at this size"}
                continue
            line |= {key: statistics.median(run[key] for run in runs[contestant]) for key in runs[contestant][0]}
            line["all_seconds"] = [run["seconds"] for run in runs[contestant]]
            line["multiply_adds_per_second"] = products / line["seconds"]
            if runs.get("encore"):
                line["times_encore"] = line["seconds"] / statistics.median(run["seconds"] for run in runs["encore"])
                ours, theirs = (np.load(Path(folder) / f"{c}.npy") for c in ("encore", contestant))
                line["largest_difference"] = float(np.abs(ours - theirs).max())
            yield line


def shown(line: dict[str, Any]) -> str:
    """A line of the table."""
    start = f"{line['data']:>6} {line['side']:5} {line['contestant']:16}"
    if "note" in line:
        return f"{start} {line['note']}"
    return (
        f"{start} {line['seconds']:9.2f} s {line['cpu_seconds']:9.2f} CPU s {line.get('times_encore', 1):6.2f} x"
        f" {line['multiply_adds_per_second'] / 1e9:7.2f} G/s {line['peak_mib']:7.0f} MiB"
        f"  max |difference| {line.get('largest_difference', 0):.1e}"
    )


def plotted(lines: list[dict[str, Any]], path: str) -> None:
    """Seconds over multiply-adds, a curve for each contestant and side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5))
    axes = figure.subplots(1, 2, sharey=True)
    for axis, side in zip(axes, ("items", "users"), strict=True):
        for contestant in CONTESTANTS:
            points = sorted(
                (line["multiply_adds"], line["seconds"])
                for line in lines
                if (line["side"], line["contestant"]) == (side, contestant) and "seconds" in line
            )
            axis.loglog(*zip(*points, strict=True), "o-", label=contestant) if points else None
        axis.set(title=f"{side} against {side}", xlabel="multiply-adds", ylabel="seconds")
        axis.legend() if axis.lines else None
    figure.savefig(path, bbox_inches="tight")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=["ml-1m", "1/16"], help="ml-1m, or the size generated: 1, 1/4, …")
    parser.add_argument("--sides", nargs="+", default=["items", "users"], choices=["items", "users"])
    parser.add_argument("--contestants", nargs="+", default=list(CONTESTANTS), choices=list(CONTESTANTS))
    parser.add_argument("--slow", nargs="*", default=["scikit-learn"], help="left out above --most multiply-adds")
    parser.add_argument("--most", type=float, default=5e9)
    parser.add_argument("-k", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--plot", metavar="FILE", help="needs matplotlib")
    return parser.parse_args()


def main() -> None:
    """Measure, print, write."""
    options = arguments()
    lines = []
    for name in options.data:
        matrix = movielens() if name == "ml-1m" else generated(Fraction(name))
        for side in options.sides:
            rows = sp.csr_array(matrix.T) if side == "items" else matrix
            rows.sort_indices()
            for line in compared(name, side, rows, options):
                lines.append(line)
                print(shown(line), flush=True)
            if options.json:
                Path(options.json).write_text(json.dumps(lines, indent=1))
    if options.plot:
        plotted(lines, options.plot)


if __name__ == "__main__":
    main()
