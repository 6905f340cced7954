"""Plugins of Airflow: what Encore adds to its UI, the nightly HTML reports.

Airflow imports them from this folder, and nothing else does; they import `dags.common` and `schemas.names`. Begin with
`reports.py`.
"""
