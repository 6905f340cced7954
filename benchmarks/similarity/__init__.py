"""Similarity: Encore's kernels and Spark jobs beside other libraries, and what larger data would cost.

`__main__.py` compares, `limits.py` compares with the machine's limits, `scale.py` plans; the others are their parts.
"""
