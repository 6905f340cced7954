"""What training, evaluation, the gate and recommending share: arrays of a night, artifacts, incumbent, rules of choice.

The jobs of those names, `sentiment`, `activity`, `continuations` and `jobs.privacy` import it; it never imports Spark.
Begin with `arrays.py`, then `artifacts.py`.
"""
