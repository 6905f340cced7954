"""The demo: the same for the same seed, night after night consistent, clean, and with the truth really in it."""

import hashlib
import json
import pathlib
import struct
import zlib
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jobs.errors import InputError
from jobs.sources.columns import DERIVED
from jobs.sources.demo import generate
from jobs.sources.demo.draws import Draws
from jobs.sources.demo.posters import genre_colour
from jobs.sources.demo.words import WORDS
from schemas.domains import Domain
from schemas.ids import ID_BYTES
from schemas.landing import LANDING, ORIGIN
from tests.support.domains import DOMAINS

DS, LATER = "2026-03-31", "2026-04-20"
FIRST = "2026-01-31"
NEGATIONS = ("not", "never", "hardly")
PRAISE = {
    "wonderful",
    "gripping",
    "clever",
    "charming",
    "brilliant",
    "moving",
    "polished",
    "memorable",
    "fresh",
    "rich",
}
BLAME = {"dull", "clumsy", "tedious", "shallow", "forgettable", "messy", "lifeless", "predictable", "annoying", "flat"}


def seconds(day: str) -> int:
    return int(pd.Timestamp(day, tz="UTC").timestamp())


def lines(folder: pathlib.Path, name: str) -> pd.DataFrame:
    return pd.read_json(folder / f"{name}.jsonl", lines=True, dtype={"age_rating": str}, convert_dates=False)


def records(folder: pathlib.Path, name: str) -> list[dict[str, Any]]:
    """Of a file that is not there, as on a day without news, none."""
    file = folder / f"{name}.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def digest(folder: pathlib.Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module", params=list(DOMAINS.values()), ids=list(DOMAINS))
def domain(request: pytest.FixtureRequest) -> Domain:
    return request.param


