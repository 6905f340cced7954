"""The nearest items of every item, exact, by each of the domain's `item_methods` (jobs/similarity/table.py)."""

import argparse

from jobs.night import Attempt, Night
from jobs.similarity import table as similarity


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Writes item_similarity."""
    similarity.compute(night, attempt, entity="item")
