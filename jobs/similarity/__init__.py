"""Exact item and user similarity on Spark: blocks of sparse rows on storage, compared by tasks with the numba kernels.

The jobs `item_similarity` and `user_similarity` call `table`, and nothing else imports this package but benchmarks;
it imports `jobs.spark`, `jobs.storage` and `models.kernels`. Begin with `table`, which reads from top to bottom, then
`layout` (blocks) and `neighbours` (tasks), with the drawing in docs/glossary.md beside them.
"""