@pytest.fixture(scope="module")
def night(domain: Domain, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("night")
    generate(folder, domain, DS, size="tiny")
    return folder


@pytest.fixture(scope="module")
def events(night: pathlib.Path) -> pd.DataFrame:
    return pd.read_csv(night / "interactions.csv")


@pytest.fixture(scope="module")
def items(night: pathlib.Path) -> pd.DataFrame:
    truth = pd.read_parquet(night / "truth" / "items.parquet")
    return lines(night, "items").merge(truth, on="item_id", validate="1:1").set_index("item_id")


# --- the same for the same seed, consistent from night to night


def test_the_seed_decides_every_byte(domain: Domain, night: pathlib.Path, tmp_path: pathlib.Path) -> None:
    generate(tmp_path / "same", domain, DS, size="tiny")
    generate(tmp_path / "other", domain, DS, size="tiny", seed=1)
    assert digest(tmp_path / "same") == digest(night)
    other = digest(tmp_path / "other")
    for name in ("interactions.csv", "items.jsonl", "users.csv", "reviews.jsonl", "posters/" + first_poster(night)):
        assert other.get(name) != digest(night)[name]


def first_poster(folder: pathlib.Path) -> str:
    return min(path.name for path in (folder / "posters").iterdir())


def test_two_windows_agree_on_the_days_they_share(domain: Domain, night: pathlib.Path, tmp_path: pathlib.Path) -> None:
    generate(tmp_path, domain, LATER, size="tiny")
    shared = (seconds("2026-02-20"), seconds("2026-04-01"))
    ours, theirs = (pd.read_csv(folder / "interactions.csv") for folder in (night, tmp_path))
    pd.testing.assert_frame_equal(within(ours, *shared), within(theirs, *shared))
    for name in ("reviews", "playlists"):
        pd.testing.assert_frame_equal(within(lines(night, name), *shared), within(lines(tmp_path, name), *shared))


def test_an_increment_is_what_the_full_window_adds(domain: Domain, tmp_path: pathlib.Path) -> None:
    full, added = tmp_path / "full", tmp_path / "added"
    generate(full, domain, LATER, size="tiny")
    generate(added, domain, LATER, size="tiny", since=DS)
    new = (seconds(DS) + 86_400, seconds(LATER) + 86_400)
    everything, increment = (pd.read_csv(folder / "interactions.csv") for folder in (full, added))
    assert len(increment) > 50
    pd.testing.assert_frame_equal(within(everything, *new), increment)
    for name in ("reviews", "playlists"):
        assert [row for row in records(full, name) if new[0] <= row["ts"] < new[1]] == records(added, name)
    new_items = records(added, "items")
    withdrawn = {row["item_id"] for row in new_items if not row["available"]}
    listed = [row for row in records(full, "items") if row["released"] > DS or row["item_id"] in withdrawn]
    assert listed == new_items != []
    assert {path.stem for path in (added / "posters").iterdir()} == {row["item_id"] for row in new_items}
    users = pd.read_csv(full / "users.csv").merge(pd.read_parquet(full / "truth" / "users.parquet"), on="user_id")
    assert (
        set(users[users.joined > date.fromisoformat(DS)].user_id)
        == set(pd.read_csv(added / "users.csv").user_id)
        != set()
    )


def within(frame: pd.DataFrame, start: int, end: int) -> pd.DataFrame:
    return frame[(frame.ts >= start) & (frame.ts < end)].reset_index(drop=True)


def test_increments_make_the_same_catalogue_as_one_import(domain: Domain, tmp_path: pathlib.Path) -> None:
    """What was imported every third night, newest facts first, equals a first import of the last one."""
    available: dict[str, bool] = {}
    nights = [str(date(2026, 3, 1) + timedelta(days=day)) for day in range(0, 61, 3)]
    for since, ds in zip([None, *nights], nights, strict=False):
        generate(tmp_path / ds, domain, ds, size="tiny", since=since)
        available |= {row["item_id"]: row["available"] for row in records(tmp_path / ds, "items")}
        played = set(pd.read_csv(tmp_path / ds / "interactions.csv").item_id)
        assert played <= set(available), f"{ds}: events of items that no night listed"
    generate(tmp_path / "once", domain, nights[-1], size="tiny")
    once = {row["item_id"]: row["available"] for row in records(tmp_path / "once", "items")}
    assert once == {item: available[item] for item in once}


def test_a_draw_depends_on_its_counters_alone() -> None:
    draws = Draws("0/test")
    together = draws.uniform("taste", np.arange(1000)[:, None], np.arange(3))
    assert together.shape == (1000, 3)
    assert draws.uniform("taste", 17, 2)[0] == together[17, 2] != draws.uniform("mood", 17, 2)[0]
    assert np.allclose(np.histogram(together, 4, (0, 1))[0] / together.size, 0.25, atol=0.03)
    normal = draws.normal("size", np.arange(20_000))
    assert (abs(normal.mean()) < 0.03, abs(normal.std() - 1) < 0.02) == (True, True)


# --- clean rows


def test_the_columns_are_those_of_the_landing_tables(night: pathlib.Path, events: pd.DataFrame) -> None:
    def landing(name: str) -> set[str]:
        return {column.name for column in LANDING[name].columns} - {column.name for column in ORIGIN}

    assert set(events.columns) == landing("interactions") - {"ordinal"}
    assert set(pd.read_csv(night / "users.csv").columns) == landing("users")
    assert set(lines(night, "items").columns) == landing("items") - {"links", DERIVED}
    assert set(lines(night, "reviews").columns) == landing("reviews") - {"sentiment", "item_link"}


def test_every_event_keeps_the_rules(domain: Domain, events: pd.DataFrame, items: pd.DataFrame) -> None:
    assert not events.duplicated(["user_id", "item_id", "kind", "ts"]).any()
    assert events.user_id.str.len().between(1, ID_BYTES).all()
    assert set(events.kind) == set(domain.kinds)
    for name, kind in domain.kinds.items():
        values = events[events.kind == name].value
        assert values.isna().all() if kind.low is None else values.between(kind.low, kind.high).all()
    assert events.ts.between(seconds(FIRST), seconds(DS) + 86_399).all()
    assert events.ts.is_monotonic_increasing
    assert set(events.item_id) <= set(items.index)
    released = pd.to_datetime(items.released, utc=True).astype("int64") // 10**9
    assert (events.ts >= events.item_id.map(released)).all()


def test_the_catalogue_is_whole(night: pathlib.Path, items: pd.DataFrame) -> None:
    assert items.index.is_unique
    assert 0 < (~items.available).sum() < 0.1 * len(items)
    assert (items.title.str.len() > 3).all()
    assert (items.description.str.len() > 30).all()
    assert all((night / poster).is_file() for poster in items.poster)
    assert items.released.between("1970-01-01", DS).all()


def test_events_respect_country_and_age(night: pathlib.Path, events: pd.DataFrame, items: pd.DataFrame) -> None:
    users = pd.read_csv(night / "users.csv")
    both = events.merge(users, on="user_id").merge(
        items[["age_rating", "regions"]], left_on="item_id", right_index=True
    )
    assert (both.age.isna() | (both.age >= both.age_rating.astype(int))).all()
    limited = both[both.regions.notna() & both.country.notna()]
    assert all(country in regions for country, regions in zip(limited.country, limited.regions, strict=True))


def test_reviews_and_playlists_refer_to_what_is_there(
    night: pathlib.Path, events: pd.DataFrame, items: pd.DataFrame
) -> None:
    reviews, playlists = lines(night, "reviews"), lines(night, "playlists")
    assert reviews.review_id.is_unique
    happened = set(zip(events.user_id, events.item_id, events.ts, strict=True))
    assert set(zip(reviews.user_id, reviews.item_id, reviews.ts, strict=True)) <= happened
    assert reviews.rating.between(0.5, 5.0).all()
    assert playlists.playlist_id.is_unique
    assert set(playlists["items"].explode()) <= set(items.index)
    assert playlists["items"].map(lambda ids: len(ids) == len(set(ids)) > 3).all()


# --- the truth is in the data


def test_what_comes_next_follows_the_transitions(night: pathlib.Path, events: pd.DataFrame) -> None:
    played = events[events.kind != "purchase"].sort_values(["user_id", "ts"], kind="stable")
    played["previous"] = played.groupby("user_id").item_id.shift()
    first = played[~played.duplicated(["user_id", "item_id"])].dropna(subset="previous")
    pairs = first[["previous", "item_id"]].set_axis(["item_id", "next_item_id"], axis=1)
    truth = pd.read_parquet(night / "truth" / "transitions.parquet")
    assert np.allclose(truth.groupby("item_id").probability.sum(), 1.0)
    followed = pairs.merge(truth, on=["item_id", "next_item_id"])
    assert 0.25 < len(followed) / len(pairs) < 0.6  # by chance: about 0.1
    shares = followed.probability.value_counts(normalize=True)
    assert shares[0.7] == pytest.approx(0.7, abs=0.12)
    assert shares[0.2] == pytest.approx(0.2, abs=0.1)


def test_users_choose_the_niches_of_their_taste(night: pathlib.Path, events: pd.DataFrame, items: pd.DataFrame) -> None:
    """By each user's first event with an item: of so few items, users soon have seen those to their taste."""
    tastes = pd.read_parquet(night / "truth" / "users.parquet").set_index("user_id")
    joined = events.user_id.map(tastes.joined).astype(str)
    first = events[joined >= FIRST].groupby("user_id").head(4)
    niche = first.item_id.map(items.niche).to_numpy()
    taste = np.stack(tastes.first_taste.to_list())
    assert np.allclose(taste.sum(axis=1), 1.0)
    chosen = taste[tastes.index.get_indexer(first.user_id), niche].mean()
    of_anyone = taste[:, niche].mean()
    assert chosen > 1.5 * of_anyone


def test_tastes_drift(night: pathlib.Path) -> None:
    tastes = pd.read_parquet(night / "truth" / "users.parquet")
    first, last = np.stack(tastes.first_taste.to_list()), np.stack(tastes.last_taste.to_list())
    assert (first.argmax(axis=1) != last.argmax(axis=1)).mean() > 0.15
    assert np.corrcoef(first.ravel(), last.ravel())[0, 1] > 0.3


def test_words_tell_the_genre(domain: Domain, items: pd.DataFrame) -> None:
    vocabulary = {genre: set(words.split()) for genre, words in WORDS[domain.name].genres.items()}
    words = (items.title + " " + items.description).str.lower().str.findall(r"[a-z\-]+")
    guess = [max(items.genre.unique(), key=lambda genre: len(vocabulary[genre] & set(text))) for text in words]
    right = (items.genre == guess).mean()
    assert right > 0.75


def test_the_words_of_a_review_follow_its_rating(night: pathlib.Path) -> None:
    reviews = lines(night, "reviews")
    balance = reviews.text.map(praise_minus_blame)
    assert np.corrcoef(balance, reviews.rating)[0, 1] > 0.5
    naive = reviews.text.map(
        lambda text: praise_minus_blame(text.replace("not", "").replace("never", "").replace("hardly", ""))
    )
    assert np.corrcoef(naive, reviews.rating)[0, 1] < np.corrcoef(balance, reviews.rating)[0, 1]


def praise_minus_blame(text: str) -> int:
    """Adjectives of praise minus those of blame; a negation turns the next one round."""
    total, sign = 0, 1
    for word in text.lower().replace(",", " ").replace(";", " ").replace(".", " ").split():
        if word in NEGATIONS:
            sign = -1
        elif word in PRAISE | BLAME:
            total += sign * (1 if word in PRAISE else -1)
            sign = 1
    return total


def test_the_colour_of_a_poster_is_its_genres(night: pathlib.Path, items: pd.DataFrame) -> None:
    genres = [niche.split("/")[0] for niche in pd.read_json(night / "truth" / "world.json", typ="series")["niches"]]
    genres = list(dict.fromkeys(genres))
    colours = np.stack([genre_colour(n, len(genres)) for n in range(len(genres))])
    for poster, genre in zip(items.poster, items.genre, strict=True):
        corner = pixels(night / poster)[:, :4].mean(axis=(0, 1))
        towards = (colours @ corner) / np.linalg.norm(colours, axis=1)
        assert genres[int(towards.argmax())] == genre


def pixels(path: pathlib.Path) -> np.ndarray:
    """[96, 64, 3] of an unfiltered 8-bit RGB PNG, with its checksums verified."""
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    at, data = 8, {}
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        name, body = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        assert struct.unpack(">I", content[at + 8 + length : at + 12 + length]) == (zlib.crc32(name + body),)
        at, data[name] = at + 12 + length, body
    assert struct.unpack(">IIBBBBB", data[b"IHDR"]) == (64, 96, 8, 2, 0, 0, 0)
    rows = np.frombuffer(zlib.decompress(data[b"IDAT"]), np.uint8).reshape(96, 1 + 64 * 3)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(96, 64, 3).astype(float)


# --- wrong input


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"since": DS}, "since must be before ds"),
        ({"ds": "31.03.2026"}, "YYYY-MM-DD"),
        ({"ds": "1999-12-31"}, "not be before 2001-01-01"),
        ({"size": "huge"}, "size must be one of tiny, small, large, got huge"),
        ({"domain": Domain("books", "read", {})}, "domain must be one of movies, music, games, got books"),
    ],
)
def test_wrong_input_is_named(tmp_path: pathlib.Path, changes: dict[str, object], message: str) -> None:
    arguments = {"domain": DOMAINS["movies"], "ds": DS, "size": "tiny", **changes}
    with pytest.raises(InputError, match=message):
        generate(tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()
