"""The keys of pseudonyms: read from the environment or a file, and known again by fingerprints, which are all that is
kept of them.

<warehouse>/pseudonyms/<domain>.json    fingerprints of the keys that the domain's pseudonyms were made with; while they
                                        are being rotated also those that they are going to have
"""

import json
import os
import re
import secrets
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.commands import PSEUDONYM_KEY
from jobs.errors import InputError
from jobs.privacy.pseudonyms import Chain, fingerprints, version
from jobs.settings import Settings
from jobs.storage import files
from jobs.storage.deliveries import deliveries
from schemas.domains import Domain

KEY = re.compile("[0-9a-fA-F]{64,}")
FILE_VARIABLE = "ENCORE_PSEUDONYM_KEY_FILE"  # beside PSEUDONYM_KEY, and likewise no setting
GIVE = f"give {FILE_VARIABLE} (a file that its owner alone may read) or {PSEUDONYM_KEY}"


@dataclass(frozen=True)
class State:
    """How a domain's users are stored: fingerprints of the keys behind their pseudonyms, oldest first, and of those
    that a rotation under way brings them to."""

    domain: str
    keys: tuple[str, ...] = ()
    rotating: tuple[str, ...] | None = None


def read_state(warehouse: str, domain: str) -> State:
    """What is written down; without keys where the domain has its ids as they were delivered."""
    content = files.read_bytes(_address(warehouse, domain))
    values = json.loads(content) if content else {}
    rotating = values.get("rotating")
    return State(domain, tuple(values.get("keys", ())), None if rotating is None else tuple(rotating))


def write_state(warehouse: str, state: State) -> None:
    """Writes it down."""
    content = {"keys": state.keys} | ({} if state.rotating is None else {"rotating": state.rotating})
    files.write_bytes(_address(warehouse, state.domain), json.dumps(content, indent=1).encode())


def _address(warehouse: str, domain: str) -> str:
    return f"{warehouse}/pseudonyms/{domain}.json"


def read_chain() -> Chain | None:
    """The keys that are given; None where none are. InputError for a file that others may read, and for no keys."""
    text, file = os.environ.get(PSEUDONYM_KEY), os.environ.get(FILE_VARIABLE)
    source = PSEUDONYM_KEY
    if not text and file:
        source = f"{FILE_VARIABLE}={file}"
        text = _read_owned(Path(file), source, GIVE)
    if not text:
        return None
    words = re.split(r"[\s,]+", text.strip())
    if not all(KEY.fullmatch(word) and len(word) % 2 == 0 for word in words):
        raise InputError(
            f"{source}: a key is 64 hexadecimal digits or more, several stand in the order of their age, a line each; "
            "`encore pseudonyms new-key FILE` makes one"
        )
    return Chain(tuple(map(bytes.fromhex, words)))


def _read_owned(file: Path, source: str, remedy: str) -> str:
    """The text of a file of keys; `source` is how errors name it, `remedy` what to do where it cannot be read."""
    try:
        mode = file.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{source}: is a folder; name a file in it")
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise InputError(f"{source}: others than its owner may use it (mode {stat.S_IMODE(mode):o}); chmod 600")
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{source}: cannot be read ({error}); {remedy}") from error


def add_key(file: Path) -> int:
    """Makes a key of 32 random bytes, the newest of a file's chain; returns how many there are. The file is replaced as
    a whole and is its owner's alone."""
    old = _read_owned(file, f"FILE {file}", "name another one").split() if file.exists() else []
    aside = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as new:
        new.write("\n".join([*old, secrets.token_hex(32), ""]))
        new.flush()
        os.fsync(handle)
    aside.rename(file)
    return len(old) + 1


def chain_for_import(place: Settings, domain: Domain) -> Chain:
    """The keys that an import makes pseudonyms with; an empty chain in a domain that has none.

    InputError, before anything is written, for a missing or another key, and where a domain would have ids and
    pseudonyms side by side.
    """
    state, name = read_state(place.warehouse, domain.name), domain.name
    require_rotated(place.warehouse, name)
    if state.keys and not domain.pseudonyms:
        raise InputError(
            f"users of {name} have pseudonyms, and domains.{name}.pseudonyms is off; set it to true again: ids beside "
            "their pseudonyms would be other users"
        )
    if not domain.pseudonyms:
        return Chain(())
    chain = read_chain()
    if not state.keys and chain is not None and deliveries(place.landing, name):
        raise InputError(
            f"domains.{name}.pseudonyms is on, and users of {name} have their ids as they were delivered; "
            f"`encore pseudonyms rotate --domain {name}` puts pseudonyms in their place"
        )
    return require_keys(state if state.keys or chain is None else State(name, fingerprints(chain.keys)), chain)


def keep_keys(warehouse: str, domain: str, chain: Chain) -> None:
    """Writes down which keys the first import used."""
    if chain.keys and not read_state(warehouse, domain).keys:
        write_state(warehouse, State(domain, fingerprints(chain.keys)))


def forms_of(warehouse: str, domain: str, users: Iterable[str]) -> list[list[str]]:
    """For each user, named by id or by pseudonym, how the user may be stored, last as it is now.

    InputError where it takes a key to know, and it is not given or not the right one, and for an id that is not UTF-8.
    """
    users = [*map(_utf_8, users)]
    require_rotated(warehouse, domain)
    state = read_state(warehouse, domain)
    if not state.keys:
        return [[user] for user in users]
    chain: Chain | None = None
    forms = []
    for user in users:
        if version(user) == len(state.keys):
            forms.append([user])
            continue
        chain = chain or require_keys(state, read_chain())
        forms.append(chain.forms(user))
    return forms


def _utf_8(user: str) -> str:
    """The id; InputError for bytes of a command line that are no text: no import takes them."""
    try:
        user.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"the id {user!r} is not UTF-8, and ids are; give it in the encoding UTF-8") from error
    return user


def require_keys(state: State, chain: Chain | None) -> Chain:
    """The given keys, if they are those of the state."""
    if chain is None:
        raise InputError(f"users of {state.domain} have pseudonyms, and their key is missing: {GIVE}")
    given = fingerprints(chain.keys)
    if given == state.keys:
        return chain
    if given[: len(state.keys)] == state.keys:
        raise InputError(
            f"{len(given)} keys are given, and users of {state.domain} have pseudonyms of the first "
            f"{len(state.keys)}; `encore pseudonyms rotate --domain {state.domain}` brings them to the newest"
        )
    raise InputError(
        f"this is not the key of {state.domain}: its pseudonyms were made with {_list_keys(state.keys)}, given is "
        f"{_list_keys(given)} (fingerprints); give the key that was used, oldest first where there are several"
    )


def _list_keys(keys: Sequence[str]) -> str:
    return ", ".join(keys)


def require_rotated(warehouse: str, domain: str) -> None:
    """InputError while a rotation of the domain is unfinished: some of its users have old pseudonyms, some new ones."""
    if read_state(warehouse, domain).rotating is not None:
        raise InputError(
            f"a rotation of the pseudonyms of {domain} is not finished; call `encore pseudonyms rotate --domain "
            f"{domain}` again with the same keys, then start a new run"
        )
