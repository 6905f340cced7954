"""The nearest items of every item: exact cosine over the users that they share (jobs/similarity/table.py)."""

import argparse

from jobs.night import Attempt, Night
from jobs.similarity import table as similarity


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Writes item_similarity."""
    similarity.compute(night, attempt, entity="item")
