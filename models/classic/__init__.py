"""Recommenders without a network: popularity, nearest neighbours, EASE, and the ensemble of a night's models.

They import kernels, features and evaluation, never `models.neural`; jobs reach them by name through
`models.registry`, and `models.serving` takes popularity from here. Begin with `popularity`, then `knn`, whose four
models differ in what items are compared by.
"""
