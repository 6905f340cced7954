"""The nearest users of every user: exact, by each of the domain's `user_methods` (jobs/similarity/table.py)."""

import argparse

from jobs.night import Attempt, Night
from jobs.similarity import table as similarity


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Writes user_similarity."""
    similarity.compute(night, attempt, entity="user")
