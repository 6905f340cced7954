"""The nearest items of every item: exact cosine over the users that they share (jobs/similarity/table.py)."""

import argparse

from jobs import job
from jobs.night import Attempt, Night, night_parser
from jobs.similarity import table as similarity


def parser() -> argparse.ArgumentParser:
    """Arguments of the job."""
    return night_parser("item_similarity", __doc__)


def main(args: argparse.Namespace) -> int:
    """Runs the job."""
    return job.run("item_similarity", compute, args)


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Writes item_similarity."""
    similarity.compute(night, attempt, entity="item", feature="user")
