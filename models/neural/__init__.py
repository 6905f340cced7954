"""Recommenders, a classifier of reviews and a forecast of activity as Keras networks, on any backend of `keras.ops`.

They import `models.training`, layers, features, kernels and evaluation, never `models.classic`. A night's jobs train
and load recommenders by name through `models.registry`, because Keras takes seconds to import; those that need a
network of one kind, `continuations` (`seq2seq`), `sentiment` (`review_sentiment`) and `activity`, import it, as the
check of its settings does (`jobs/settings.py`). Begin with `recommender`, then `sasrec`.
"""
