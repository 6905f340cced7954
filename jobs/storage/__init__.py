"""Storage: files at addresses, landing, runs with their manifests, Parquet, and the Iceberg catalog.

Everything in `jobs` may import it; it imports no job, and alone uses PyIceberg. Begin with `runs.py` (the folder of a
run and its manifest), then `catalog.py` (the published tables) and `sql.py` (DuckDB over them).
"""
