"""Offline evaluation: ranking metrics with ties in expectation, bootstrap intervals, beyond-accuracy metrics, drift.

It imports the contract of recommenders and no recommender; models choose their settings by `validation`, and the jobs
`evaluate` and `gate` judge by the rest. Begin with `metrics` and the tie groups of `ties`.
"""
