"""A night run again after a later one: the vocabulary has grown by then, and every table is the same."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from jobs.known_ids import known_ids
from jobs.learning.arrays import ids
from jobs.night import Night
from jobs.settings import Settings
from jobs.storage import frames
from schemas.names import MODELS, NEURAL
from schemas.tables import TABLES
from tests.support.tastes import ITEMS, USERS, day, jobs, night_of

CLASSIC = [name for name in MODELS if name not in NEURAL]
MEASURED = {"artifact", "checksum", "train_seconds"}  # columns of `models` that no run repeats
LATER = {"user": 30, "item": 70}  # new at the night after
Tables = dict[str, list[dict[str, Any]]]


def later(night: Night, *, named: Sequence[str] = ()) -> Night:
    """The night as it is when it runs again after the next one, which saw new users and items first.

    named: of these, ids that a late file has brought to this night's own tables.
    """
    known = {"user": USERS, "item": ITEMS}
    rows = [
        {"domain": "movies", "ds": day(1), "kind": kind, "id": f"{kind}-{n}", "row": known[kind] + n}
        for kind, count in LATER.items()
        for n in range(count)
    ]
    folder = night.run.new_attempt("later")
    file = frames.write(pa.Table.from_pylist(rows, TABLES["vocabulary"].schema), f"{folder}/vocabulary")
    pin = night.run.entry("pin")
    history = {**pin.facts["history"], "vocabulary": [*pin.facts["history"]["vocabulary"], [day(1), file]]}
    night.run.record(replace(pin, facts=pin.facts | {"history": history}))
    if named:
        clean = night.run.entry("clean")
        late = [{"domain": "movies", "ds": night.ds, "item_id": name, "available": True} for name in named]
        file = frames.write(pa.Table.from_pylist(late, TABLES["items"].schema), f"{folder}/items")
        night.run.record(replace(clean, files=clean.files | {"items": [*clean.files["items"], file]}))
    return Night(night.settings, night.run)


def tables(night: Night) -> Tables:
    """What the night's jobs wrote, sorted, without what is measured."""
    result: Tables = {}
    for entry in night.run.entries().values():
        for name, files in entry.files.items():
            if name in TABLES:
                rows = frames.read(files, TABLES[name].schema).to_pylist()
                kept = [{key: value for key, value in row.items() if key not in MEASURED} for row in rows]
                result[name] = sorted([*result.get(name, []), *kept], key=str)
    return result


def check(config: Settings, models: Sequence[str], settings: Mapping[str, Mapping[str, Any]]) -> Tables:
    """All jobs that learn, twice; returns the tables."""
    first = night_of(config, 0, models=models, settings=settings)
    last = ["continuations"] if "seq2seq" in models else []
    steps = ["evaluate", "gate", "recommend", *last]
    assert set(jobs(first, "train") + jobs(first, *steps)) == {0}
    again = later(night_of(config, 0, run="again", models=models, settings=settings))
    assert len(known_ids(again)) == USERS + ITEMS
    assert set(jobs(again, "train") + jobs(again, *steps)) == {0}
    before, after = tables(first), tables(again)
    assert {"metrics", "models", "recommendations"} <= set(before)
    assert [name for name in before if before[name] != after[name]] == []
    return before


@pytest.mark.parametrize("models", [("popularity", "item_knn"), pytest.param(CLASSIC, marks=pytest.mark.slow)])
def test_models_without_networks(config: Settings, models: Sequence[str]) -> None:
    metrics = check(config, models, {})["metrics"]
    assert {row["model"] for row in metrics} == set(models)


@pytest.mark.slow
def test_networks(config: Settings) -> None:
    settings = {model: {"epochs": 2} for model in NEURAL}
    written = check(config, [*NEURAL, "popularity"], settings)
    assert {row["model"] for row in written["metrics"]} == {*NEURAL, "popularity"}
    assert {"item_vectors", "continuations"} <= set(written)


def test_an_id_of_a_later_night_that_a_late_file_brings_is_the_nights_own(config: Settings) -> None:
    night = later(night_of(config, 0), named=["item-2"])
    result = ids(night)
    assert (len(result.users), len(result.items)) == (USERS, ITEMS + 3)
    assert result.items.to_pylist()[ITEMS:] == ["item-0", "item-1", "item-2"]
    assert [row["id"] for row in known_ids(night).to_pylist() if row["ds"] == day(1)] == ["item-2"]
