"""Validation: NDCG@10 for users with held-out items, by which models choose their settings."""

import numpy as np
import numpy.typing as npt

from models.base import Recommender
from models.data import HeldOut
from models.evaluation.metrics import ndcg
from models.evaluation.ties import groups_without_ties

CUTOFF = 10
MAX_USERS = 4096  # differences between settings are those of the same users: more would only cost time


def mean_ndcg(model: Recommender, held_out: HeldOut) -> float:
    """Mean NDCG@10 over the users; what they had before is left out of the lists."""
    return float(user_ndcg(model, held_out).mean())


def user_ndcg(model: Recommender, held_out: HeldOut) -> npt.NDArray[np.float64]:
    """NDCG@10 of each user, float64 [n]; what they had before is left out of the lists."""
    lists = model.recommend(held_out.histories, CUTOFF)
    return ndcg(groups_without_ties(lists.items, held_out.relevant), CUTOFF)


def sample_users(held_out: HeldOut | None, seed: int, most: int = MAX_USERS) -> HeldOut | None:
    """`most` of the users, drawn by the seed; None where there is nobody to choose by."""
    if held_out is None or not len(held_out.users):
        return None
    if len(held_out.users) <= most:
        return held_out
    chosen = np.sort(np.random.default_rng(seed).choice(len(held_out.users), most, replace=False))
    return HeldOut(held_out.users[chosen], held_out.histories.take(chosen), held_out.relevant[chosen])
