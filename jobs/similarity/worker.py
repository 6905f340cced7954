"""Spark's Python daemon, with what tasks need in memory: its workers are forks of it and load nothing again.

Spark starts it by `spark.python.daemon.module`. Imports take 1.4 s and compiled kernels 0.6, which each worker took.
"""

import ctypes
import gc

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from pyspark import daemon

from jobs.similarity.preferences import merge_preferences
from jobs.spark.event_reader import EVENT
from models.kernels.neighbours import RowBlock, share_neighbours

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # of mallopt, in malloc.h


def keep_memory() -> None:
    """Has this process keep memory that it frees, for Arrow as well as for arrays.

    Each task needs the same hundreds of MiB as the one before, and the system would clear all pages of them once more:
    a fifth of the time in which events are packed and merged (measured).
    """
    pa.set_memory_pool(pa.system_memory_pool())
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc
        libc.mallopt(TRIM_THRESHOLD, -1)
        libc.mallopt(MMAP_MAX, 0)


def load_kernels() -> None:
    """Calls the kernels once, which reads them from numba's cache."""
    merge_preferences(pa.Table.from_pylist([dict.fromkeys(EVENT.names, 0)], EVENT), [1.0])
    rows = RowBlock(np.arange(2, dtype=np.int32), sp.csr_array(np.eye(2)))
    share_neighbours(rows, 1, 0, 2, feature_counts=np.ones(2, np.int64))


if __name__ == "__main__":
    keep_memory()
    load_kernels()
    gc.collect()
    gc.freeze()  # workers collect garbage after each task: what was imported would take 75 ms, and copies of its pages
    daemon.manager()
