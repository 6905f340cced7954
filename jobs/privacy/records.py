"""The account of erasures: who was erased when, as keyed hashes, so that a later import of the same id is refused.

<warehouse>/erasures/key                        32 random bytes, hexadecimal; made by the first erasure
                    /<domain>/<batch>.json      one erasure: its users' hashes, state, times, counts

A hash is HMAC-SHA-256 over the SHA-256 of the id: with the SHA-256 alone one can tell whether a user was erased, and
without the key nobody can. An erasure that is `started` and not `done` keeps every night of its domain from running.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.errors import InputError
from jobs.privacy.ids import RUN, sha256
from jobs.privacy.landing import without_example
from jobs.storage import files

STARTED, FINISHED = "started", "done"


@dataclass(frozen=True)
class Record:
    """One erasure of some users of a domain."""

    domain: str
    users: tuple[str, ...]
    state: str
    started: str
    done: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of its file: the same users are the same erasure."""
        return hashlib.sha256("".join(self.users).encode()).hexdigest()[:16]


class Records:
    """The erasures of a warehouse."""

    def __init__(self, warehouse: str) -> None:
        self.folder = f"{warehouse}/erasures"

    def key(self, create: bool = False) -> bytes | None:
        """The key of the hashes; None where nobody was erased yet."""
        content = files.read_bytes(f"{self.folder}/key")
        if content is None and create:
            files.write_bytes(f"{self.folder}/key", secrets.token_hex(32).encode())
            content = files.read_bytes(f"{self.folder}/key")
        return None if content is None else bytes.fromhex(content.decode())

    def of(self, domain: str) -> list[Record]:
        """All erasures of a domain."""
        return [self._read(address) for address in files.listing(f"{self.folder}/{domain}", ".json")]

    def _read(self, address: str) -> Record:
        values = json.loads(files.read_bytes(address) or b"{}")
        return Record(**{**values, "users": tuple(values["users"])})

    def start(self, domain: str, hashes: Iterable[str]) -> Record:
        """Writes down that users (SHA-256 of their ids) are being erased; goes on with an erasure of the same ones."""
        key = self.key(create=True) or b""
        users = tuple(sorted(hash_with_key(key, one) for one in hashes))
        new = Record(domain, users, STARTED, _now())
        known = {record.name: record for record in self.of(domain)}.get(new.name)
        record = new if known is None or known.state == FINISHED else known
        self._write(record)
        return record

    def finish(self, record: Record, counts: Mapping[str, int]) -> None:
        """Writes down that it is done."""
        self._write(Record(record.domain, record.users, FINISHED, record.started, _now(), dict(counts)))

    def _write(self, record: Record) -> None:
        content = json.dumps(asdict(record), indent=1).encode()
        files.write_bytes(f"{self.folder}/{record.domain}/{record.name}.json", content)

    def require_finished(self, domain: str) -> None:
        """InputError while an erasure of the domain is unfinished: a night would publish what is being erased."""
        if unfinished := [record for record in self.of(domain) if record.state == STARTED]:
            raise InputError(
                f"an erasure of {len(unfinished[0].users)} users of {domain}, begun {unfinished[0].started}, is not "
                "finished; call `encore erase` again with the same users, then start a new run"
            )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def hash_with_key(key: bytes, digest: str) -> str:
    """HMAC-SHA-256 of a SHA-256 in hexadecimal digits."""
    return hmac.new(key, digest.encode(), hashlib.sha256).hexdigest()


class Refusal:
    """Leaves rows of erased users out of what is imported and counts them; and texts of other rows that name one."""

    def __init__(
        self,
        warehouse: str,
        domain: str,
        refuse: bool = True,
        forms: Callable[[str], Iterable[str]] = lambda user: (user,),
    ) -> None:
        """refuse: whether they are left out; else everything is kept. forms: how an id may have been stored when it was
        erased (`jobs.privacy.pseudonyms.Chain.forms`)."""
        self.forms = forms
        records = Records(warehouse)
        self.erased = frozenset(user for record in records.of(domain) for user in record.users)
        self.key = records.key() or b""
        self.refuse = refuse
        self.rows = 0
        self._known: dict[str, bool] = {}

    def refuses(self, user: str | None) -> bool:
        """Whether this user was erased."""
        if user is None:
            return False
        if user not in self._known:
            hashes = (hash_with_key(self.key, sha256(form)) for form in self.forms(user))
            self._known[user] = any(one in self.erased for one in hashes)
        return self._known[user]

    def drop_erased(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The rows of landing batches that are nobody's or of users who were not erased."""
        for batch in batches:
            if not self.refuse or not self.erased:
                yield batch
                continue
            if "user_id" not in batch.schema.names:  # what users say of items, their tags: it stays without the text
                place, raw = batch.schema.get_field_index("raw"), batch["raw"].to_pylist()
                texts = pa.array(["" if self._names_erased(text) else text for text in raw], pa.string())
                yield batch.set_column(place, batch.schema.field(place), texts.cast(batch.schema.field(place).type))
                continue
            users = batch["user_id"]
            gone = pa.array([user for user in users.unique().to_pylist() if self.refuses(user)], pa.string())
            theirs = pc.is_in(users, value_set=gone)
            if users.null_count:  # the text of a row that could not be read may name one
                words = [
                    user is None and self._names_erased(raw) for user, raw in zip(*self._columns(batch), strict=True)
                ]
                theirs = pc.or_(theirs, pa.array(words))
            self.rows += pc.sum(theirs).as_py() or 0
            yield batch.filter(pc.invert(theirs))

    def redact_example(self, finding: str) -> str:
        """A finding of the import without its example where that names an erased user."""
        return without_example(finding) if self.refuse and self._names_erased(finding) else finding

    def _columns(self, batch: pa.RecordBatch) -> tuple[list[Any], list[Any]]:
        return batch["user_id"].to_pylist(), batch["raw"].to_pylist()

    def _names_erased(self, raw: str | None) -> bool:
        cells = {part.strip(" \"'{}[]") for part in (raw or "").replace("::", ",").replace(":", ",").split(",")}
        cells |= {part.strip(" \"'") for cell in cells for part in cell.split("\t")}
        return bool(self.erased) and any(self.refuses(cell) for cell in cells | set(RUN.findall(raw or "")) if cell)
