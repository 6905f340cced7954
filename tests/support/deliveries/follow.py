"""Random schedules of deliveries on a ledger, compared with the model after every night."""

import random
from collections.abc import Mapping
from pathlib import Path

from schemas.domains import Kind
from tests.support.deliveries.ledger import Ledger
from tests.support.deliveries.orders import Key, Model, Sent, events, schedule

SEED = 20260128


def result(ledger: Ledger) -> dict[Key, tuple[str, float, int]]:
    """What stands in `interactions`; each key once."""
    rows = ledger.rows("interactions")
    assert len({Model.key(row) for row in rows}) == len(rows), "a key stands twice"
    return {Model.key(row): (row["ds"], row["value"], row["delivery"]) for row in rows}


def follow(folder: Path, seed: int, users: int, steps: int = 9, heavy: int = 0, unknown: str = "") -> int:
    """Goes through one schedule and compares after every night; returns the number of nights.

    heavy: rows that the first user has more than others in each delivery. unknown: items that events name and no
    catalogue has; with some, the domain accepts them.
    """
    choose = random.Random(seed)
    repetition = choose.choice(("newest", "newest", "sum", "count"))
    kinds: Mapping[str, Kind] = {"play": Kind("plays", 0.0, 1e7)}
    rules = {"hold_days": 365, "unknown_items": "accept" if unknown else "hold"}
    ledger, model = Ledger(folder, repetition=repetition, kinds=kinds, **rules), Model(repetition)
    ledger.deliver("2000-01-01", "items", [{"item_id": item, "available": True} for item in "12"])
    ledger.run("2000-01-01")  # so that all nights know the items
    nights = 0
    for step, what in schedule(choose, steps):
        if step == "deliver":
            ds, mode, count = what
            files = {f"{n}.csv": ("interactions", events(choose, users, heavy, "12" + unknown)) for n in range(count)}
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
            assert result(ledger) == model.stands(), f"seed {seed}, {repetition}, after night {what}"
            items = {row["item_id"] for row in ledger.rows("items", ds=what)}
            assert items == {"1", "2"} | model.named_items(what), f"seed {seed}, items of night {what}"
    return nights
