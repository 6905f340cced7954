"""Pseudonyms: keyed hashing of user ids (HMAC-SHA-256, RFC 2104), and rows that have them in place of the ids.

A holder of keys has a chain of them, oldest first. The pseudonym of an id under n keys is `pN-` and the first 32
hexadecimal digits of HMAC(key n, pseudonym under n - 1 keys), the id itself under none. A stored pseudonym therefore
goes from one key to the next without the id, and who has some keys of a chain and not the last one can test no id.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from jobs.privacy.decode import USER_COLUMNS
from jobs.privacy.ids import distinctive
from schemas.ids import ID_BYTES, INVISIBLE
from schemas.inputs import TOMBSTONE

DIGITS = 32  # hexadecimal, of 64: 128 bits, in which a billion users hardly ever share one
PSEUDONYM = re.compile(rf"p([1-9][0-9]*)-[0-9a-f]{{{DIGITS}}}")
WITHHELD = "(not kept: pseudonyms)"  # in place of a row's text, which holds the id, and columns that nobody asked for
LONG = "~" * ID_BYTES  # keeps a pseudonym of an id that is too long as invalid as the id
BLANK = "\u115f\u1160\u3164\uffa0"  # letters without a shape
Rename = Callable[[str], str]


@dataclass(frozen=True)
class Chain:
    """The keys that its holder has, oldest first; each 32 bytes or more."""

    keys: tuple[bytes, ...]

    def of(self, user: str) -> str:
        """The pseudonym of an id. Ids that are no ids (empty, invisible) stay; too long ones stay too long."""
        return user if is_invisible(user) else self._hash(user, 0)

    def forms(self, user: str) -> list[str]:
        """The id, then its pseudonyms under one key, two, …: how the user may ever have been stored."""
        return [user, *(Chain(self.keys[: n + 1]).of(user) for n in range(len(self.keys)))]

    def advance(self, stored: str) -> str:
        """What stands for a stored id or pseudonym under all keys; what stands for an erased user stays."""
        if stored.startswith(TOMBSTONE) or is_invisible(stored):
            return stored
        return self._hash(stored, version(stored))

    def _hash(self, text: str, known: int) -> str:
        end = LONG if len(text.encode()) > ID_BYTES else ""
        for number, key in enumerate(self.keys[known:], start=known + 1):
            digest = hmac.new(key, text.removesuffix(LONG).encode(), hashlib.sha256).hexdigest()
            text = f"p{number}-{digest[:DIGITS]}"
        return text + end if PSEUDONYM.fullmatch(text) else text


def version(stored: str) -> int:
    """How many keys made what is stored; 0 for an id as it was delivered."""
    match = PSEUDONYM.fullmatch(stored.removesuffix(LONG))
    return int(match[1]) if match else 0


def is_invisible(user: str) -> bool:
    """Whether an id says nothing, as `schemas.ids.says_nothing` has it: such rows are rejected."""
    if any(letter.isalnum() and letter not in BLANK for letter in user):
        return False
    return bool(pc.match_substring_regex(pa.scalar(user, pa.string()), f"^{INVISIBLE}$").as_py())


def rename(table: pa.Table, new: Rename, users: str | None = None, *, withhold: bool = True) -> pa.Table:
    """Rows with other ids of users: in columns of users, in ids and texts of reviews that name their author.

    users: the name of another column of user ids, where the rows say so (`kind`). withhold: whether texts of rows go.
    """
    known: dict[str, str] = {}
    columns = [name for name in table.column_names if name in USER_COLUMNS]
    author = _plain(table["user_id"]) if "user_id" in columns and "text" in table.column_names else None
    for name in columns:
        table = _set(table, name, _map_distinct(table[name], new, known))
    if users is not None:
        theirs = pc.equal(table["kind"], "user")
        mapped = _map_distinct(pc.if_else(theirs, table[users], None), new, known)
        table = _set(table, users, pc.if_else(theirs, mapped, table[users]))
    if author is not None:
        for name in ("review_id", "text"):
            table = _set(table, name, _without_author(table[name], author, known, words=name == "review_id"))
    if withhold and "raw" in table.column_names:
        table = _set(table, "raw", pa.repeat(WITHHELD, table.num_rows))
    return table


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string())


def _map_distinct(column: pa.ChunkedArray, new: Rename, known: dict[str, str]) -> pa.ChunkedArray:
    """Every distinct value once, however many rows have it."""
    coded = _plain(column).combine_chunks().dictionary_encode()
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    texts = coded.dictionary.to_pylist()
    for text in texts:
        if text not in known:
            known[text] = new(text)
    return pc.take(pa.array([known[text] for text in texts], pa.string()), coded.indices)


def _set(table: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    place = table.schema.get_field_index(name)
    return table.set_column(place, table.schema.field(place), values.cast(table.schema.field(place).type))


def _without_author(
    column: pa.ChunkedArray, author: pa.ChunkedArray, known: Mapping[str, str], *, words: bool
) -> pa.Array:
    """Texts with the author's pseudonym in the id's place; words: also where the id is too short to be told from a
    number or a word that stands there by chance."""
    return pa.array(
        [
            text if text is None or user is None else _replace(text, user, known[user], words)
            for text, user in zip(_plain(column).to_pylist(), author.to_pylist(), strict=True)
        ],
        pa.string(),
    )


def _replace(text: str, user: str, instead: str, words: bool) -> str:
    if user not in text or not (words or distinctive(user)):
        return text
    return re.sub(rf"(?<![^\W_]){re.escape(user)}(?![^\W_])", lambda _: instead, text)


def fingerprints(keys: Sequence[bytes]) -> tuple[str, ...]:
    """What tells keys apart and tells nothing of them: 16 hexadecimal digits of HMAC(key, a constant)."""
    return tuple(hmac.new(key, b"encore: which key is this", hashlib.sha256).hexdigest()[:16] for key in keys)
