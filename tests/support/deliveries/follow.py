"""Random schedules of deliveries on a ledger, compared with the model after every night."""

import random
from collections.abc import Mapping
from pathlib import Path

from schemas.domains import Kind
from tests.support.deliveries.ledger import Ledger
from tests.support.deliveries.orders import DAYS, Key, Model, Sent, events, films, find_item, reviews, schedule

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


def follow_reviews(folder: Path, seed: int, steps: int = 14) -> int:
    """Goes through a schedule of items and reviews; returns the number of nights.

    After every night each review has the item that the newest night's catalogue has for it, and in the end the rows are
    those of a ledger that got the same deliveries before its only night.
    """
    choose = random.Random(seed)
    ledger, at_once = Ledger(folder / "nightly"), Ledger(folder / "once")
    for one in (ledger, at_once):
        one.deliver(DAYS[0], "items", [{"item_id": "9", "available": True}])
    ledger.run(DAYS[0])  # so that no night's catalogue is empty
    sent: dict[int, dict[str, Mapping[str, str]]] = {}
    nights = 0
    for step, what in schedule(choose, steps):
        if step == "deliver":
            ds, mode, _ = what
            rows = choose.choice((films, reviews))(choose)
            table = "reviews" if "review_id" in rows[0] else "items"
            (number,) = {one.deliver(ds, table, rows, mode) for one in (ledger, at_once)}
            sent[number] = {row["review_id"]: row for row in rows if table == "reviews"}
        elif step == "withdraw" and sent:
            number = choose.choice(sorted(sent))
            ledger.withdraw(number)
            at_once.withdraw(number)
        elif step == "run":
            nights += 1
            ledger.run(what)
            newest = ledger.rows("items", ds=max(ledger.tables["items"]))
            for row in ledger.rows("reviews"):
                expected = find_item(sent[row["delivery"]][row["review_id"]], newest)
                assert row["item_id"] == expected, f"seed {seed}, {row['review_id']}, after night {what}"
    at_once.run(DAYS[-1])
    assert contents(ledger) == contents(at_once), f"seed {seed}"
    return nights


def contents(ledger: Ledger) -> dict[str, tuple[str, str | None, int]]:
    """What stands in `reviews`, but for the night."""
    return {row["review_id"]: (row["text"], row["item_id"], row["delivery"]) for row in ledger.rows("reviews")}
