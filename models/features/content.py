"""Content vectors of items: TF-IDF of their words, genres and tags."""

import re
import unicodedata
from collections.abc import Iterable

import numpy as np
import scipy.sparse as sp

from models.data import Catalogue
from models.features.hybrid import unit
from models.features.weighting import tf_idf

WORD = re.compile(r"\w+")


def terms(title: str, description: str, genres: Iterable[str], tags: Iterable[str]) -> list[str]:
    """The terms of an item, as often as they occur.

    Words (runs of Unicode letters, digits and _) of title and description, genres and tags whole; compatibility forms
    and cases are one. The first letter names the field, so that the word of a title is not that of a description.
    Without a list of stop words: what most items have weighs little in TF-IDF.
    """
    words = ["t:" + word for word in WORD.findall(_fold_case(title))]
    words += ["d:" + word for word in WORD.findall(_fold_case(description))]
    words += ["g:" + _fold_case(genre) for genre in genres]
    words += ["#:" + _fold_case(tag) for tag in tags]
    return words


def content_matrix(catalogue: Catalogue) -> sp.csr_array:
    """float32 [n_items, n_terms]: TF-IDF (`models.features.weighting.tf_idf`) in rows of length 1; an item without
    terms has an empty row. Columns are in the order of the terms' code points."""
    rows = zip(catalogue.titles, catalogue.descriptions, catalogue.genres, catalogue.tags, strict=True)
    texts = [terms(*row) for row in rows]
    columns = {term: column for column, term in enumerate(sorted({term for row in texts for term in row}))}
    indices = np.fromiter((columns[term] for row in texts for term in row), np.int32)
    indptr = np.concatenate(([0], np.cumsum([len(row) for row in texts], dtype=np.int64)))
    counts = sp.csr_array((np.ones(len(indices), np.float32), indices, indptr), shape=(len(texts), len(columns)))
    counts.sum_duplicates()
    return unit(tf_idf(counts)).astype(np.float32)


def _fold_case(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
