"""The archive of Java's loaded classes (class data sharing), with which Spark starts in half the time."""

import contextlib
import os
import shutil
import time
from importlib.metadata import distribution
from pathlib import Path
from zlib import crc32

ARCHIVE_SECONDS = 60


def sharing(folder: Path, port: int) -> str:
    """Java's option to take loaded classes from an archive (class data sharing), or to make one when it ends.

    The first run with a Spark and a Java makes it and every later one starts in half the time: most of a small night is
    the JVM meeting Spark's classes.
    """
    archive = class_archive(folder)
    if archive.exists():
        return f"-Xshare:auto -XX:SharedArchiveFile={archive}"
    return f"-XX:ArchiveClassesAtExit={archive.with_suffix(f'.{port}')}"


def class_archive(folder: Path) -> Path:
    """Where the archive of these jars for this Java is, or will be: Java takes no other."""
    home, spark = os.environ.get("JAVA_HOME"), distribution("pyspark")
    java = shutil.which(f"{home}/bin/java" if home else "java") or "java"
    of = [Path(str(spark.locate_file("pyspark/jars"))), Path(java).resolve()]
    stamp = crc32(repr([(str(path), path.stat().st_mtime_ns) for path in of if path.exists()]).encode())
    return folder / f"classes-{spark.version}-{stamp:08x}.jsa"


def keep_archive(folder: Path, port: int, pid: int) -> None:
    """Waits for the JVM of a process to end, and gives the archive that it made its name, whole; older ones go."""
    kept = class_archive(folder)
    if kept.exists():
        return
    made = kept.with_suffix(f".{port}")
    deadline = time.monotonic() + ARCHIVE_SECONDS
    while _lives(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    if made.exists() and not _lives(pid):
        made.replace(kept)
        for other in folder.glob("classes-*.jsa"):
            if other != kept:
                other.unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):  # where this very process started it, it waits to be noticed
        return os.waitpid(pid, os.WNOHANG)[0] == 0
    return Path(f"/proc/{pid}").exists()
