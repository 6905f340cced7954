"""Cleaning: from landed deliveries to rows that stand, by the rules of docs/deliveries.md.

`jobs/clean.py`, publication and `tables check` import it; it imports storage and schemas, and Spark only to spread its
tasks. Begin with `growth.py`, then `fold.py`.
"""
