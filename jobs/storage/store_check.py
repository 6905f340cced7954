"""Asks an object store whether an address can be read and written, without importing a catalog."""

import re
import time
import uuid

from pyarrow import fs as arrow_fs

from jobs.errors import InputError
from jobs.storage.files import filesystem
from jobs.storage.object_store import object_store

WAIT_SECONDS = 20.0  # that a store which does not answer is asked again
DENIED = ("ACCESS_DENIED", "INVALID_ACCESS_KEY", "SIGNATURE", "INVALID_CLIENT_TOKEN", "status 401", "status 403")
REFUSED = re.compile("|".join(DENIED), re.IGNORECASE)


def require_address(variable: str, address: str) -> None:
    """InputError where the bucket of an address is missing, denied, or does not answer for WAIT_SECONDS."""
    if not address.startswith("s3://"):
        return
    end = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return _try(variable, address)
        except OSError as error:
            if REFUSED.search(str(error)):
                raise InputError(
                    f"{variable}={address}: {_store()} refuses it ({short(error)}); the environment needs "
                    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role, that may list, get, put and delete there"
                ) from error
            if time.monotonic() > end:
                raise InputError(
                    f"{variable}={address}: {_store()} does not answer ({short(error)}); "
                    "set AWS_ENDPOINT_URL, as in AWS_ENDPOINT_URL=http://127.0.0.1:9000, or unset it for AWS's own"
                ) from error
            time.sleep(1)


def _try(variable: str, address: str) -> None:
    fs, path = filesystem(address)
    bucket = path.partition("/")[0]
    if fs.get_file_info(bucket).type != arrow_fs.FileType.Directory:
        raise InputError(
            f"{variable}={address}: {_store()} has no bucket {bucket!r}; create it, or name one that is there"
        )
    probe = f"{path}/.preflight-{uuid.uuid4().hex[:8]}"
    with fs.open_output_stream(probe) as stream:
        stream.write(b"")
    fs.delete_file(probe)


def hide_password(text: str) -> str:
    """A text with addresses in it, without the passwords of these."""
    return re.sub(r"(://[^:/@\s]+):[^@\s]+@", r"\1:***@", text)


def _store() -> str:
    return object_store().endpoint or "AWS"


def short(error: Exception) -> str:
    """The first line of an error, without passwords."""
    return hide_password(str(error).strip().split("\n")[0])[:300] or type(error).__name__
