"""Which code this is: the version of setup.cfg and the commit.

The commit is that of the clone. Where Encore is installed without one, as in an image, the build writes it into a file
of the package: `git rev-parse HEAD > jobs/commit.txt`.
"""

import re
import subprocess
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

FILE = Path(__file__).with_name("commit.txt")
ROOT = FILE.parents[1]
DIGITS = 12


@cache
def code_version() -> str:
    """Version and commit, as 0.1.0+1a2b3c4d5e6f; `.dirty` behind it where files of the clone were changed since; the
    version alone where nothing tells the commit."""
    commit = _of_clone(ROOT) or _of_file(FILE)
    return f"{version('encore')}+{commit}" if commit else version("encore")


def _of_clone(root: Path) -> str:
    """The commit of the clone whose top folder is `root`; empty where it is none, or git cannot be asked."""
    if not (root / ".git").exists():  # a folder above may be a clone, of something else
        return ""
    describe = ["git", "-C", str(root), "describe", "--always", "--dirty=.dirty", f"--abbrev={DIGITS}", "--exclude=*"]
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(describe, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    return ""


def _of_file(file: Path) -> str:
    """The commit that a build wrote down; empty where there is none."""
    with suppress(OSError, UnicodeDecodeError):
        text = file.read_text(encoding="ascii").strip()
        return text[:DIGITS] if re.fullmatch("[0-9a-f]{7,64}", text) else ""
    return ""
