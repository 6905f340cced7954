"""The truth of a scene, for tests and demonstrations: what a model should find, and no importer reads."""

import json
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.sources.demo.catalogue import FOLLOWER_SHARES
from jobs.sources.demo.scene import Scene, day_of

COLD_DAYS = 7  # items released in the last days have few events or none


def write_truth(folder: pathlib.Path, scene: Scene) -> None:
    """world.json and, for the listed items and users, items, users and transitions as Parquet."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(_items(scene), folder / "items.parquet")
    pq.write_table(_users(scene), folder / "users.parquet")
    pq.write_table(_transitions(scene), folder / "transitions.parquet")
    (folder / "world.json").write_text(json.dumps(_world(scene), indent=2) + "\n", encoding="utf-8")


def _items(scene: Scene) -> pa.Table:
    """item_id, genre, style, niche (its place in a taste), quality (standard normal), cold (released lately)."""
    items, rows, made = scene.items, scene.listed_items(), scene.world
    ids = scene.item_ids()
    return pa.table(
        {
            "item_id": [ids[row] for row in rows],
            "genre": [made.genres[genre] for genre in items.genre[rows]],
            "style": [made.styles[style] for style in items.style[rows]],
            "niche": items.niche[rows],
            "quality": items.quality[rows],
            "cold": items.released[rows] > scene.last - COLD_DAYS,
        }
    )


def _users(scene: Scene) -> pa.Table:
    """user_id, joined, last (days), and the tastes: probability by niche on the first day and STAY_DAYS later."""
    users, rows = scene.users, scene.listed_users()
    ids = scene.user_ids()
    return pa.table(
        {
            "user_id": pa.array([ids[row] for row in rows], pa.string()),
            "joined": pa.array([day_of(day) for day in users.joined[rows].tolist()], pa.date32()),
            "last": pa.array([day_of(day) for day in users.last[rows].tolist()], pa.date32()),
            "first_taste": pa.array(users.first_taste[rows].tolist(), pa.list_(pa.float64())),
            "last_taste": pa.array(users.last_taste[rows].tolist(), pa.list_(pa.float64())),
        }
    )


def _transitions(scene: Scene) -> pa.Table:
    """item_id, next_item_id, probability: of the next item, given that the user follows and has not seen it."""
    rows, ids = scene.listed_items(), np.array(scene.item_ids())
    return pa.table(
        {
            "item_id": np.repeat(ids[rows], len(FOLLOWER_SHARES)),
            "next_item_id": ids[scene.items.followers[rows].ravel()],
            "probability": np.tile(FOLLOWER_SHARES, len(rows)),
        }
    )


def _world(scene: Scene) -> dict[str, object]:
    made = scene.world
    return {
        "domain": made.domain,
        "days": [str(day_of(scene.first)), str(day_of(scene.last))],
        "niches": [f"{genre}/{style}" for genre in made.genres for style in made.styles],
        "habits": vars(made.habits),
    }
