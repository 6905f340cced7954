"""Rotation: all that is stored of a domain's users goes from old pseudonyms, or from ids, to the newest key's.

Every step may be done twice: what has the newest pseudonym stays. Row numbers stay with their users.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from jobs.cleaning.versions import fingerprint_reviews
from jobs.cleaning.writing import key_order
from jobs.privacy.decode import USER_COLUMNS
from jobs.privacy.ids import Ids, Match
from jobs.privacy.pseudonyms import Chain, rename
from jobs.privacy.rows import RAW, holds_users
from jobs.privacy.tables import KEYS, Erasing
from jobs.storage.frames import read
from schemas.tables import TABLES

NONE = Chain(())
IN_TEXT = re.compile(r"(?<![^\W_])p([1-9][0-9]{0,5})-[0-9a-f]{32}(?![^\W_])")
IN_COLUMN = re.compile(r"p([1-9][0-9]{0,5})-[0-9a-f]{13,32}")  # Iceberg keeps the first 16 characters of bounds


class OldPseudonyms(Ids):
    """All pseudonyms of keys before the newest, whosever they are."""

    def __init__(self, chain: Chain) -> None:
        super().__init__((), chain.advance)
        self.newest = len(chain.keys)

    def _old(self, match: re.Match[str]) -> bool:
        return int(match[1]) < self.newest

    def among(self, values: pa.Array) -> list[str]:
        """Those in a column of users."""
        matches = map(IN_COLUMN.match, filter(None, values.unique().to_pylist()))
        return [match[0] for match in matches if match and self._old(match)]

    def matches(self, text: str) -> Iterator[Match]:
        """Those in a text."""
        for match in filter(self._old, IN_TEXT.finditer(text)):
            yield Match(match.start(), match.end(), match[0], False)

    def tokens(self, text: str | None) -> bool:
        """Whether a text has any."""
        return text is not None and any(self.matches(text))

    def in_bytes(self, content: bytes) -> Iterator[tuple[str, bool]]:
        """Those in bytes of an unknown form."""
        for match in self.matches(content.decode("latin-1")):
            yield match.user, match.hashed


@dataclass
class Rotating(Erasing):
    """A rotation at work on the tables of a warehouse.

    withhold: whether texts of rows go, because they have ids. reviews: fingerprint of a landed review → the one that it
    is going to have.
    """

    chain: Chain = NONE
    withhold: bool = False
    reviews: dict[int, int] = field(default_factory=dict)

    def change(self, name: str, path: str, folder: str) -> tuple[pa.Table | None, pa.Table | None]:
        """A file's rows before and after; no rows after where it stays as it is."""
        if not holds_users(name):
            return None, None
        schema = TABLES[name].schema
        columns = [column for column in schema.names if column in USER_COLUMNS or column in ("kind", "id")]
        if name not in RAW and not self._is_old(read([path], schema, columns=columns)):
            return None, None
        old = read([path], schema)
        new = self.rename_users(name, old)
        if new is not None and name in KEYS:  # whose files are sorted by key
            new = new.take(pa.array(key_order(new, KEYS[name])))
        return old, new

    def _is_old(self, some: pa.Table) -> bool:
        values = [some[name] for name in some.column_names if name in USER_COLUMNS]
        if "id" in some.column_names:
            values = [some.filter(pc.equal(some["kind"], "user"))["id"]]
        each = (user for column in values for user in column.unique().to_pylist() if user is not None)
        return any(self.chain.advance(user) != user for user in each)

    def rename_users(self, name: str, old: pa.Table) -> pa.Table | None:
        """Rows of a published table with the newest pseudonyms; None where they are so."""
        if name in RAW and not self.withhold:
            return None
        new = rename(old, self.chain.advance, "id" if name == "vocabulary" else None)
        if name == "reviews" and "fingerprint" in new.column_names:
            place = new.schema.get_field_index("fingerprint")
            prints = [self.reviews.get(print, print) for print in new["fingerprint"].to_pylist()]
            new = new.set_column(place, new.schema.field(place), pa.array(prints, pa.int64()))
        return None if new == old else new


def review_fingerprints(landed: Iterator[pa.Table], chain: Chain) -> dict[int, int]:
    """Fingerprint of each landed review → the one that it has when it is rewritten."""
    known: dict[int, int] = {}
    for old in landed:
        new = rename(old, chain.advance)
        known |= dict(zip(fingerprint_reviews(old).to_pylist(), fingerprint_reviews(new).to_pylist(), strict=True))
    return known
