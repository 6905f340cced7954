"""Similarity: Encore's kernels and Spark jobs beside other libraries, and what larger data would cost.

`limits.py` compares with the machine's limits, `scale.py` plans; the others are parts of the comparison. Nothing
imports it; it imports `benchmarks.shared`, kernels and the similarity jobs. Begin with `__main__.py`, which compares.
"""
