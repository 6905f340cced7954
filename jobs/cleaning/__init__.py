"""Cleaning: from landed deliveries to rows that stand, by the rules of docs/deliveries.md.

`jobs/clean.py`, publication, `tables check` and erasure (`jobs/privacy/tables.py`) import it; it imports storage and
schemas, and Spark only to spread its tasks. Begin with `growth.py`, then `fold.py`.
"""
