"""Exact nearest neighbours and top-k products as numba kernels: the fast loops below similarity and recommendation.

Kernels import `models.histories` and each other; everything above may import `neighbours` (similarity of sparse rows),
`top_k` (best items by products or scores), `nearest`, `merging` and `trees`, while the other modules are theirs alone.
Begin with `neighbours` and the drawing in docs/glossary.md, then follow `search`, `blocks`, `tiles`.
"""
