"""Random sequences of deliveries, nights, re-runs and withdrawals, against a model that knows no order of nights.

The model's rows follow from the deliveries and the nights that judged them alone. So where `clean` agrees with it after
every night, the same rows stand in any legal order, and no night breaks another. `python -m tests.jobs.cleaning.
test_orders SCHEDULES USERS SEED` runs many.
"""

import sys
import tempfile
from pathlib import Path

import pytest

from jobs.cleaning import growth, keys
from jobs.storage import landing
from tests.support.deliveries.follow import SEED, follow, follow_reviews


@pytest.mark.parametrize("number", range(4))
def test_random_sequences_agree_with_the_model(tmp_path: Path, number: int) -> None:
    assert follow(tmp_path, SEED + number, users=10)


def test_keys_with_equal_hashes_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of eight hashes each stands for several keys."""
    monkeypatch.setattr(keys, "BITS", 3)
    assert follow(tmp_path, SEED + 4, users=10)


def test_one_user_with_most_events_in_many_files_and_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Late files for earlier nights among them."""
    monkeypatch.setattr(landing, "ROWS_PER_FILE", 8)
    monkeypatch.setattr(growth, "RANGE_ROWS", 10)
    assert follow(tmp_path, SEED + 5, users=3, heavy=60)


@pytest.mark.parametrize("number", range(3))
def test_accepted_unknown_items_stand_while_events_name_them(tmp_path: Path, number: int) -> None:
    assert follow(tmp_path, SEED + 6 + number, users=1, steps=16, unknown="3456")


@pytest.mark.parametrize("number", range(4))
def test_reviews_have_the_items_of_the_newest_catalogue(tmp_path: Path, number: int) -> None:
    assert follow_reviews(tmp_path, SEED + number)


if __name__ == "__main__":
    schedules, users, seed = map(int, sys.argv[1:])
    total = 0
    for number in range(schedules):
        with tempfile.TemporaryDirectory() as folder:
            total += follow(Path(folder), seed + number, users)
        if number % 10 == 9:
            print(f"{number + 1} schedules, {(number + 1) * users} sequences, {total} nights", flush=True)
