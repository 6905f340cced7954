"""Searching user ids, their spellings and their hashes in texts and bytes; as fast for ten thousand ids as for one."""

import base64
import hashlib
import html
import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from jobs.errors import InputError

RUN = re.compile(r"[^\W_]+")  # letters and digits
MIN_LETTERS, MIN_DIGITS = 6, 9  # characters of an id that hardly stands in a text by chance
LABEL = re.compile(r"(?:user(?:_id)?|--user|similar_user_id)[\"']?[ =:]+[\"']?$", re.IGNORECASE)
PAIRS = {'"': '"', "'": "'", ">": "<"}  # what stands around an id in JSON, messages and HTML
ERASED = "[erased]"
MAX_BINARY = 1000  # ids whose raw digests are looked for too: each is a pass over the bytes


def sha256(user: str) -> str:
    """SHA-256 of an id's UTF-8 bytes, hexadecimal: what the form of the DAG `erase_user` takes."""
    return hashlib.sha256(user.encode()).hexdigest()


def distinctive(user: str) -> bool:
    """Whether an id found anywhere in a text is that user, and not a number or a word that happens to be there."""
    return len(user) >= (MIN_DIGITS if user.isdecimal() else MIN_LETTERS)


@dataclass(frozen=True)
class Match:
    """A place in a text: `user` stands there, as it is or (`hashed`) as a digest."""

    start: int
    end: int
    user: str
    hashed: bool


class Ids:
    """The users looked for.

    An id that is not `distinctive` ('414') counts in a text only between quotes or tags, or behind the word user; in a
    column of users every id counts.
    """

    def __init__(self, users: Iterable[str], instead: Callable[[str], str] = lambda user: ERASED) -> None:
        """instead: what `replaced` puts in a user's place."""
        self.users = tuple(sorted(set(users)))
        self.instead = instead
        self.array = pa.array(self.users, pa.string())

    def __len__(self) -> int:
        """How many users."""
        return len(self.users)

    def among(self, values: pa.Array) -> list[str]:
        """Those of the users that stand in a column of users."""
        theirs = values.filter(pc.is_in(values, value_set=self.array.cast(values.type)))
        return [str(user) for user in theirs.unique().to_pylist()]

    @cached_property
    def _spellings(self) -> tuple[dict[str, list[tuple[str, int, str, bool]]], list[tuple[str, str]]]:
        """First run of letters and digits → (spelling, where the run begins in it, user, hashed); and the spellings
        without any."""
        index: dict[str, list[tuple[str, int, str, bool]]] = defaultdict(list)
        bare: list[tuple[str, str]] = []
        for user in self.users:
            spelled = {user, json.dumps(user)[1:-1], html.escape(user), repr(user)[1:-1]}
            for text in sorted(spelled):
                first = RUN.search(text)
                if first:
                    index[first[0]].append((text, first.start(), user, False))
                elif len(text) >= MIN_LETTERS:
                    bare.append((text, user))
            for digest in digests(user):
                for text in (digest.hex(), digest.hex().upper()):
                    index[text].append((text, 0, user, True))
                coded = base64.b64encode(digest).decode().rstrip("=")
                first = RUN.search(coded)
                if first:
                    index[first[0]].append((coded, first.start(), user, True))
        return index, bare

    def matches(self, text: str) -> Iterator[Match]:
        """Where the users stand in a text."""
        index, bare = self._spellings
        for run in RUN.finditer(text):
            for spelling, place, user, hashed in index.get(run[0], ()):
                start = run.start() - place
                end = start + len(spelling)
                if start < 0 or not text.startswith(spelling, start):
                    continue
                if _goes_on(text, end):
                    continue
                if hashed or distinctive(user) or _is_labelled(text, start, end):
                    yield Match(start, end, user, hashed)
        for spelling, user in bare:
            start = text.find(spelling)
            while start >= 0:
                yield Match(start, start + len(spelling), user, False)
                start = text.find(spelling, start + len(spelling))

    def tokens(self, text: str | None) -> bool:
        """Whether any of the users stands in a row's text as a word of its own, distinctive or not."""
        if not text:
            return False
        index, bare = self._spellings
        for run in RUN.finditer(text):
            for spelling, place, _, hashed in index.get(run[0], ()):
                start = run.start() - place
                end = start + len(spelling)
                there = not hashed and start >= 0 and text.startswith(spelling, start)
                if there and not _goes_on(text, end):
                    return True
        return any(spelling in text for spelling, _ in bare)

    def replace_ids(self, text: str) -> tuple[str, int]:
        """The text with `instead` in every match's place (a default: `[erased]`), and how many there were."""
        parts, last, count = [], 0, 0
        for match in sorted(self.matches(text), key=lambda match: (match.start, -match.end)):
            if match.start >= last:
                parts += [text[last : match.start], self.instead(match.user)]
                last, count = match.end, count + 1
        return ("".join([*parts, text[last:]]), count) if count else (text, 0)

    def in_bytes(self, content: bytes) -> Iterator[tuple[str, bool]]:
        """(user, hashed) of what stands in bytes of an unknown form: distinctive ids and digests, whole or cut out."""
        some = self.users[:MAX_BINARY]
        for user in (user for user in some if distinctive(user)):
            if user.encode() in content or user.encode("utf-16-le") in content:
                yield user, False
        for user in some:
            if any(digest in content for digest in digests(user)):
                yield user, True


def read_users(file: str) -> list[str]:
    """The ids in a file, one a line; `-` is standard input. InputError where there are none."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--users {file}: cannot be read ({error}); name a text file in UTF-8") from error
    ids = [line for line in text.split("\n") if line.strip()]
    if not ids:
        raise InputError(f"--users {file}: no id in it; it takes one a line")
    return ids


def digests(user: str) -> tuple[bytes, ...]:
    """SHA-256, SHA-1 and MD5 of an id: what a name without a key would be hidden behind."""
    raw = user.encode()
    makers = (hashlib.sha256, hashlib.sha1, hashlib.md5)
    return tuple(make(raw, usedforsecurity=False).digest() for make in makers)


def _goes_on(text: str, end: int) -> bool:
    """Whether a word that has been read up to `end` is longer."""
    return end < len(text) and text[end - 1].isalnum() and text[end].isalnum()


def _is_labelled(text: str, start: int, end: int) -> bool:
    before, after = text[start - 1 : start], text[end : end + 1]
    return PAIRS.get(before) == after != "" or LABEL.search(text[max(0, start - 24) : start]) is not None
