"""Parsers: cells of a file become values of the landing columns, a block at a time.

The other modules of `jobs.sources`, its formats and the demo, import them; they import errors and schemas alone, and
know no file. Begin with `scalars.py` (numbers, texts, truth values), then `times.py`.
"""
