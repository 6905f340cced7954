"""Accuracy: every recommender on MovieLens-1M, new items, continuations, sentiment, warm starts.

Each module is a command, whose parts `benchmarks.on_gpu` imports; real data is found below `ENCORE_DATA`. Begin with
`__main__.py`.
"""
