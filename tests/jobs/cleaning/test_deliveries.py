"""What happens to a row that comes again, late, corrected or too early: through `clean`, night by night.

Every test states its expectation by hand, in the words of docs/deliveries.md.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import InputError
from schemas.domains import Kind
from tests.support.deliveries.ledger import Ledger

ONE, TWO, THREE, FOUR = (f"2000-01-0{day}" for day in (1, 2, 3, 4))
PLAYS = {"rating": Kind("stars", 0.5, 10.0), "play": Kind("plays", 1.0, 1e7)}
Row = dict[str, Any]


def event(user: str, item: str = "1", value: float | None = 3.0, day: int = 1, hour: int = 12) -> Row:
    """A rating."""
    ts = datetime(2000, 1, day, hour, tzinfo=UTC)
    return {"user_id": user, "item_id": item, "kind": "rating", "value": value, "ts": ts}


def films(*ids: str) -> list[Row]:
    """A catalogue."""
    return [{"item_id": item, "title": f"Film {item}", "available": True} for item in ids]


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., Ledger]:
    """A ledger whose first night has films 1 and 2 (delivery 1)."""

    def made(**changes: Any) -> Ledger:
        ledger = Ledger(tmp_path, **changes)
        ledger.deliver(ONE, "items", films("1", "2"), path="items.csv")
        return ledger

    return made


def stands(ledger: Ledger, **more: Any) -> list[tuple[Any, ...]]:
    """(night, user, value, delivery) of the interactions, sorted."""
    rows = ledger.rows("interactions", **more)
    return sorted((row["ds"], row["user_id"], row["value"], row["delivery"]) for row in rows)


def test_a_late_file_for_an_old_night_holds_what_a_later_night_has(start: Callable[..., Ledger]) -> None:
    """Every event stands once over all nights, in the earliest night that has it; later nights go on."""
    ledger = start()
    ledger.deliver(ONE, "interactions", [event("a")])
    ledger.run(ONE)
    ledger.deliver(TWO, "interactions", [event("b"), event("c", day=2)])
    ledger.run(TWO)
    ledger.deliver(ONE, "interactions", [event("b"), event("d")], path="late.csv")
    ledger.run(ONE)
    assert stands(ledger) == [(ONE, "a", 3.0, 2), (ONE, "b", 3.0, 3), (ONE, "d", 3.0, 4), (TWO, "c", 3.0, 3)]
    assert ledger.counts()[4] == {"accepted": 1, "known": 1}
    ledger.deliver(THREE, "interactions", [event("b"), event("e", day=3)])
    ledger.run(THREE)
    assert stands(ledger, ds=THREE) == [(THREE, "e", 3.0, 5)]


def test_reviews_are_held_to_the_same(start: Callable[..., Ledger]) -> None:
    ledger = start()
    review = {"review_id": "r", "user_id": "u", "item_id": "1", "text": "good"}
    ledger.run(ONE)
    ledger.deliver(TWO, "reviews", [review])
    ledger.run(TWO)
    ledger.deliver(ONE, "reviews", [review, {**review, "review_id": "s"}])
    ledger.run(ONE)
    assert sorted((row["ds"], row["review_id"]) for row in ledger.rows("reviews")) == [(ONE, "r"), (ONE, "s")]
    ledger.deliver(THREE, "reviews", [{**review, "text": "better"}])
    ledger.run(THREE)
    assert {(row["ds"], row["review_id"], row["text"]) for row in ledger.rows("reviews")} == {
        (ONE, "r", "better"), (ONE, "s", "good"),
    }  # fmt: skip
    assert [(row["text"], row["outcome"]) for row in ledger.rows("replaced")] == [("good", "corrected")]


@pytest.mark.parametrize("mode", ["append", "snapshot"])
def test_a_full_export_every_night_is_mostly_known(start: Callable[..., Ledger], mode: str) -> None:
    """340 rows, of which 320 are known, are no fault: the night runs whatever may be rejected."""
    ledger = start()
    first = [event(f"u{n:03}") for n in range(320)]
    ledger.deliver(ONE, "interactions", first, mode)
    ledger.run(ONE)
    object.__setattr__(ledger.domain, "max_rejected_share", 0.0)
    number = ledger.deliver(TWO, "interactions", [*first, *(event(f"v{n:03}", day=2) for n in range(20))], mode)
    ledger.run(TWO)
    assert ledger.counts()[number] == {"known": 320, "accepted": 20}
    assert len(ledger.rows("interactions", ds=ONE)) == 320
    assert len(ledger.rows("interactions", ds=TWO)) == 20


def test_hours_that_grow_arrive(start: Callable[..., Ledger]) -> None:
    """A total without a time is one key: its newest value holds, the old one is kept in `replaced`."""
    ledger = start()
    ledger.deliver(ONE, "interactions", [{**event("u", value=1.0), "ts": None}])
    ledger.run(ONE)
    ledger.deliver(TWO, "interactions", [{**event("u", value=2.5), "ts": None}])
    ledger.run(TWO)
    assert stands(ledger) == [(ONE, "u", 2.5, 3)]
    assert ledger.counts()[3] == {"corrected": 1}
    (old,) = ledger.rows("replaced")
    assert (old["ds"], old["value"], old["delivery"], old["outcome"]) == (TWO, 1.0, 2, "corrected")


@pytest.mark.parametrize("mode", ["append", "correction", "snapshot"])
def test_a_corrected_file_for_the_same_day_wins_by_its_arrival(start: Callable[..., Ledger], mode: str) -> None:
    ledger = start()
    ledger.deliver(ONE, "interactions", [event("u", value=1.0)])
    ledger.deliver(ONE, "interactions", [event("u", value=5.0)], mode, path="0 first by name.csv")
    ledger.run(ONE)
    assert stands(ledger) == [(ONE, "u", 5.0, 3)]
    assert (ledger.counts()[2], ledger.counts()[3]) == ({"accepted": 1}, {"corrected": 1})


def test_a_withdrawn_correction_gives_the_old_value_back(start: Callable[..., Ledger]) -> None:
    ledger = start()
    ledger.deliver(ONE, "interactions", [event("u", value=1.0), event("v")])
    ledger.run(ONE)
    wrong = ledger.deliver(TWO, "interactions", [event("u", value=5.0), event("w")])
    ledger.run(TWO)
    ledger.withdraw(wrong)
    ledger.run(THREE)
    assert stands(ledger) == [(ONE, "u", 1.0, 2), (ONE, "v", 3.0, 2)]
    assert [(row["delivery"], row["withdrawn"]) for row in ledger.rows("files") if row["withdrawn"]] == [(3, THREE)]
    assert {(row["user_id"], row["outcome"]) for row in ledger.rows("replaced", ds=THREE)} == {
        ("u", "withdrawn"), ("w", "withdrawn"),
    }  # fmt: skip


def test_what_another_delivery_says_too_stays_when_one_is_withdrawn(start: Callable[..., Ledger]) -> None:
    ledger = start()
    first = ledger.deliver(ONE, "interactions", [event("u"), event("v")])
    ledger.run(ONE)
    ledger.deliver(TWO, "interactions", [event("u")])
    ledger.run(TWO)
    ledger.withdraw(first)
    ledger.run(THREE)
    assert stands(ledger) == [(TWO, "u", 3.0, 3)]


def test_an_export_of_a_local_day_reaches_into_the_next(start: Callable[..., Ledger]) -> None:
    """Events up to 07:00 UTC of the next day wait for it, and stand in its night."""
    ledger = start()
    ledger.deliver(ONE, "interactions", [event("a", hour=9), event("b", day=2, hour=6)])
    ledger.run(ONE)
    assert ledger.counts()[2] == {"accepted": 1, "held": 1}
    assert stands(ledger) == [(ONE, "a", 3.0, 2)]
    ledger.run(TWO)
    assert stands(ledger) == [(ONE, "a", 3.0, 2), (TWO, "b", 3.0, 2)]
    assert [(row["reasons"], row["taken"], row["outcome"]) for row in ledger.rows("held")] == [
        (["ts_in_future"], TWO, "accepted")
    ]


def test_an_item_whose_entry_comes_a_day_after_its_first_events(start: Callable[..., Ledger]) -> None:
    ledger = start()
    ledger.deliver(ONE, "interactions", [event("a", "9")])
    ledger.run(ONE)
    ledger.deliver(TWO, "items", films("9"))
    ledger.run(TWO)
    assert stands(ledger) == [(TWO, "a", 3.0, 2)]


def test_a_held_row_is_rejected_after_the_limit_of_days(start: Callable[..., Ledger]) -> None:
    ledger = start(hold_days=2)
    ledger.deliver(ONE, "interactions", [event("a", "9")])
    for ds in (ONE, TWO):
        ledger.run(ds)
    assert ledger.rows("rejected") == []
    ledger.run(THREE)
    (row,) = ledger.rows("rejected")
    assert (row["ds"], row["delivery"], row["line"], row["reasons"]) == (THREE, 2, 1, ["unknown_item"])
    ledger.deliver(FOUR, "items", films("9"))
    ledger.run(FOUR)
    assert stands(ledger) == []


@pytest.mark.parametrize(("setting", "outcome"), [("reject", "rejected"), ("accept", "accepted"), ("hold", "held")])
def test_what_becomes_of_events_whose_item_no_catalogue_has(
    start: Callable[..., Ledger], setting: str, outcome: str
) -> None:
    ledger = start(unknown_items=setting)
    ledger.deliver(ONE, "interactions", [event("a", "9")])
    ledger.run(ONE)
    assert ledger.counts()[2] == {outcome: 1}
    titles = {row["item_id"]: row["title"] for row in ledger.rows("items")}
    assert titles.get("9") == ("9" if setting == "accept" else None)


def test_an_accepted_unknown_item_goes_with_the_last_delivery_that_names_it(start: Callable[..., Ledger]) -> None:
    """Of two that name item 9 the first is withdrawn, then the other; an item whose title is its id stays."""
    ledger = start(unknown_items="accept")
    ledger.deliver(ONE, "items", [{"item_id": "8", "title": "8"}])
    wrong = ledger.deliver(ONE, "interactions", [event("a", "7"), event("a", "9")])
    ledger.run(ONE)
    other = ledger.deliver(TWO, "interactions", [event("b", "9")])
    ledger.run(TWO)
    items = {}
    for ds, number in ((TWO, wrong), (THREE, other), (FOUR, None)):
        if number:
            ledger.withdraw(number)
        ledger.run(ds)
        items[ds] = sorted(row["item_id"] for row in ledger.rows("items", ds=ds))
    assert items == {TWO: ["1", "2", "8", "9"], THREE: ["1", "2", "8"], FOUR: ["1", "2", "8"]}


def test_tags_of_an_item_that_comes_later(start: Callable[..., Ledger]) -> None:
    ledger = start()
    ledger.deliver(ONE, "annotations", [{"item_id": "9", "tags": ["x"]}])
    ledger.run(ONE)
    ledger.deliver(TWO, "items", films("9"))
    ledger.run(TWO)
    assert {row["item_id"]: row["tags"] for row in ledger.rows("items", ds=TWO)}["9"] == ["x"]


@pytest.mark.parametrize(
    ("repetition", "value", "counts"),
    [("newest", 9.0, {"accepted": 1, "corrected": 1}), ("sum", 13.0, {"accepted": 2}), ("count", 2.0, {"accepted": 2})],
)
def test_four_then_nine_plays_of_a_day(
    start: Callable[..., Ledger], repetition: str, value: float, counts: dict[str, int]
) -> None:
    ledger = start(repetition=repetition, kinds=PLAYS)
    day = {**event("u", hour=0), "kind": "play"}
    ledger.deliver(ONE, "interactions", [{**day, "value": 4.0}, {**day, "value": 9.0}])
    ledger.run(ONE)
    assert stands(ledger) == [(ONE, "u", value, 2)]
    assert ledger.counts()[2] == counts


@pytest.mark.parametrize(("repetition", "value"), [("newest", 9.0), ("sum", 13.0), ("count", 2.0)])
def test_four_then_nine_plays_in_two_deliveries(start: Callable[..., Ledger], repetition: str, value: float) -> None:
    """The row is of the newer delivery, whatever it adds up to."""
    ledger = start(repetition=repetition, kinds=PLAYS)
    day = {**event("u", hour=0), "kind": "play"}
    ledger.deliver(ONE, "interactions", [{**day, "value": 4.0}])
    ledger.deliver(ONE, "interactions", [{**day, "value": 9.0}])
    ledger.run(ONE)
    assert stands(ledger) == [(ONE, "u", value, 3)]


def test_five_plays_of_a_track_on_a_day_add_up_and_more_come_on_top(start: Callable[..., Ledger]) -> None:
    ledger = start(repetition="sum", kinds=PLAYS)
    play = {**event("u", hour=0, value=1.0), "kind": "play"}
    ledger.deliver(ONE, "interactions", [play] * 5)
    ledger.run(ONE)
    assert stands(ledger) == [(ONE, "u", 5.0, 2)]
    ledger.deliver(TWO, "interactions", [play] * 3)
    ledger.run(TWO)
    assert stands(ledger) == [(ONE, "u", 8.0, 3)]
    ledger.deliver(THREE, "interactions", [{**play, "value": 7.0}], "correction")
    ledger.run(THREE)
    assert stands(ledger) == [(ONE, "u", 7.0, 4)]


def test_items_that_a_full_catalogue_lacks_are_unavailable(start: Callable[..., Ledger]) -> None:
    ledger = start()
    ledger.run(ONE)
    ledger.deliver(TWO, "items", films("1", "3"), "snapshot")
    ledger.run(TWO)
    assert {row["item_id"]: row["available"] for row in ledger.rows("items", ds=TWO)} == {
        "1": True, "2": False, "3": True,
    }  # fmt: skip
    ledger.deliver(THREE, "items", films("2"))
    ledger.run(THREE)
    assert all(row["available"] for row in ledger.rows("items", ds=THREE))


def test_events_that_a_snapshot_lacks_are_gone(start: Callable[..., Ledger]) -> None:
    ledger = start()
    ledger.deliver(ONE, "interactions", [event("a"), event("b")])
    ledger.run(ONE)
    number = ledger.deliver(TWO, "interactions", [event("b"), event("c")], "snapshot")
    ledger.run(TWO)
    assert stands(ledger) == [(ONE, "b", 3.0, 2), (TWO, "c", 3.0, 3)]
    assert [(row["user_id"], row["outcome"]) for row in ledger.rows("replaced")] == [("a", "gone")]
    ledger.withdraw(number)
    ledger.run(THREE)
    assert stands(ledger) == [(ONE, "a", 3.0, 2), (ONE, "b", 3.0, 2)]


def test_the_files_of_one_import_are_one_snapshot(start: Callable[..., Ledger]) -> None:
    ledger = start()
    parts = {"1.csv": ("interactions", [event("a")]), "2.csv": ("interactions", [event("b")])}
    ledger.deliver_all(ONE, parts, "snapshot")
    ledger.run(ONE)
    assert [user for _, user, _, _ in stands(ledger)] == ["a", "b"]


def test_a_night_that_runs_again_leaves_everything_as_it_is(start: Callable[..., Ledger]) -> None:
    ledger = start()
    ledger.deliver(ONE, "interactions", [event("a"), event("b", value=9.0), event("c", "9"), event("a", value=4.0)])
    ledger.deliver(ONE, "reviews", [{"review_id": "r", "text": "t"}])
    ledger.run(ONE)
    before = {name: ledger.rows(name) for name in ledger.tables if name != "runs"}
    ledger.run(ONE)
    assert {name: ledger.rows(name) for name in before} == before


def test_other_rules_judge_the_nights_deliveries_anew(start: Callable[..., Ledger]) -> None:
    ledger = start()
    ledger.deliver(ONE, "interactions", [event("a"), event("b", value=9.0)])
    ledger.run(ONE)
    assert ledger.counts()[2] == {"accepted": 1, "rejected": 1}
    ledger.domain = replace(ledger.domain, kinds=PLAYS)
    ledger.run(ONE)
    assert ledger.counts()[2] == {"accepted": 2}
    assert ledger.rows("rejected") == []
    assert [user for _, user, _, _ in stands(ledger)] == ["a", "b"]


def test_too_much_rejected_names_the_rule_with_the_most_rows(start: Callable[..., Ledger]) -> None:
    """A refusal that trying again cannot mend: wrong input, not a fault."""
    ledger = start()
    object.__setattr__(ledger.domain, "max_rejected_share", 0.5)
    ledger.deliver(ONE, "interactions", [event("a", value=9.0), event("b", value=8.0), event("c", value=None)])
    rule = "value_out_of_range of domains.movies.kinds.rating: low = 0.5, high = 5.0"
    with pytest.raises(InputError, match=rf"most by the rule {rule} \(2 rows, for example f.csv line 1"):
        ledger.run(ONE)


def test_an_earlier_night_takes_a_held_row_over(start: Callable[..., Ledger]) -> None:
    """Night 2 runs after night 3: the row that waited for its day stands in it all the same."""
    ledger = start()
    ledger.deliver(ONE, "interactions", [event("a", day=2)])
    for ds in (ONE, THREE, TWO):
        ledger.run(ds)
    assert stands(ledger) == [(TWO, "a", 3.0, 2)]


def test_a_late_catalogue_reaches_the_nights_after_it(start: Callable[..., Ledger]) -> None:
    """Night 1 runs again with news of an item after night 2: night 3 has them too."""
    ledger = start()
    for ds in (ONE, TWO):
        ledger.run(ds)
    ledger.deliver(ONE, "items", films("5"))
    for ds in (ONE, THREE):
        ledger.run(ds)
    assert {row["item_id"] for row in ledger.rows("items", ds=THREE)} == {"1", "2", "5"}


def test_a_withdrawn_catalogue_is_forgotten(start: Callable[..., Ledger]) -> None:
    ledger = start()
    ledger.run(ONE)
    number = ledger.deliver(TWO, "items", [{"item_id": "1", "title": "Wrong", "available": True}])
    ledger.run(TWO)
    ledger.withdraw(number)
    ledger.run(THREE)
    assert {row["item_id"]: row["title"] for row in ledger.rows("items", ds=THREE)} == {"1": "Film 1", "2": "Film 2"}


def test_a_row_that_a_later_night_has_taken_stays_though_its_own_runs_again(start: Callable[..., Ledger]) -> None:
    """Night 2 judges the held row again, too early still, while it takes another delivery of the same event back."""
    ledger = start()
    ledger.deliver(ONE, "interactions", [event("a", day=3)])
    other = ledger.deliver(ONE, "interactions", [event("a", value=4.0, day=3)])
    for ds in (ONE, THREE):
        ledger.run(ds)
    assert stands(ledger) == [(THREE, "a", 4.0, 3)]
    ledger.withdraw(other)
    ledger.run(TWO)
    assert stands(ledger) == [(THREE, "a", 3.0, 2)]


def test_a_snapshot_does_not_lack_what_it_holds_too_early(start: Callable[..., Ledger]) -> None:
    """Its row of tomorrow waits; what is said of it already stays."""
    ledger = start()
    ledger.deliver(TWO, "interactions", [event("a", day=2), event("b", day=2)])
    ledger.run(TWO)
    ledger.deliver(ONE, "interactions", [event("a", day=2)], "snapshot")
    ledger.run(ONE)
    assert stands(ledger) == [(TWO, "a", 3.0, 2)]
