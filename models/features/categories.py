"""Categorical features: an item's genres and tags as rows of an embedding table."""

from collections import Counter
from zlib import crc32

import numpy as np
import numpy.typing as npt

from models.data import Catalogue

MAX_CATEGORIES = 8  # categories that an item has at most: its most common ones
NONE = -1


def category_codes(catalogue: Catalogue, buckets: int) -> npt.NDArray[np.int32]:
    """int32 [n_items, ≤ MAX_CATEGORIES]: for the genres and tags of every item 0..buckets - 1, then NONE.

    The number is a hash of the name (Weinberger et al. 2009), so that it is the same every night, whatever names come;
    two names of one number share an embedding.
    """
    named = [
        list(dict.fromkeys((*genres, *tags))) for genres, tags in zip(catalogue.genres, catalogue.tags, strict=True)
    ]
    items = Counter(name for names in named for name in names)
    common = [sorted(names, key=lambda name: (-items[name], name))[:MAX_CATEGORIES] for names in named]
    number = {name: crc32(name.encode()) % buckets for name in items}
    codes = np.full((len(common), max(map(len, common), default=0)), NONE, np.int32)
    for row, names in enumerate(common):
        codes[row, : len(names)] = [number[name] for name in names]
    return codes
