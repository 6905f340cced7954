"""How models choose their settings: by NDCG@10 of their lists for users with held-out items."""

import numpy as np

from models.base import Recommender
from models.data import HeldOut
from models.evaluation.metrics import ndcg
from models.evaluation.places import untied

PLACES = 10
MOST_USERS = 4096  # differences between settings are those of the same users: more would only cost time


def quality(model: Recommender, held_out: HeldOut) -> float:
    """Mean NDCG@10 over the users; what they had before is left out of the lists."""
    lists = model.recommend(held_out.histories, PLACES)
    return float(ndcg(untied(lists.items, held_out.relevant), PLACES).mean())


def sampled(held_out: HeldOut | None, seed: int, most: int = MOST_USERS) -> HeldOut | None:
    """`most` of the users, drawn by the seed; None where there is nobody to choose by."""
    if held_out is None or not len(held_out.users):
        return None
    if len(held_out.users) <= most:
        return held_out
    chosen = np.sort(np.random.default_rng(seed).choice(len(held_out.users), most, replace=False))
    return HeldOut(held_out.users[chosen], held_out.histories.take(chosen), held_out.relevant[chosen])
