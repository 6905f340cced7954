"""Models without a network: popularity, nearest neighbours, EASE, a night's ensemble, the baseline of `activity`.

They import kernels, features and evaluation, never `models.neural`. A night's jobs train and load them by name through
`models.registry`; popularity (the yardstick, and the fallback in `models.serving`) and `content_knn` (new items) are
imported by the jobs `evaluate` and `recommend` and by `jobs.learning` too, as is the baseline of `activity`. Begin
with `item_knn`, then `knn`, which the four models of nearest neighbours share; of the ensemble with `ensemble`, then
`fusion` (weights by rank), `second_stage` and `candidates` (what it knows of an item).
"""
