"""One contestant, once, in this process: the nearest neighbours of the rows of a matrix in memory.

    python -m benchmarks.similarity.peers implicit rows.npz 100 2 scores.npy

Prints JSON with its seconds, CPU seconds and peak memory. Loading, imports and compilation are left out; everything
from the interactions to the neighbours is in.
"""

import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Scores = npt.NDArray[np.float32]
Work = Callable[[], Any]  # returns scores [rows, at least k - 1] without the row itself, or a sparse matrix with it


def encore(rows: sp.csr_array, k: int, threads: int) -> Work:
    """All rows at once, every pair computed once."""
    from models.kernels.neighbours import top_k_neighbours

    top_k_neighbours(sp.csr_array(np.eye(2, dtype=np.float32)), 1)
    return lambda: top_k_neighbours(rows, k, threads=threads).similarity


def encore_streamed(rows: sp.csr_array, k: int, threads: int) -> Work:
    """As a Spark task computes it: all rows as queries, the same rows again as a stream of blocks."""
    from models.kernels.neighbours import RowBlock, stream_neighbours

    numbers = np.arange(rows.shape[0], dtype=np.int32)

    def blocks(matrix: sp.csr_array) -> Iterator[RowBlock]:
        for low in range(0, matrix.shape[0], 4096):
            yield RowBlock(numbers[low : low + 4096], matrix[low : low + 4096])

    def work(matrix: sp.csr_array) -> Scores:
        counts = np.bincount(matrix.indices, minlength=matrix.shape[1])
        queries = RowBlock(numbers[: matrix.shape[0]], matrix)
        return stream_neighbours(queries, blocks(matrix), k, feature_counts=counts, threads=threads).similarity

    work(rows[:2])
    return lambda: work(rows)


def implicit(rows: sp.csr_array, k: int, threads: int) -> Work:
    """`CosineRecommender.fit`, which normalises, transposes and multiplies."""
    from implicit.nearest_neighbours import CosineRecommender

    by_feature = sp.csr_matrix(rows.T)

    def work() -> Any:
        model = CosineRecommender(K=k, num_threads=threads)
        model.fit(by_feature, show_progress=False)
        return model.similarity

    return work


def sparse_dot_topn(rows: sp.csr_array, k: int, threads: int) -> Work:
    """Normalised here, then `sp_matmul_topn`, in float32, in which it is fastest."""
    from sparse_dot_topn import sp_matmul_topn

    def work() -> Any:
        lengths = np.sqrt(rows.multiply(rows).sum(axis=1))
        unit = sp.csr_matrix(sp.diags_array(1 / np.maximum(lengths, 1e-30)).astype(np.float32) @ rows)
        return sp_matmul_topn(unit, sp.csr_matrix(unit.T), top_n=k, n_threads=threads)

    return work


def scikit_learn(rows: sp.csr_array, k: int, threads: int) -> Work:
    """Brute force in float64, in pieces that fit its working memory. (In float32 its scores are off by 2e-5.)"""
    from sklearn.neighbors import NearestNeighbors

    doubles = sp.csr_matrix(rows.astype(np.float64))

    def work() -> Scores:
        model = NearestNeighbors(n_neighbors=k - 1, metric="cosine", algorithm="brute", n_jobs=threads)
        distances, _ = model.fit(doubles).kneighbors()
        return np.asarray(1 - distances, np.float32)

    return work


IN_MEMORY: dict[str, Callable[[sp.csr_array, int, int], Work]] = {
    "encore": encore,
    "encore-streamed": encore_streamed,
    "implicit": implicit,
    "sparse_dot_topn": sparse_dot_topn,
    "scikit-learn": scikit_learn,
}


def best(similarity: Any, k: int) -> Scores:
    """The similarities [n, k] of a sparse matrix, best first, without the row itself, which peers list as well."""
    entries = sp.coo_array(similarity)
    kept = entries.row != entries.col
    return sort_rows(entries.row[kept], entries.data[kept], similarity.shape[0], k)


def sort_rows(rows: npt.NDArray[Any], values: npt.NDArray[Any], n: int, k: int) -> Scores:
    """Values by row, float32 [n, k]: the largest first, padded with 0."""
    order = np.lexsort((-values, rows))
    rows, values = rows[order], values[order]
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    scores = np.zeros((n, k), np.float32)
    scores[rows[place < k], place[place < k]] = values[place < k]
    return scores


def peak_mib() -> float:
    """Most memory that this process has held, in MiB. (ru_maxrss would begin with its parent's.)"""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def main(contestant: str, data: str, k: int, threads: int, scores: str) -> None:
    """Runs the contestant, prints what it took, saves its scores [rows, k - 1]."""
    warnings.simplefilter("ignore")  # implicit says that it converts what it has made itself
    os.environ.update(OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS="1")
    work = IN_MEMORY[contestant](sp.csr_array(sp.load_npz(data)), k, threads)
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak_mib()}))
    np.save(scores, best(result, k - 1) if sp.issparse(result) else result[:, : k - 1])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
