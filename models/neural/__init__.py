"""Recommenders and a classifier of reviews as Keras networks, on any backend of `keras.ops`.

They import `models.training`, layers, features, kernels and evaluation, never `models.classic`; jobs reach them by name
through `models.registry`, because Keras takes seconds to import. Begin with `recommender`, then `sasrec`.
"""
