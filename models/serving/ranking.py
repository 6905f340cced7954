"""Ranked lists for evaluation: what users would be served, and which items tie there."""

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from models.base import BLOCK_USERS, Recommender
from models.data import HeldOut
from models.evaluation.ties import Bools, ServedLists, find_hits
from models.histories import Histories, IntArray
from models.serving.lists import CONTENT, OWN, POPULAR, Serving


def serve(model: Recommender, serving: Serving, test: HeldOut, k: int) -> ServedLists:
    """The k items that each held-out user would get.

    A list of k + 1 shows whether ties go on behind the k-th place. Only for those users all items are scored, which
    takes a few arrays of BLOCK_USERS × n_items. Lists that are re-ranked or explore are taken in the order they have.
    """
    rearranged = serving.diversity_lambda < 1 or serving.exploration_slots > 0
    lists = serving.lists(model, test.histories, test.users, k if rearranged else k + 1)
    items, beyond = lists.items[:, :k], np.zeros(len(test.users), np.int64)
    hits = find_hits(items, test.relevant)
    owner, place = np.nonzero(hits)
    matches = [(owner, items[owner, place])]
    new = np.ones(lists.items.shape, bool)
    if not rearranged:
        new[:, 1:] = (lists.scores[:, 1:] != lists.scores[:, :-1]) | (lists.source[:, 1:] != lists.source[:, :-1])
        going_on = np.flatnonzero(~new[:, k] & (lists.items[:, k] >= 0))
        for low in range(0, len(going_on), BLOCK_USERS):
            part = going_on[low : low + BLOCK_USERS]
            source = lists.source[part, k - 1]
            tied = behind(model, serving, test.histories.take(part), test.users[part], items[part], source)
            beyond[part] = tied.sum(axis=1)
            wanted = sp.coo_array(test.relevant[part])
            among = tied[wanted.row, wanted.col]
            matches.append((part[wanted.row[among]], wanted.col[among].astype(np.int64)))
    rows, columns = (np.concatenate(part) for part in zip(*matches, strict=True))
    relevant = sp.csr_array((np.ones(len(rows), np.int8), (rows, columns)), shape=test.relevant.shape)
    return ServedLists(items, new[:, :k], beyond, relevant)


def behind(
    model: Recommender,
    serving: Serving,
    histories: Histories,
    users: IntArray,
    items: IntArray,
    source: npt.NDArray[np.int8],
) -> Bools:
    """bool [n, n_items]: the items that tie with the last of `items` [n, k] and are not among them.

    By the scores of what chose the last one (`source` [n]): what other sources know of stands in the list already.
    """
    scores = np.full((len(users), histories.n_items), -np.inf, np.float32)
    popular = source == POPULAR
    scores[popular] = serving.popular[serving.segment[users[popular]]]
    for kind in (OWN, CONTENT):
        if len(part := np.flatnonzero(source == kind)):
            chooser = model if kind == OWN else serving.content()
            scores[part] = chooser.score(histories.take(part))
    scores[~serving.allowed[serving.group[users]]] = -np.inf
    scores[histories.users, histories.items] = -np.inf
    tied = np.asarray(scores == np.take_along_axis(scores, items[:, -1:], axis=1))
    np.put_along_axis(tied, items, False, axis=1)
    return tied
