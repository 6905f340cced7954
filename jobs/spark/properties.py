"""Settings of Spark in a file (java.util.Properties) in place of words of a command: everybody may read a process list,
and settings may have the keys of an object store."""

import os
from array import array
from collections.abc import Mapping
from pathlib import Path


def write_properties(file: Path, settings: Mapping[str, str]) -> None:
    """Writes settings as `spark-submit --properties-file` reads them, for their owner alone."""
    write_owned(file, "".join(f"{_escape(name)}={_escape(value)}\n" for name, value in settings.items()))


def _escape(text: str) -> str:
    """A name or a value: all but letters and digits as UTF-16 units in hexadecimal digits, spaces at an end too."""
    units = array("H", text.encode("utf-16"))[1:]
    return "".join(chr(unit) if chr(unit).isalnum() and unit < 128 else f"\\u{unit:04x}" for unit in units)


def write_owned(file: Path, text: str) -> None:
    """Writes a file that its owner alone may read."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as output:
        output.write(text)
