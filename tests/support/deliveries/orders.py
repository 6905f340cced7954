"""The rules of docs/deliveries.md as a page of Python, and random sequences of deliveries, nights and withdrawals.

A sequence is a schedule with the rows of one user. Many users go through one schedule at once: no user's rows meet
another's, so that each is a sequence of its own, and the schedule's nights are paid once.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

DAYS = tuple(f"2000-01-0{day}" for day in range(1, 6))
Key = tuple[str, str, str, datetime]
Row = dict[str, Any]


@dataclass
class Sent:
    """A delivery: its number, its import, mode, the night that it was for, and its rows."""

    number: int
    batch: int
    mode: str
    ds: str
    rows: list[Row]
    night: str | None = None  # that judged it
    withdrawn: bool = False
    accepted: dict[int, str] = field(default_factory=dict)  # line → night


class Model:
    """What stands after any history: a function of the deliveries and the nights that judged them, not of the order."""

    def __init__(self, repetition: str) -> None:
        self.repetition = repetition
        self.sent: list[Sent] = []

    def run(self, ds: str) -> None:
        """A night: judges what no night has, and what waits for a day that is over now."""
        for one in self.sent:
            if one.night is None and one.ds <= ds and not one.withdrawn:
                one.night = ds
            if one.night is None or one.night > ds or one.withdrawn:
                continue
            for line, row in enumerate(one.rows):
                if row["ts"].date().isoformat() <= ds:
                    one.accepted[line] = min(ds, one.accepted.get(line, ds))

    def stands(self) -> dict[Key, tuple[str, float, int]]:
        """Key → (night, value, number)."""
        result = {}
        for key in {self.key(row) for one in self.sent for row in one.rows}:
            if (row := self.fold(key)) is not None:
                result[key] = row
        return result

    def named_items(self, ds: str) -> set[str]:
        """The items of what stands in nights up to one."""
        return {key[1] for key, (night, _, _) in self.stands().items() if night <= ds}

    def fold(self, key: Key) -> tuple[str, float, int] | None:
        """What stands of one key."""
        standing = [one for one in self.sent if one.night is not None and not one.withdrawn]
        snapshots = sorted({one.batch for one in standing if one.mode == "snapshot" and one.rows})
        stated = [(one, self.accepted_lines(one, key)) for one in standing]
        stated = [(one, lines) for one, lines in stated if lines]
        having = {one.batch for one in standing if any(self.key(row) == key for row in one.rows)}
        lacking = [batch for batch in snapshots if batch not in having]
        last = max(lacking, default=0)
        value, number, nights = None, 0, []
        for one, lines in stated:
            if one.batch < last:
                continue
            nights += [one.accepted[line] for line in lines]
            new = self.value([one.rows[line]["value"] for line in lines])
            if value is not None and self.repetition != "newest" and one.mode == "append":
                new += value
            if new != value:
                value, number = new, one.number
        return None if value is None else (min(nights), value, number)

    def accepted_lines(self, one: Sent, key: Key) -> list[int]:
        """Accepted lines of a delivery with a key."""
        return [line for line, row in enumerate(one.rows) if self.key(row) == key and line in one.accepted]

    def value(self, values: list[float]) -> float:
        """What a delivery's rows of a key come to."""
        return {"newest": values[-1], "sum": sum(values), "count": float(len(values))}[self.repetition]

    @staticmethod
    def key(row: Mapping[str, Any]) -> Key:
        """Of a row."""
        return (row["user_id"], row["item_id"], row["kind"], row["ts"])


def events(choose: random.Random, users: int, heavy: int = 0, items: str = "12") -> list[Row]:
    """Rows of a delivery: up to three a user, of few keys, so that they meet; `heavy` more of the first user.

    items: ids of one letter.
    """
    rows = [
        {
            "user_id": f"u{user}",
            "item_id": choose.choice(items),
            "kind": "play",
            "value": float(choose.randint(1, 3)),
            "ts": datetime(2000, 1, choose.randint(1, 4), tzinfo=UTC),
        }
        for user in range(users)
        for _ in range(choose.choice((0, 1, 1, 2, 3)) + (0 if user else heavy))
    ]
    choose.shuffle(rows)
    return rows


def films(choose: random.Random) -> list[Row]:
    """A delivery of items, each with one of two links or none."""
    ids = choose.sample("1234", choose.randint(1, 3))
    return [{"item_id": item, "links": choose.choice(([], ["imdb:1"], ["imdb:2"])), "available": True} for item in ids]


def reviews(choose: random.Random) -> list[Row]:
    """A delivery of reviews about items by id, by link, both or neither."""
    return [
        {
            "review_id": key,
            "text": choose.choice(("good", "bad")),
            "item_id": choose.choice((None, *"1234")),
            "item_link": choose.choice((None, "imdb:1", "imdb:2")),
        }
        for key in choose.choices("rstu", k=choose.randint(1, 4))
    ]


def find_item(review: Row, items: list[Row]) -> str | None:
    """The item that a landed review is about, by id, else by link the first of those that share it."""
    if any(row["item_id"] == review["item_id"] for row in items):
        return str(review["item_id"])
    return min((row["item_id"] for row in items if review["item_link"] in row["links"]), default=None)


def schedule(choose: random.Random, steps: int) -> Iterator[tuple[str, Any]]:
    """("deliver", (night, mode, files)), ("run", night) and ("withdraw", place) in any order, and at last a run."""
    for _ in range(steps):
        step = choose.choices(("deliver", "run", "withdraw"), (5, 5, 1))[0]
        if step == "deliver":
            mode = choose.choices(("append", "correction", "snapshot"), (6, 2, 2))[0]
            yield step, (choose.choice(DAYS[:4]), mode, choose.choices((1, 2), (4, 1))[0])
        elif step == "run":
            yield step, choose.choice(DAYS[:4])
        else:
            yield step, choose.random()
    yield "run", DAYS[4]
