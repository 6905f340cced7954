"""Addresses of folders: what a path or a URI of the environment becomes, and which local ones no warehouse can have."""

import os
import re
from pathlib import Path
from urllib.parse import unquote

from jobs.errors import InputError


def address(place: str | Path) -> str:
    """A path made absolute behind file://, unescaped as Spark and Iceberg take it; other URIs without a last slash.

    InputError for a text that names nothing: an empty one, or a scheme alone.
    """
    if not str(place).strip() or re.fullmatch(r"(?!file:)[a-z0-9]+:/+", str(place)):
        raise InputError(f"{str(place)!r} is no address; it must be a folder, or as in s3://bucket/folder")
    text = str(place).rstrip("/") or "/"
    if text.startswith("file://"):
        return unquote(text)
    return text if re.match(r"^[a-z0-9]+://", text) else f"file://{os.path.realpath(text)}"


def require_path(warehouse: str) -> None:
    """InputError for a local path that readers of Iceberg, to which every address is a URI, do not find."""
    if warehouse.startswith("file://") and (match := re.search(r'[?#"\x00-\x1f]', warehouse)):
        raise InputError(
            f"ENCORE_WAREHOUSE={warehouse}: a warehouse's path must be without {match[0]!r}, with which readers "
            "of Iceberg do not find it; choose another folder"
        )
