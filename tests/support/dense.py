"""Similarity, weights and content of items by their equations in float64, to compare the kernels and models with."""

import numpy as np

from models.data import Catalogue
from models.features.content import terms
from models.histories import Histories

FILMS = Catalogue(
    titles=["Toy Story", "toy story 2", "Heat", ""],
    descriptions=["A toy and a toy cowboy.", "", "A thief.", ""],
    genres=[("Animation", "Children"), ("Animation",), ("Crime", "Sci-Fi"), ()],
    tags=[("pixar",), (), ("mafia",), ()],
    posters=[""] * 4,
)


def dense_similarity(histories: Histories, neighbours: int) -> np.ndarray:
    """[n_items, n_items]: cosine of the items' users; row j holds the nearest of j, equal ones by row, else 0."""
    had = np.zeros((histories.n_users, histories.n_items))
    had[histories.users, histories.items] = 1
    norms = np.sqrt(had.sum(axis=0))
    cosine = (had.T @ had) / np.maximum(np.outer(norms, norms), 1e-9)
    np.fill_diagonal(cosine, 0)
    kept = np.zeros_like(cosine)
    for j, row in enumerate(cosine):
        nearest = sorted(np.flatnonzero(row), key=lambda i: (-round(row[i], 9), i))[:neighbours]
        kept[j, nearest] = row[nearest]
    return kept


def dense_weights(histories: Histories, decay: float) -> np.ndarray:
    """[n_users, n_items]: Σ decay^p over the user's events of the item, p counted from the newest."""
    weights = np.zeros((histories.n_users, histories.n_items))
    for user in range(histories.n_users):
        own = histories.items[histories.indptr[user] : histories.indptr[user + 1]]
        for p, item in enumerate(reversed(own.tolist())):
            weights[user, item] += decay**p
    return weights


def dense_content(catalogue: Catalogue) -> np.ndarray:
    """√count · (1 + ln(N / (1 + items with the term))), in rows of length 1; columns by term."""
    rows = [
        terms(*row)
        for row in zip(catalogue.titles, catalogue.descriptions, catalogue.genres, catalogue.tags, strict=True)
    ]
    columns = sorted({term for row in rows for term in row})
    counts = np.array([[row.count(term) for term in columns] for row in rows], float)
    weights = np.sqrt(counts) * (1 + np.log(len(rows) / (1 + (counts > 0).sum(axis=0))))
    lengths = np.linalg.norm(weights, axis=1, keepdims=True)
    return weights / np.where(lengths > 0, lengths, 1)
