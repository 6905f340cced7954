"""Where the benchmarks find real data, and where the repository is."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def data_folder(name: str) -> Path:
    """A data set's folder below `ENCORE_DATA`. Ends the program with a message where it is not there."""
    folder = os.environ.get("ENCORE_DATA")
    if not folder:
        raise SystemExit(
            f"{name} is needed: set ENCORE_DATA to the folder that holds it (docs/data.md says where it comes from)"
        )
    path = Path(folder) / name
    if not path.is_dir():
        raise SystemExit(f"ENCORE_DATA={folder} holds no folder {name} (docs/data.md says where it comes from)")
    return path
