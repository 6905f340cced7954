"""Files and tables: the only package that reads and writes the warehouse and the landing folder.

Everything in `jobs` may import it; it imports no job. Begin with `runs.py` (the folder of a run and its manifest), then
`catalog.py` (the published tables) and `sql.py` (DuckDB over them).
"""
