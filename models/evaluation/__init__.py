"""Offline evaluation: ranking metrics with ties in expectation, bootstrap intervals, beyond-accuracy metrics, drift.

It imports the contract of recommenders and no recommender. Models import `validation`, by which they choose their
settings, and the ensemble the metrics; `jobs/evaluate.py`, `jobs.learning` (for the gate) and `models.serving` import
the rest. Begin with `metrics`, then the tie groups of `ties`.
"""
