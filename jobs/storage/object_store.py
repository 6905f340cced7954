"""S3 through Arrow, configured in one way: by the environment variables of AWS (docs/object-storage.md).

Import, jobs, Spark's tasks, PyIceberg and DuckDB all read and write through the file system that is made here, so that
an endpoint, a region and credentials are given once.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from pyarrow import fs as arrow_fs

from jobs.errors import InputError

CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 30.0  # without a byte: the SDK's own 3 seconds are too few for a store that is slow
FILES = "jobs.storage.iceberg_files.IcebergFiles"
AGREEING = {"s3.endpoint": "AWS_ENDPOINT_URL", "s3.region": "AWS_REGION"}
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")  # the first that is set holds, as in AWS's own programs
CREDENTIALS = {
    "s3.access-key-id": "AWS_ACCESS_KEY_ID",
    "s3.secret-access-key": "AWS_SECRET_ACCESS_KEY",
    "s3.session-token": "AWS_SESSION_TOKEN",
}


@dataclass(frozen=True)
class ObjectStore:
    """How this process reaches S3; Arrow and the SDKs find the credentials in the environment themselves.

    endpoint: None for AWS's own.
    """

    endpoint: str | None = None
    region: str | None = None
    max_attempts: int = 5


def object_store(environment: Mapping[str, str] | None = None) -> ObjectStore:
    """The object store that the environment names. Raises InputError for an address or number that cannot be one."""
    env = os.environ if environment is None else environment
    name = next((name for name in ENDPOINTS if env.get(name)), ENDPOINTS[-1])
    endpoint = env.get(name, "").rstrip("/") or None
    if endpoint and not re.match(r"^https?://[^/:@]+(:[0-9]+)?$", endpoint):
        raise InputError(f"{name}={endpoint}: must be http:// or https:// and a host, as in http://127.0.0.1:9000")
    attempts = env.get("AWS_MAX_ATTEMPTS") or str(ObjectStore.max_attempts)
    if not re.match(r"^[1-9][0-9]?$", attempts):
        raise InputError(f"AWS_MAX_ATTEMPTS={attempts}: must be a number from 1 to 99")
    region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or ("us-east-1" if endpoint else None)
    return ObjectStore(endpoint, region, int(attempts))


class Retries(arrow_fs.AwsStandardS3RetryStrategy):  # type: ignore[misc]
    """AWS's standard: waits longer from try to try; a class without arguments, as PyIceberg wants to make it."""

    def __init__(self) -> None:
        super().__init__(max_attempts=object_store().max_attempts)


def s3() -> arrow_fs.S3FileSystem:
    """The S3 file system of this process: made once, as it finds credentials when it is made."""
    return _s3(object_store(), os.getpid())  # its threads do not outlive a fork


@lru_cache(maxsize=4)
def _s3(store: ObjectStore, pid: int) -> arrow_fs.S3FileSystem:
    return arrow_fs.S3FileSystem(
        endpoint_override=store.endpoint,
        region=store.region,
        connect_timeout=CONNECT_SECONDS,
        request_timeout=REQUEST_SECONDS,
        retry_strategy=Retries(),
        allow_delayed_open=True,  # a small file is one request then, not the three of an upload in parts
    )


def iceberg_properties(given: Mapping[str, str]) -> dict[str, str]:
    """The properties of [catalog] with the object store of the environment.

    Raises InputError where [catalog] names credentials, or another endpoint or region than the environment: tables
    would then lie in one store, and what their files are made of in another.
    """
    ours = s3_properties()
    for name, variable in AGREEING.items():
        if name in given and given[name].rstrip("/") != ours.get(name):
            raise InputError(
                f"[catalog] {name} = {given[name]!r} and {variable} = {ours.get(name)!r} must be the same: "
                f"set {variable}={given[name]}, which holds for the tables too, and leave {name} out"
            )
    for name, variable in CREDENTIALS.items():
        if name in given:
            raise InputError(
                f"[catalog] {name}: imports and Spark's tasks would not have it; "
                f"set {variable} in the environment, which holds for the tables too, and leave {name} out"
            )
    return {"py-io-impl": FILES, **ours, **given}


def s3_properties() -> dict[str, str]:
    """The object store of the environment as PyIceberg's properties."""
    store = object_store()
    ours = {"s3.endpoint": store.endpoint, "s3.region": store.region}
    return {
        **{name: value for name, value in ours.items() if value},
        "s3.connect-timeout": str(CONNECT_SECONDS),
        "s3.request-timeout": str(REQUEST_SECONDS),
        "s3.retry-strategy-impl": f"{Retries.__module__}.{Retries.__qualname__}",
    }
