"""Recommenders and their parts: arrays in, arrays out, saved to and loaded from a local folder; no Spark, no Airflow.

Modules here are what all packages share: the contract of every recommender (`base`), what it learns from (`histories`,
`data`), its name (`registry`); packages import them and, downwards alone, each other (contracts in setup.cfg), and
nothing of Encore outside `models`. Begin with `base`, then one small model, `classic/item_knn`.
"""
