"""What an error of the file system means for a warehouse or a landing folder: full, read-only, not ours."""

import errno

from jobs.errors import InputError

FULL = ("No space left on device", "database or disk is full", "Disk quota exceeded")
NOT_OURS = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)


def is_full(error: BaseException) -> bool:
    """Whether an error or its cause is a full disk: as reported by the system, Spark or the SQLite catalog."""
    cause = error.__cause__ or error.__context__
    return any(sign in str(error) for sign in FULL) or (cause is not None and is_full(cause))


def explain(error: Exception, address: str) -> Exception:
    """The error as one that names the address and says what to do; itself where the disk is not its reason."""
    if is_full(error):
        return OSError(f"no space left in {address}; free some and run it again")
    path = address.removeprefix("file://")
    if isinstance(error, OSError) and error.errno in NOT_OURS and path in str(error):
        return InputError(f"{address} cannot be written: {error}; mount it for writing, or give this user the folder")
    return error
