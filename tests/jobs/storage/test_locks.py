"""The lock of a domain in a catalog: one process at a time, and a dead one blocks for a while alone."""

import threading
import time
from pathlib import Path

import pytest
from pyiceberg.catalog.sql import SqlCatalog

from jobs.storage import locks
from jobs.storage.locks import CatalogLock, LostLockError


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(locks, "POLL", 0.02)
    return tmp_path


def lock(place: Path, domain: str = "movies") -> CatalogLock:
    """A lock as another process has it, with a connection of its own."""
    catalog = SqlCatalog("encore", uri=f"sqlite:///{place}/catalog.db?timeout=60", warehouse=f"file://{place}")
    return CatalogLock(catalog, f"file://{place}", domain)


def test_one_after_the_other(place: Path) -> None:
    held, most = [0], [0]
    turns = threading.Lock()

    def work() -> None:
        for _ in range(3):
            with lock(place) as mine:
                with turns:
                    held[0] += 1
                    most[0] = max(most[0], held[0])
                time.sleep(0.01)
                mine.require()
                with turns:
                    held[0] -= 1

    lock(place)._catalog.create_namespace_if_not_exists(locks.NAMESPACE)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (held, most) == ([0], [1])
    assert lock(place)._catalog.list_tables(locks.NAMESPACE) == [(locks.NAMESPACE, "movies_12")]
    assert {path.relative_to(place).parts[1] for path in place.rglob("*.json")} == {"movies_12"}


def test_domains_do_not_wait_for_each_other(place: Path) -> None:
    with lock(place), lock(place, "music") as music:
        music.require()


def test_a_dead_one_is_taken_over_and_may_not_commit_any_more(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "LEASE", 0.3)
    dead = lock(place).__enter__()  # it renews after 20 s only
    began = time.monotonic()
    with lock(place) as mine:
        assert time.monotonic() - began >= 0.3
        with pytest.raises(LostLockError, match="another process has taken over the lock of movies"):
            dead.require()
        mine.require()
        dead.__exit__()  # gives nothing of ours back
        mine.require()
    with lock(place) as mine:
        with pytest.raises(LostLockError):
            dead.require()
        mine.require()


def test_one_that_renews_is_not_taken_over(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "RENEWED", 0.1)
    monkeypatch.setattr(locks, "LEASE", 1.0)
    with lock(place) as first:
        second = lock(place)
        waiting = threading.Thread(target=second.__enter__)
        waiting.start()
        waiting.join(2.5)
        assert waiting.is_alive()
        first.require()
    waiting.join(30)
    second.require()
    second.__exit__()


def test_one_that_comes_from_a_free_lock_it_saw_long_ago_yields(place: Path) -> None:
    """It saw no table, and meanwhile another was created, died and was taken over as number 2."""
    late = lock(place)
    late._catalog.create_namespace_if_not_exists(locks.NAMESPACE)
    holder = lock(place)
    holder._try(2)
    late._try(1)
    assert (late._number, holder._number) == (0, 2)
    holder.require()
