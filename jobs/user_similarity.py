"""The nearest users of every user: exact cosine over the items that they share (jobs/similarity/table.py)."""

import argparse

from jobs import job
from jobs.night import Attempt, Night, night_parser
from jobs.similarity import table as similarity


def parser() -> argparse.ArgumentParser:
    """Arguments of the job."""
    return night_parser("user_similarity", __doc__)


def main(args: argparse.Namespace) -> int:
    """Runs the job."""
    return job.run("user_similarity", compute, args)


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Writes user_similarity."""
    similarity.compute(night, attempt, entity="user", feature="item")
