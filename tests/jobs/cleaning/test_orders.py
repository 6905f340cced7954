"""Random sequences of deliveries, nights, re-runs and withdrawals, against a model that knows no order of nights.

The model's rows follow from the deliveries and the nights that judged them alone. So where `clean` agrees with it after
every night, the same rows stand in any legal order, and no night breaks another. `python -m tests.jobs.cleaning.
test_orders SCHEDULES USERS SEED` runs many.
"""

import random
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from schemas.domains import Kind
from tests.support.ledger import Ledger
from tests.support.orders import Key, Model, Sent, events, schedule

SEED = 20260128


def found(ledger: Ledger) -> dict[Key, tuple[str, float, int]]:
    """What stands in `interactions`; each key once."""
    rows = ledger.rows("interactions")
    assert len({Model.key(row) for row in rows}) == len(rows), "a key stands twice"
    return {Model.key(row): (row["ds"], row["value"], row["delivery"]) for row in rows}


def follow(folder: Path, seed: int, users: int, steps: int = 9) -> int:
    """Goes through one schedule and compares after every night; returns the number of nights."""
    choose = random.Random(seed)
    repetition = choose.choice(("newest", "newest", "sum", "count"))
    kinds: Mapping[str, Kind] = {"play": Kind("plays", 0.0, 1e7)}
    ledger, model = Ledger(folder, repetition=repetition, kinds=kinds, hold_days=365), Model(repetition)
    ledger.deliver("2000-01-01", "items", [{"item_id": item, "available": True} for item in "12"])
    ledger.run("2000-01-01")  # so that all nights know the items
    nights = 0
    for step, what in schedule(choose, steps):
        if step == "deliver":
            ds, mode, count = what
            files = {f"{n}.csv": ("interactions", events(choose, users)) for n in range(count)}
            numbers = ledger.deliver_all(ds, files, mode)
            for number, (_, rows) in zip(numbers, files.values(), strict=True):
                model.sent.append(Sent(number, numbers[0], mode, ds, list(rows)))
        elif step == "withdraw":
            standing = [one for one in model.sent if not one.withdrawn]
            if standing:
                gone = standing[int(what * len(standing))]
                ledger.withdraw(gone.number)
                gone.withdrawn = True
        else:
            nights += 1
            ledger.run(what)
            model.run(what)
            assert found(ledger) == model.stands(), f"seed {seed}, {repetition}, after night {what}"
    return nights


@pytest.mark.parametrize("number", range(4))
def test_random_sequences_agree_with_the_model(tmp_path: Path, number: int) -> None:
    assert follow(tmp_path, SEED + number, users=10)


if __name__ == "__main__":
    schedules, users, seed = map(int, sys.argv[1:])
    total = 0
    for number in range(schedules):
        with tempfile.TemporaryDirectory() as folder:
            total += follow(Path(folder), seed + number, users)
        if number % 10 == 9:
            print(f"{number + 1} schedules, {(number + 1) * users} sequences, {total} nights", flush=True)
