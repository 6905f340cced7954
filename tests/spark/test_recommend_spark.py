"""Lists made by Spark's tasks are those that one process makes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from jobs import recommend, settings
from jobs.storage.frames import write
from jobs.storage.runs import Entry
from models.base import TrainingData
from models.classic.item_knn import ItemKNN
from models.histories import from_events
from schemas.working import LEAVE_LAST_OUT, SEQUENCES, TRAIN
from tests.support.fakes import DS, OFFERED, SEEN, fake_night
from tests.support.spark import RUN

N_USERS, N_ITEMS = 30, len(SEEN + OFFERED)


def events() -> pa.Table:
    """Four of five items for most users, one or none for some, in the vocabulary's rows."""
    random = np.random.default_rng(0)
    users = np.repeat(np.arange(N_USERS), [n % 5 for n in range(N_USERS)])
    items = np.concatenate([random.permutation(N_ITEMS)[: n % 5] for n in range(N_USERS)])
    columns = [users, items, np.ones(len(users), np.float32), pa.nulls(len(users)), [TRAIN] * len(users)]
    return pa.table([pa.array(column) for column in columns], SEQUENCES.names).cast(SEQUENCES)


def test_rows_are_those_of_one_process(
    encore: Callable[..., int],
    rows: Callable[..., list[dict[str, Any]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    night = fake_night(settings.load(), 1, run=RUN, users=[f"user {n}" for n in range(N_USERS)])
    table, folder = events(), tmp_path / "model"
    users, items, values = (table[name].to_numpy() for name in ("user_row", "item_row", "value"))
    ItemKNN().fit(TrainingData(from_events(users, items, values, None, N_USERS, N_ITEMS))).save(folder)
    written = {"sequences": [write(table, f"{night.run.new_attempt('sequences')}/sequences")]}
    night.run.record(Entry("sequences", "done", "a", files=written, facts={"split": LEAVE_LAST_OUT}))
    night.run.record(Entry("train_item_knn", "done", "a", facts={"artifact": folder.as_uri()}))
    night.run.record(Entry("gate", "done", "a", facts={"champion": "item_knn", "artifact": folder.as_uri()}))
    assert encore("recommend", ds=DS) == 0
    alone = rows("recommend", "recommendations", ds=DS)
    assert {row["model"] for row in alone} == {"item_knn", "popularity"}
    monkeypatch.setattr(recommend, "FILE_ROWS", 7 * night.domain.top_k)
    assert encore("recommend_spark", ds=DS) == 0
    entry = night.run.entry("recommend")
    assert entry.rows["recommendations"] == len(alone)
    assert len(entry.files["recommendations"]) >= 1
    assert rows("recommend", "recommendations", ds=DS) == alone
