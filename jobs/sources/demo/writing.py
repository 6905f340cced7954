"""The files of a scene. Their stems are landing tables, their columns the landing columns (schemas/landing.py)."""

import json
import pathlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pv

from jobs.sources.demo import posters, reviews, texts
from jobs.sources.demo.catalogue import COUNTRIES
from jobs.sources.demo.interactions import interactions
from jobs.sources.demo.playlists import playlists
from jobs.sources.demo.scene import Scene, day_of
from jobs.sources.demo.truth import write_truth

_UNKNOWN_SHARE = 0.08  # of users, about whom the source says nothing, per column


def write(folder: pathlib.Path, scene: Scene) -> None:
    """Writes all files of a scene into `folder`, which is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    pv.write_csv(interactions(scene), folder / "interactions.csv", pv.WriteOptions(quoting_style="needed"))
    pv.write_csv(_users(scene), folder / "users.csv", pv.WriteOptions(quoting_style="needed"))
    _write_lines(folder / "items.jsonl", _items(scene))
    _write_lines(folder / "reviews.jsonl", _reviews(scene))
    _write_lines(folder / "playlists.jsonl", _playlists(scene))
    _write_posters(folder / "posters", scene)
    write_truth(folder / "truth", scene)


def _write_lines(path: pathlib.Path, rows: Iterable[dict[str, Any]]) -> None:
    """No file where there are no rows, as of a day without news: an import takes an empty one for a broken download."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if text:
        path.write_text(text, encoding="utf-8")
    else:
        path.unlink(missing_ok=True)


def _write_posters(folder: pathlib.Path, scene: Scene) -> None:
    """One PNG per listed item."""
    folder.mkdir(exist_ok=True)
    ids = scene.item_ids()
    for row in scene.listed_items().tolist():
        (folder / f"{ids[row]}.png").write_bytes(posters.png(posters.poster(scene.world, scene.items, row)))


def _users(scene: Scene) -> pa.Table:
    """user_id, segment, country (ISO 3166), age (years); each of the last three is unknown for some."""
    users, rows = scene.users, scene.listed_users()
    ids, segments = scene.user_ids(), list(scene.world.words.segments)
    unknown = scene.world.draws.uniform("unknown", users.keys[rows, None], np.arange(3)) < _UNKNOWN_SHARE
    columns = {
        "segment": (np.array(segments)[users.segment[rows]], pa.string()),
        "country": (np.array(COUNTRIES)[users.country[rows]], pa.string()),
        "age": (users.age[rows], pa.int64()),
    }
    columns_known = {name: pa.array(c, kind, mask=unknown[:, n]) for n, (name, (c, kind)) in enumerate(columns.items())}
    return pa.table({"user_id": pa.array([ids[row] for row in rows], pa.string()), **columns_known})


def _items(scene: Scene) -> Iterable[dict[str, Any]]:
    """The listed items as of the last day; `regions` is null for an item that is everywhere."""
    items, made = scene.items, scene.world
    ids, words = scene.item_ids(), texts.texts(made, items)
    for row in scene.listed_items().tolist():
        genres = [g for g in (items.genre[row], items.second[row]) if g >= 0]
        countries = [name for name, allowed in zip(COUNTRIES, items.allowed_in[row], strict=True) if allowed]
        yield {
            "item_id": ids[row],
            "title": words.titles[row],
            "description": words.descriptions[row],
            "genres": sorted(made.genres[g] for g in genres),
            "tags": words.tags[row],
            "poster": f"posters/{ids[row]}.png",
            "released": str(day_of(int(items.released[row]))),
            "available": bool(items.withdrawn[row] > scene.last),
            "age_rating": str(items.min_age[row]),
            "regions": countries if len(countries) < len(COUNTRIES) else None,
        }


def _reviews(scene: Scene) -> Iterable[dict[str, Any]]:
    """Reviews of some first events, by time; `rating` is the user's liking in half stars, 0.5 … 5, in every domain."""
    done, made = scene.events, scene.world
    keys = scene.users.keys[done.user]
    reviewed = ~done.again & (made.draws.uniform("review", keys, done.ts) < made.habits.review_share)
    rows = np.flatnonzero(reviewed)
    rows = rows[np.lexsort([keys[rows], done.ts[rows]])]
    stars = reviews.rating(done.liking[rows])
    written = reviews.texts(made, scene.items, keys[rows], done.item[rows], stars)
    user_ids, item_ids = scene.user_ids(), scene.item_ids()
    for row, star, text in zip(rows.tolist(), stars.tolist(), written, strict=True):
        user_id, ts = user_ids[done.user[row]], int(done.ts[row])
        item_id = item_ids[done.item[row]]
        yield {
            "review_id": f"r-{user_id[2:]}-{ts}",
            "user_id": user_id,
            "item_id": item_id,
            "text": text,
            "rating": star,
            "ts": ts,
        }


def _playlists(scene: Scene) -> Iterable[dict[str, Any]]:
    """Playlists by time: who made them, a title, the item ids in order without repeats."""
    made = playlists(scene.world, scene.items, scene.popular, scene.users.keys, scene.events)
    user_ids, item_ids = scene.user_ids(), scene.item_ids()
    for row in np.lexsort([made.user, made.ts]).tolist():
        user_id, ts = user_ids[made.user[row]], int(made.ts[row])
        genre = scene.world.genres[scene.items.genre[made.items[row, 0]]].replace("_", " ")
        yield {
            "playlist_id": f"p-{user_id[2:]}-{ts}",
            "user_id": user_id,
            "title": f"{genre.capitalize()} {scene.world.words.playlist}",
            "items": list(dict.fromkeys(item_ids[item] for item in made.items[row].tolist())),
            "ts": ts,
        }
