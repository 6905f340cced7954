"""What exists: the tables with the meaning of each column and the rules of their rows, and the domains.

Nothing here computes, and nothing here imports another package of Encore; all others import it, DAGs `schemas/names.py`
alone, which needs the standard library only. Begin with `table.py`, which says what a table is, then `tables.py`.
"""
