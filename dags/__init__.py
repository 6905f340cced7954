"""Airflow DAGs: thin files that say what runs, when and in which order; no logic, and no code of `jobs` or `models`.

Airflow imports them, and nothing else does; they import `schemas.names`. Begin with `nightly.py`; `common.py` has the
operator and the policy of tasks.
"""
