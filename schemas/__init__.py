"""What exists: the tables with the meaning of each column and the rules of their rows, and the domains. Nothing here
computes, and nothing here imports another package of Encore; `schemas/names.py`, for the DAGs, imports the standard
library alone. Begin with `table.py`, which says what a table is, and `domains/`."""
